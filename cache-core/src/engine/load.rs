//! Runs a loader: within its timeouts, with what may answer in its stead, and for all who wait.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use smallvec::SmallVec;
use tracing::{Instrument, Span};

#[cfg(feature = "metrics")]
use crate::telemetry::meter;
use crate::{
    engine::{
        Engine,
        call::{Deps, Function, HardTimeout, Read},
        cells::{Cell, Sequence},
        entry::StoredEntry,
        fill::{Before, Captured, Fill, Made},
        flight::{Flight, Leading, Outcome},
        lock::LoadLock,
        scope::{LoadScope, ScopeOf},
        turns,
    },
    error::{Error, ErrorKind},
    event::{Event, FillRefusal, StaleReason},
    policy::{Consistency, Policy},
    telemetry::spans,
};

/// One load to be made.
pub(crate) struct Load<'a, 'r, T: 'static, E> {
    pub(crate) read: &'a Read<'r, T, E>,
    pub(crate) policy: &'a Policy,
    pub(crate) deps: &'a Deps,
    /// The versions of the declared tags, or why there are none.
    pub(crate) captured: Result<Vec<Captured>, FillRefusal>,
    pub(crate) lead: Lead<'a>,
    /// The load lock, if it is held.
    pub(crate) lock: Option<LoadLock>,
    /// What may answer if the loader fails or is slow.
    pub(crate) fallback: Option<Arc<StoredEntry>>,
}

/// Those who wait for a load.
#[derive(Default)]
pub(crate) struct Lead<'a> {
    /// Callers who found the load by its key.
    pub(crate) flight: Option<Leading<'a>>,
    /// Callers who came before the load began, while a write was in flight.
    pub(crate) turn: Option<turns::Running>,
}

impl Lead<'_> {
    pub(crate) fn flight(&self) -> Option<&Arc<Flight>> {
        self.flight.as_ref().map(Leading::flight)
    }

    pub(crate) fn finish(self, outcome: Outcome) {
        if let Some(leading) = self.flight {
            leading.finish(outcome.clone());
        }
        if let Some(running) = self.turn {
            running.finish(outcome);
        }
    }
}

/// A value that may answer for the loader, and the entries it is made of.
pub(crate) struct Fallback<V> {
    pub(crate) value: V,
    pub(crate) entries: SmallVec<[Arc<StoredEntry>; 1]>,
}

impl<V> Fallback<V> {
    /// Never an invalidated one: a write may have come since it was looked up.
    fn may_answer(&self) -> bool {
        self.entries.iter().all(|entry| entry.meta.is_verified())
    }
}

/// What came of a loader.
pub(crate) enum Loaded<V, E> {
    Done(V),
    Failed(E),
    /// It failed or was given up as slow, and an older value answers.
    Stale(Fallback<V>, StaleReason),
}

/// How a loader is run.
pub(crate) struct Running<'a, V, E> {
    pub(crate) function: &'static Function,
    pub(crate) soft_timeout: Duration,
    pub(crate) hard_timeout: Option<HardTimeout<E>>,
    pub(crate) fallback: Option<Fallback<V>>,
    pub(crate) scope: &'a LoadScope,
}

impl Engine {
    /// Runs the loader and stores what it returns, if it may be stored.
    pub(crate) async fn load<T, E, L, Fut>(self: &Arc<Self>, load: Load<'_, '_, T, E>, loader: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Load { read, policy, deps, captured, lead, lock, fallback } = load;
        let before = self.before(read.key, deps, policy);
        let fallback = fallback.and_then(|entry| {
            let value = entry.value.downcast_ref::<T>()?.clone();
            Some(Fallback { value, entries: SmallVec::from([entry]) })
        });
        let (declared, refused) = match captured {
            Ok(captured) => (captured, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let strict = policy.consistency == Consistency::Strict;
        let (statements, ttl) = (deps.is_auto(), policy.kept());
        let flights = lead.flight().map(Arc::clone).into_iter().collect();
        let scope = LoadScope::new(self, ScopeOf { flights, statements, strict, ttl, declared });
        let running = Running {
            function: read.function,
            soft_timeout: policy.soft_timeout,
            hard_timeout: read.hard_timeout,
            fallback,
            scope: &scope,
        };
        let loading = self.run_loader(running, loader);
        let (loaded, load_cost) = match &lock {
            Some(lock) => lock.kept_during(policy.lock_wait, loading).await,
            None => loading.await,
        };

        let (Fallback { value, entries }, why) = match loaded {
            Loaded::Done(value) => {
                let made = Made { value, load_cost, refused, collected: scope.collect(), before };
                return Ok(self.fill(policy, Fill { read, deps, made, lead, lock }).await);
            }
            Loaded::Failed(error) => {
                lead.finish(Outcome::Failed(read.share_error.as_ref().map(|share| share.wrap(&error))));
                give_back(lock).await;
                return Err(error);
            }
            Loaded::Stale(stale, why) => (stale, why),
        };
        let entry = entries.into_iter().next();
        self.answered_stale(read, entry.as_ref(), lead, strict, why);
        give_back(lock).await;
        Ok(value)
    }

    /// An older entry has answered for its loader: tells those who wait, and whoever listens.
    pub(crate) fn answered_stale<T: 'static, E>(
        self: &Arc<Self>,
        read: &Read<'_, T, E>,
        entry: Option<&Arc<StoredEntry>>,
        lead: Lead<'_>,
        strict: bool,
        why: StaleReason,
    ) {
        if let Some(entry) = entry {
            LoadScope::uses(&entry.meta);
        }
        // Others may have begun to wait after a write that this value does not know.
        let shared = entry.filter(|_| !strict);
        lead.finish(shared.map_or(Outcome::Failed(None), |entry| Outcome::Value(Arc::clone(entry))));
        self.stale_served(read, why);
        if why == StaleReason::LoaderSlow && read.background.is_some() {
            // The load that was given up is made again.
            let _in_background = self.refresh_now(read);
        }
    }

    /// How things are before a load.
    pub(crate) fn before(&self, key: &str, deps: &Deps, policy: &Policy) -> Before {
        Before { removals: self.removals.count(key), cells: self.sequences(deps, policy) }
    }

    /// Runs a loader within its timeouts, and says how long it took.
    pub(crate) async fn run_loader<V, E, L, Fut>(
        &self,
        running: Running<'_, V, E>,
        loader: L,
    ) -> (Loaded<V, E>, Duration)
    where
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let (function, scope) = (running.function, running.scope);
        let begun = OnceLock::new();
        let span = spans::load(function.name());
        let loading = self.in_a_place(function, async {
            // A load is as dear as its loader, not as the queue before it.
            let _first = begun.set(self.clock.now());
            // Boxed, so that what is around it stays small: in a debug build each level holds it several times.
            let work = scope.run(async { Box::pin(loader(scope.clone())).await });
            work.instrument(span.clone()).await
        });
        let loaded = self.within_timeouts(running, loading).await;
        let load_cost = begun.get().map_or(Duration::ZERO, |begun| self.clock.now().since(*begun));
        self.count_load(function, load_cost, &loaded, &span);
        (loaded, load_cost)
    }

    async fn within_timeouts<V, E>(
        &self,
        running: Running<'_, V, E>,
        loading: impl Future<Output = Result<V, E>>,
    ) -> Loaded<V, E> {
        let Running { function, soft_timeout, hard_timeout, fallback, .. } = running;
        // The time runs from here, not from the loader's first await.
        let hard = hard_timeout.map(|(span, error)| (span, error, self.clock.sleep(span)));
        let hard = async {
            let Some((span, error, passed)) = hard else { return std::future::pending().await };
            passed.await;
            let text = format!("the loader of {:?} passed its hard timeout of {span:?}", function.name());
            error(Error::new(ErrorKind::Timeout, text))
        };
        let loading = async {
            tokio::select! {
                biased;
                done = loading => done,
                error = hard => Err(error),
            }
        };
        let Some(fallback) = fallback else {
            return match loading.await {
                Ok(value) => Loaded::Done(value),
                Err(error) => Loaded::Failed(error),
            };
        };
        let mut loading = pin!(loading);
        let loaded = match self.clock.timeout(soft_timeout, &mut loading).await {
            Some(loaded) => loaded,
            None if fallback.may_answer() => return Loaded::Stale(fallback, StaleReason::LoaderSlow),
            None => loading.await,
        };
        match loaded {
            Ok(value) => Loaded::Done(value),
            Err(_) if fallback.may_answer() => Loaded::Stale(fallback, StaleReason::LoaderFailed),
            Err(error) => Loaded::Failed(error),
        }
    }

    /// The cells of the declared tags as they are now, for a value that may have to live without versions.
    fn sequences(&self, deps: &Deps, policy: &Policy) -> Vec<(Arc<Cell>, Sequence)> {
        if deps.is_auto() || !self.may_degrade(policy) {
            return Vec::new();
        }
        deps.iter()
            .map(|dep| {
                let cell = self.cells.cell(&dep.tag);
                let sequence = cell.sequence();
                (cell, sequence)
            })
            .collect()
    }

    pub(crate) fn stale_served<T: 'static, E>(&self, read: &Read<'_, T, E>, why: StaleReason) {
        match why {
            StaleReason::RemoteDown => self.figures.of(read.function).hits_degraded.up(),
            _ => self.figures.of(read.function).stale_served.up(),
        }
        self.tell(&Event::StaleServed { function: read.function.name(), why });
    }

    fn count_load<T, E>(&self, function: &'static Function, cost: Duration, loaded: &Loaded<T, E>, span: &Span) {
        let (ok, outcome) = match loaded {
            Loaded::Done(_) => (true, "ok"),
            Loaded::Failed(_) => (false, "error"),
            Loaded::Stale(..) => (false, "stale"),
        };
        span.record("outcome", outcome);
        #[cfg(feature = "metrics")]
        meter::seconds(
            meter::LOAD_SECONDS,
            &[("cache", &self.settings.namespace), ("function", function.name()), ("outcome", outcome)],
            cost,
        );
        self.figures.of(function).loaded(cost, ok);
        let micros = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
        self.tell(&Event::Load { function: function.name(), micros, ok });
    }
}

async fn give_back(lock: Option<LoadLock>) {
    if let Some(lock) = lock {
        lock.give_back().await;
    }
}
