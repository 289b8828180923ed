//! A remote tier around another, all of whose requests pass through one function.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    Captured, EndWith, Ended, Fetched, IntentId, LockRequest, LockToken, RemoteTier, ScanCursor, ScanPage,
    StoreRequest, journal::Journal,
};
use crate::{error::Error, tag::Tag};

/// One request to a [`RemoteTier`], with what is asked about.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// [`RemoteTier::fetch`]
    Fetch {
        /// The keys of entries.
        keys: &'a [&'a str],
        /// The tags whose states are asked for.
        tags: &'a [Tag],
    },
    /// [`RemoteTier::capture`]
    Capture {
        /// The tags whose versions are captured.
        tags: &'a [Tag],
        /// The load locks tried for.
        locks: &'a [LockRequest<'a>],
    },
    /// [`RemoteTier::store`]
    Store(&'a [StoreRequest<'a>]),
    /// [`RemoteTier::unlock`]
    Unlock(&'a str),
    /// [`RemoteTier::begin_intent`]
    Begin(&'a [Tag]),
    /// [`RemoteTier::end_intent`]
    End(&'a [Tag]),
    /// [`RemoteTier::remove`]
    Remove(&'a [&'a str]),
    /// [`RemoteTier::scan`]
    Scan(&'a str),
    /// [`RemoteTier::ttl`]
    Ttl(&'a str),
    /// [`RemoteTier::advise`]
    Advise,
}

impl Request<'_> {
    /// The name of the method.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fetch { .. } => "fetch",
            Self::Capture { .. } => "capture",
            Self::Store(_) => "store",
            Self::Unlock(_) => "unlock",
            Self::Begin(_) => "begin_intent",
            Self::End(_) => "end_intent",
            Self::Remove(_) => "remove",
            Self::Scan(_) => "scan",
            Self::Ttl(_) => "ttl",
            Self::Advise => "advise",
        }
    }
}

/// What stands before a remote tier: a breaker, a meter, a gate of a test. It is a [`RemoteTier`] itself.
pub trait Around: Send + Sync + 'static {
    /// The tier behind.
    fn inner(&self) -> &dyn RemoteTier;

    /// Lets one request through. Nothing is sent before `reply` is polled.
    fn pass<'a, T: Send + 'a>(
        &'a self,
        request: Request<'a>,
        reply: BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>>;
}

impl<A: Around> RemoteTier for A {
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>> {
        self.pass(Request::Fetch { keys, tags }, self.inner().fetch(keys, tags))
    }

    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>> {
        self.pass(Request::Capture { tags, locks }, self.inner().capture(tags, ttl, locks))
    }

    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>> {
        self.pass(Request::Store(entries), self.inner().store(entries))
    }

    fn unlock<'a>(&'a self, key: &'a str, token: LockToken) -> BoxFuture<'a, Result<(), Error>> {
        self.pass(Request::Unlock(key), self.inner().unlock(key, token))
    }

    fn begin_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        self.pass(Request::Begin(tags), self.inner().begin_intent(tags, id, lease))
    }

    fn end_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        end: EndWith,
    ) -> BoxFuture<'a, Result<Vec<Ended>, Error>> {
        self.pass(Request::End(tags), self.inner().end_intent(tags, id, end))
    }

    fn remove<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64, Error>> {
        self.pass(Request::Remove(keys), self.inner().remove(keys))
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<ScanCursor>,
        count: usize,
    ) -> BoxFuture<'a, Result<ScanPage, Error>> {
        self.pass(Request::Scan(pattern), self.inner().scan(pattern, from, count))
    }

    fn ttl<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Duration>, Error>> {
        self.pass(Request::Ttl(key), self.inner().ttl(key))
    }

    fn advise(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        self.pass(Request::Advise, self.inner().advise())
    }

    fn is_shared(&self) -> bool {
        self.inner().is_shared()
    }

    /// The journal's requests do not pass: write-behind has a patience of its own.
    fn journal(&self, name: &str, shards: u32) -> Option<Arc<dyn Journal>> {
        self.inner().journal(name, shards)
    }
}
