//! What most files of an application name: `use sea_orm_cache::prelude::*;`.

pub use sea_orm_cache_macros::{CachedEntity, cache_hooks, cache_put, cached, invalidates};

pub use crate::{
    cache::Cache,
    orm::{CacheQuery, CachedConnection, CachedEntity, CachedLoader, CachedRelated, CachedTransaction},
    policy::{Policy, PolicyOverride},
    tag::Tag,
};
