//! What the toolkit takes from a cache: its store, its clock, its breaker, its counters.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;

use crate::{clock::Clock, engine::Engine, error::Error, ports::toolkit::ToolStore};

/// How often an operation of the toolkit was called, and how often it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolkitCount {
    /// The operation, as in `"sessions.load"`.
    pub operation: &'static str,
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
}

/// The toolkit's side of a cache.
pub(crate) struct Tools {
    engine: Arc<Engine>,
    store: Arc<dyn ToolStore>,
    /// As many as there are operations in the source.
    counts: DashMap<&'static str, Count>,
}

#[derive(Default)]
struct Count {
    calls: AtomicU64,
    errors: AtomicU64,
}

impl Tools {
    pub(crate) fn new(engine: Arc<Engine>, store: Arc<dyn ToolStore>) -> Self {
        Self { engine, store, counts: DashMap::new() }
    }

    pub(crate) fn store(&self) -> &dyn ToolStore {
        &*self.store
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.engine.clock()
    }

    /// Runs an operation behind the breaker of the remote tier, counts it, and tells of its failure.
    pub(crate) async fn run<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let done = self.engine.guarded(call).await;
        let count = self.counts.entry(operation).or_default();
        count.calls.fetch_add(1, Ordering::Relaxed);
        if done.is_err() {
            count.errors.fetch_add(1, Ordering::Relaxed);
        }
        drop(count);
        if let Err(error) = &done
            && error.is_remote()
        {
            self.engine.remote_failed(operation, error);
        }
        done
    }

    /// Runs work in the background, until the cache is closed.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.engine.tasks().spawn(work);
    }

    /// Waits.
    pub(crate) async fn sleep(&self, span: Duration) {
        self.clock().sleep(span).await;
    }

    pub(crate) fn counts(&self) -> Vec<ToolkitCount> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut counts: Vec<_> = self
            .counts
            .iter()
            .map(|count| ToolkitCount {
                operation: count.key(),
                calls: read(&count.calls),
                errors: read(&count.errors),
            })
            .collect();
        counts.sort_unstable_by_key(|count| count.operation);
        counts
    }
}
