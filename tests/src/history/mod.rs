//! Checks what nodes read against what they wrote.
mod checker;
mod record;
mod tap;
pub use checker::{Findings, check};
pub use record::{Commit, History, Micros, Reading, Recorder, Seen, Settled};
pub use tap::{Piece, Tap, Verdict};
