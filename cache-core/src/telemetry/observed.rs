//! A remote tier whose requests are seen: each in a span, and measured.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tracing::Instrument;

use crate::{
    clock::Clock,
    error::Error,
    ports::{Around, RemoteTier, Request},
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

impl Around for ObservedTier {
    fn inner(&self) -> &dyn RemoteTier {
        &*self.inner
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        request: Request<'a>,
        reply: BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        Box::pin(self.see(request.name(), reply))
    }
}
