//! Where a function finds its cache.

use std::{ops::Deref, sync::Arc};

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};

use crate::{
    cache::Cache,
    orm::{
        CachedConnection, CachedTransaction,
        recognise::{self, Reached},
    },
};

/// The cache of a call, or why there is none.
pub struct Source<'a>(Kind<'a>);

enum Kind<'a> {
    Borrowed(&'a Cache),
    Owned(Cache),
    Inside(Inside),
    /// No cache was handed over, and none is installed.
    Nothing,
}

/// A call inside a transaction.
#[derive(Clone)]
pub(super) struct Inside {
    /// The cache, if one is known.
    pub(super) cache: Option<Cache>,
    /// Whether nobody will hear of the commit.
    pub(super) unseen: bool,
    pub(super) why: &'static str,
}

/// A cache that a call may use.
pub(super) enum Found<'a> {
    Borrowed(&'a Cache),
    Owned(Cache),
}

impl Deref for Found<'_> {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        match self {
            Self::Borrowed(cache) => cache,
            Self::Owned(cache) => cache,
        }
    }
}

impl<'a> Source<'a> {
    fn inside(cache: Option<Cache>, unseen: bool, why: &'static str) -> Self {
        Self(Kind::Inside(Inside { cache, unseen, why }))
    }

    /// The same, borrowing nothing: for what is about to be moved.
    #[must_use]
    pub fn into_owned(self) -> Source<'static> {
        Source(match self.0 {
            Kind::Borrowed(cache) => Kind::Owned(cache.clone()),
            Kind::Owned(cache) => Kind::Owned(cache),
            Kind::Inside(inside) => Kind::Inside(inside),
            Kind::Nothing => Kind::Nothing,
        })
    }

    /// This one, unless the other is inside a transaction.
    #[must_use]
    pub fn unless_in(self, other: Source<'a>) -> Self {
        if matches!(other.0, Kind::Inside(_)) { other } else { self }
    }

    /// The cache that this leads to, outside of transactions.
    #[inline]
    pub(super) fn cache(&self) -> Option<&Cache> {
        match &self.0 {
            Kind::Borrowed(cache) => Some(cache),
            Kind::Owned(cache) => Some(cache),
            Kind::Inside(_) | Kind::Nothing => None,
        }
    }

    /// The cache, or the transaction that the call is inside, or neither.
    pub(super) fn find(self) -> Result<Found<'a>, Option<Inside>> {
        match self.0 {
            Kind::Borrowed(cache) => Ok(Found::Borrowed(cache)),
            Kind::Owned(cache) => Ok(Found::Owned(cache)),
            Kind::Inside(inside) => Err(Some(inside)),
            Kind::Nothing => Err(None),
        }
    }
}

/// Something that leads to a cache, or to a transaction.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not lead to a cache",
    label = "neither a `Cache` nor a connection of one",
    note = "hand over a `Cache`, a `CachedConnection`, a `CachedTransaction` or one of SeaORM's own connections, or a reference to one"
)]
pub trait CacheSource {
    /// Where it leads.
    fn cache_source(&self) -> Source<'_>;
}

/// Something that leads to a cache, and is no transaction.
#[diagnostic::on_unimplemented(
    message = "one entry cannot be looked up or removed through `{Self}`",
    label = "neither a `Cache` nor a connection of one",
    note = "hand over a `Cache` or a connection; in a transaction name tags with `CachedTransaction::invalidate`, which takes effect at the commit"
)]
pub trait CacheHandle: CacheSource {}

impl CacheSource for Cache {
    fn cache_source(&self) -> Source<'_> {
        Source(Kind::Borrowed(self))
    }
}

impl CacheSource for CachedConnection {
    fn cache_source(&self) -> Source<'_> {
        Source(Kind::Borrowed(self.cache()))
    }
}

impl CacheSource for CachedTransaction {
    fn cache_source(&self) -> Source<'_> {
        Source::inside(Some(self.cache().clone()), false, "in a transaction")
    }
}

impl CacheSource for DatabaseConnection {
    fn cache_source(&self) -> Source<'_> {
        default_source()
    }
}

impl CacheSource for DatabaseTransaction {
    fn cache_source(&self) -> Source<'_> {
        Source::inside(Cache::installed(), true, "in a transaction")
    }
}

impl CacheHandle for Cache {}
impl CacheHandle for CachedConnection {}
impl CacheHandle for DatabaseConnection {}

macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<T: CacheSource + ?Sized> CacheSource for $pointer {
            fn cache_source(&self) -> Source<'_> {
                (**self).cache_source()
            }
        }

        impl<T: CacheHandle + ?Sized> CacheHandle for $pointer {}
    )*};
}

through_pointers!(&T, &mut T, Arc<T>, Box<T>);

/// The installed cache.
#[must_use]
pub fn default_source() -> Source<'static> {
    Source(Cache::installed().map_or(Kind::Nothing, Kind::Owned))
}

/// Where a connection of any type leads: by its type, or by its own answer.
pub fn generic_source<C: ConnectionTrait + ?Sized>(db: &C) -> Source<'_> {
    match recognise::reach(db) {
        Reached::Cache { cache, .. } => Source(Kind::Owned(cache)),
        Reached::Inside { cache, unseen, why } => Source::inside(cache, unseen, why),
        Reached::Nothing => Source(Kind::Nothing),
    }
}
