//! The wrapped connection: what it lets through, and what it makes stale.

mod drop_in;
mod entities;
