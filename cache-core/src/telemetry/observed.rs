//! A remote tier whose requests are seen: each in a span, and measured.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tracing::Instrument;

use crate::{
    clock::Clock,
    error::Error,
    ports::{
        Captured, EndWith, Ended, Fetched, IntentId, LockRequest, LockToken, RemoteTier, ScanCursor, ScanPage,
        StoreRequest,
    },
    tag::Tag,
    telemetry::spans,
};

/// See the module.
pub(super) struct ObservedTier {
    inner: Arc<dyn RemoteTier>,
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "measured for metrics only"))]
    clock: Clock,
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "a label of metrics only"))]
    cache: String,
}

impl ObservedTier {
    pub(super) fn new(inner: Arc<dyn RemoteTier>, clock: &Clock, cache: &str) -> Self {
        Self { inner, clock: clock.clone(), cache: cache.to_owned() }
    }

    async fn see<T>(&self, call: &'static str, request: BoxFuture<'_, Result<T, Error>>) -> Result<T, Error> {
        let span = spans::remote(call);
        #[cfg(feature = "metrics")]
        let begun = self.clock.now();
        let reply = request.instrument(span.clone()).await;
        let outcome = match &reply {
            Ok(_) => "ok",
            Err(error) => error.kind().as_str(),
        };
        span.record("outcome", outcome);
        #[cfg(feature = "metrics")]
        super::meter::seconds(
            super::meter::REMOTE_SECONDS,
            &[("cache", &self.cache), ("call", call), ("outcome", outcome)],
            self.clock.now().since(begun),
        );
        reply
    }
}

impl RemoteTier for ObservedTier {
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>> {
        Box::pin(self.see("fetch", self.inner.fetch(keys, tags)))
    }

    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>> {
        Box::pin(self.see("capture", self.inner.capture(tags, ttl, locks)))
    }

    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.see("store", self.inner.store(entries)))
    }

    fn unlock<'a>(&'a self, key: &'a str, token: LockToken) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.see("unlock", self.inner.unlock(key, token)))
    }

    fn begin_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        Box::pin(self.see("begin_intent", self.inner.begin_intent(tags, id, lease)))
    }

    fn end_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        end: EndWith,
    ) -> BoxFuture<'a, Result<Vec<Ended>, Error>> {
        Box::pin(self.see("end_intent", self.inner.end_intent(tags, id, end)))
    }

    fn remove<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(self.see("remove", self.inner.remove(keys)))
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<ScanCursor>,
        count: usize,
    ) -> BoxFuture<'a, Result<ScanPage, Error>> {
        Box::pin(self.see("scan", self.inner.scan(pattern, from, count)))
    }

    fn ttl<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Duration>, Error>> {
        Box::pin(self.see("ttl", self.inner.ttl(key)))
    }

    fn advise(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        Box::pin(self.see("advise", self.inner.advise()))
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }
}
