//! Queries that are answered from the cache, without an annotated function.

mod again;
mod answer;
mod cached;
mod extend;
mod load;
mod many;
mod pages;
mod related;
mod spy;

pub(in crate::orm) use self::spy::Spy;
pub use self::{
    cached::CachedQuery, extend::CacheQuery, load::CachedLoader, many::CachedQueryMany, pages::CachedPages,
    related::CachedRelated,
};
