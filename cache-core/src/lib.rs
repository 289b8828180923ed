//! sea-orm-cache
#![allow(missing_docs)]

mod cache;
mod clock;
mod codec;
mod engine;
mod envelope;
mod error;
mod event;
mod footprint;
mod glob;
mod key;
mod local;
mod macros;
mod memory;
mod orm;
mod policy;
mod ports;
pub mod prelude;
#[cfg(feature = "redis")]
mod redis;
mod schema;
mod tag;
mod telemetry;
pub mod toolkit;
mod write_behind;

#[cfg(feature = "redis")]
pub use self::redis::RedisSettings;
pub use cache::{Cache, CacheBuilder, CacheConfig, Capacity, Eviction, ToolkitCount};
pub use clock::{Clock, Moment};
pub use engine::{
    Explanation, FunctionStats, Invalidation, LoadScope, PurgeProgress, Stats, TableStats, TagReport, Validity,
    WhenRemoteIsDown,
};
pub use error::{Error, ErrorKind};
pub use event::{Event, EventListener, FillRefusal, PutRefusal, StaleReason, Tier};
pub use macros::{CachedEntity, cache_hooks, cache_put, cached, invalidates};
#[cfg(feature = "migration")]
pub use orm::CreateCacheOutbox;
pub use orm::{
    CacheQuery, CachedConnection, CachedEntity, CachedLoader, CachedPages, CachedQuery, CachedQueryMany, CachedRelated,
    CachedStream, CachedTransaction, Cascade, ColumnClass, ColumnInfo, EntityInfo, EntityRegistration, StaleTag,
    WriteExplanation, WriteThrough, create_outbox_table, register, register_info, register_tables, register_view,
};
#[cfg(feature = "rbac")]
pub use orm::{CachedRestrictedConnection, CachedRestrictedTransaction};
pub use policy::{CodecKind, CompressionKind, Consistency, Policy, PolicyOverride, TierChoice};
pub use tag::Tag;
#[cfg(feature = "migration")]
pub use write_behind::CreateCacheWriteBehind;
pub use write_behind::{
    Backpressure, DeadLetter, DeadLetterId, Fsync, KeyOf, Operation, RetryOutcome, WriteBehind, WriteBehindBuilder,
    WriteBehindEntity, WriteBehindJournal, WriteBehindStats, create_write_behind_table,
};

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

/// What the project's own tests name; no promise is made about it.
#[doc(hidden)]
pub mod __testing {
    #[cfg(feature = "redis")]
    pub use crate::redis::{Connected, Opened, connect, open};
    pub use crate::{
        engine::{
            Mutation,
            call::{Deps, Function, Presence, Read},
        },
        memory::{Call, Gate, MemoryNode, MemoryStore, MemoryTools, Point},
        orm::deps::{index_dep, index_tags, row_dep, row_tags, table_dep},
        ports::*,
        write_behind::{FileJournal, MemoryJournal},
    };
}

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
