//! sea-orm-cache
#![allow(dead_code, missing_docs)]

mod clock;
mod error;
mod event;
mod key;
mod memory;
mod policy;
mod ports;
#[cfg(feature = "redis")]
mod redis;
mod tag;

#[cfg(feature = "redis")]
pub use self::redis::RedisSettings;
pub use clock::{Clock, Moment};
pub use error::{Error, ErrorKind};
pub use event::{Event, EventListener, FillRefusal, Tier};
pub use policy::{CodecKind, CompressionKind, Consistency, Policy, PolicyOverride, TierChoice};
pub use tag::Tag;

/// What the project's own tests name; no promise is made about it.
#[doc(hidden)]
pub mod __testing {
    #[cfg(feature = "redis")]
    pub use crate::redis::{Connected, connect};
    pub use crate::{
        memory::{Call, Gate, MemoryNode, MemoryStore, Point},
        ports::*,
    };
}
