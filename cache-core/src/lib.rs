//! sea-orm-cache
#![allow(dead_code, missing_docs)]

mod clock;
mod error;
mod event;
mod policy;
mod ports;
mod tag;

pub use clock::{Clock, Moment};
pub use error::{Error, ErrorKind};
pub use event::{Event, EventListener, FillRefusal, Tier};
pub use policy::{CodecKind, CompressionKind, Consistency, Policy, PolicyOverride, TierChoice};
pub use tag::Tag;
