//! Spares callers the wait for a remote tier that does not answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;

use crate::{
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    ports::{Around, RemoteTier, Request},
};

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 5;

/// How long the breaker stays open before a single request may try: short enough that a tier which is back is used within a second.
const PAUSE: Duration = Duration::from_millis(250);

/// A remote tier behind a circuit breaker: after [`FAILURES_MAX`] failures in a row, requests fail at once, and one in every
/// [`PAUSE`] is let through until one succeeds. A tier that answers with a refusal is not down.
pub(crate) struct Breaker {
    inner: Arc<dyn RemoteTier>,
    clock: Clock,
    failures: AtomicU32,
    /// When the next request may try; 0 while the breaker is closed.
    open_until: AtomicU64,
    changed: Box<dyn Fn(bool) + Send + Sync>,
}

impl Breaker {
    /// `changed` is called with whether the breaker is open now.
    pub(crate) fn new(inner: Arc<dyn RemoteTier>, clock: Clock, changed: Box<dyn Fn(bool) + Send + Sync>) -> Self {
        Self { inner, clock, failures: AtomicU32::new(0), open_until: AtomicU64::new(0), changed }
    }

    /// Runs a request that goes the same way as the tier's own.
    pub(crate) async fn guard<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.admit()?;
        let result = call.await;
        match &result {
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => self.failed(),
            _ => self.succeeded(),
        }
        result
    }

    /// Whether requests fail at once.
    #[cfg(feature = "metrics")]
    pub(crate) fn is_open(&self) -> bool {
        self.open_until.load(Ordering::Acquire) != 0
    }

    /// Lets a request through, or one probe per pause while open.
    fn admit(&self) -> Result<(), Error> {
        let until = self.open_until.load(Ordering::Acquire);
        if until == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let next = now.after(PAUSE).to_nanos();
        let is_probe = now >= Moment::from_nanos(until)
            && self.open_until.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if is_probe { Ok(()) } else { Err(Error::new(ErrorKind::Unreachable, "circuit breaker open")) }
    }

    fn failed(&self) {
        if self.failures.fetch_add(1, Ordering::AcqRel) + 1 >= FAILURES_MAX {
            let until = self.clock.now().after(PAUSE).to_nanos();
            if self.open_until.swap(until, Ordering::AcqRel) == 0 {
                (self.changed)(true);
            }
        }
    }

    fn succeeded(&self) {
        if self.failures.load(Ordering::Acquire) > 0 {
            self.failures.store(0, Ordering::Release);
        }
        if self.open_until.load(Ordering::Acquire) != 0 && self.open_until.swap(0, Ordering::AcqRel) != 0 {
            (self.changed)(false);
        }
    }
}

impl Around for Breaker {
    fn inner(&self) -> &dyn RemoteTier {
        &*self.inner
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        _: Request<'a>,
        reply: BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        Box::pin(self.guard(reply))
    }
}
