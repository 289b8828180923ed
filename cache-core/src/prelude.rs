//! What most files of an application name: `use sea_orm_cache::prelude::*;`.

pub use crate::{
    Cache, CacheQuery, CachedConnection, CachedEntity, CachedLoader, CachedRelated, CachedTransaction, Policy,
    PolicyOverride, Tag, cache_hooks, cached, invalidates,
};
