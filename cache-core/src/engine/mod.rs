//! The engine: reads, fills and invalidations over ports. It knows no SQL, no Redis and no SeaORM.

mod around;
mod batch;
mod breaker;
mod bus;
pub(crate) mod call;
mod cells;
mod changes;
mod clear;
mod context;
mod deferred;
mod entry;
mod explain;
mod figures;
mod fill;
mod flight;
mod front;
mod hit;
mod intent;
mod judge;
mod lease;
mod load;
mod lock;
mod lookup;
mod mutation;
mod pending;
mod places;
#[cfg(feature = "metrics")]
mod publish;
mod putting;
mod read;
mod refresh;
mod remove;
mod request;
mod scope;
mod settings;
mod stats;
mod store;
mod tasks;
mod through;
mod turns;
mod weight;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use self::{
    breaker::Breaker, cells::Cells, changes::Changes, deferred::Deferred, figures::Figures, flight::Flights,
    front::Front, lease::Lease, lock::HeldLocks, places::Places, refresh::Refreshes, remove::Removals,
    stats::NodeCounters, tasks::Tasks, turns::Turns,
};
pub(crate) use self::{
    context::within,
    entry::{StoredEntry, left_local_tier},
    fill::Captured,
    intent::WriteIntent,
    pending::Pending,
    settings::EngineSettings,
    tasks::blocking,
    through::{Put, PutValue, Slot, Written},
    weight::Weighers,
};
pub use self::{
    deferred::Invalidation,
    explain::{Explanation, TagReport, Validity},
    figures::TableStats,
    mutation::Mutation,
    remove::PurgeProgress,
    scope::LoadScope,
    settings::WhenRemoteIsDown,
    stats::{FunctionStats, Stats},
};
use crate::{
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    event::{Event, EventListener},
    ports::{Bus, LocalTier, RemoteTier},
    telemetry,
};

/// How many different warnings a cache remembers having said.
const WARNINGS_MAX: usize = 1_000;

/// What is left for landing invalidations, however long the rest of closing took.
const CLOSE_PATIENCE_MIN: Duration = Duration::from_millis(100);

/// What the builder joins.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) local: Arc<dyn LocalTier<StoredEntry>>,
    pub(crate) remote: Arc<dyn RemoteTier>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) settings: EngineSettings,
    pub(crate) weighers: Weighers,
    pub(crate) listener: Option<EventListener>,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// One node of the cache.
pub(crate) struct Engine {
    clock: Clock,
    local: Arc<dyn LocalTier<StoredEntry>>,
    remote: Arc<dyn RemoteTier>,
    breaker: Option<Arc<Breaker>>,
    bus: Arc<dyn Bus>,
    settings: EngineSettings,
    listener: Option<EventListener>,
    changes: Changes,
    cells: Cells,
    lease: Lease,
    flights: Flights,
    front: Front,
    turns: Turns,
    places: Places,
    refreshes: Refreshes,
    held_locks: HeldLocks,
    deferred: Arc<Deferred>,
    counters: NodeCounters,
    figures: Figures,
    weighers: Weighers,
    tasks: Tasks,
    removals: Removals,
    /// Removals published before this moment may have been missed.
    heard_since: AtomicU64,
    subscribed: watch::Sender<bool>,
    warned: Mutex<HashSet<u64>>,
    #[cfg(feature = "metrics")]
    further: publish::Further,
}

impl Engine {
    /// Starts a node and its background work.
    pub(crate) fn start(parts: Parts) -> Arc<Self> {
        let engine = Arc::new_cyclic(|weak: &Weak<Self>| {
            let breaker = breaker(&parts, weak);
            let changes = Changes::default();
            Self {
                remote: breaker.as_ref().map_or_else(|| Arc::clone(&parts.remote), |breaker| Arc::clone(breaker) as _),
                breaker,
                clock: parts.clock,
                local: parts.local,
                bus: parts.bus,
                listener: parts.listener,
                cells: Cells::new(changes.clone()),
                lease: Lease::new(changes.clone()),
                changes,
                flights: Flights::new(),
                front: Front::new(),
                turns: Turns::new(),
                places: Places::new(parts.settings.loads_in_flight_max),
                refreshes: Refreshes::default(),
                held_locks: HeldLocks::default(),
                deferred: Arc::new(Deferred::new(parts.settings.deferred_tags_max)),
                settings: parts.settings,
                counters: NodeCounters::default(),
                figures: Figures::default(),
                weighers: parts.weighers,
                tasks: Tasks::new(parts.runtime),
                removals: Removals::new(),
                heard_since: AtomicU64::new(0),
                subscribed: watch::Sender::new(false),
                warned: Mutex::new(HashSet::new()),
                #[cfg(feature = "metrics")]
                further: publish::Further::default(),
            }
        });
        bus::start(&engine);
        deferred::start(&engine);
        #[cfg(feature = "metrics")]
        publish::start(&engine);
        engine
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn settings(&self) -> &EngineSettings {
        &self.settings
    }

    pub(crate) fn remote(&self) -> &Arc<dyn RemoteTier> {
        &self.remote
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Runs a request to the shared store that is none of the remote tier's own, behind the tier's breaker.
    pub(crate) async fn guarded<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match &self.breaker {
            Some(breaker) => breaker.guard(call).await,
            None => call.await,
        }
    }

    /// Waits until the bus subscription stands, at most `patience`.
    pub(crate) async fn wait_until_subscribed(&self, patience: Duration) -> bool {
        let mut subscribed = self.subscribed.subscribe();
        matches!(self.clock.timeout(patience, subscribed.wait_for(|is| *is)).await, Some(Ok(_)))
    }

    /// What the cache has done so far.
    pub(crate) fn stats(&self) -> Stats {
        let (local_entries, local_weight) = self.local.size();
        let mut stats = Stats {
            local_entries,
            local_weight,
            cells: self.cells.len() as u64,
            deferred_tags: self.deferred.len() as u64,
            loads_in_flight: self.places.taken() as u64,
            ..self.counters.snapshot()
        };
        self.figures.add_to(&mut stats);
        stats
    }

    /// Stops the background work, and lands the invalidations that wait, its own last ones included.
    pub(crate) async fn close(self: &Arc<Self>, patience: Duration) -> Result<(), Error> {
        let begun = self.clock.now();
        let ended = self.tasks.close(patience).await;
        let left = patience.saturating_sub(self.clock.now().since(begun));
        let landed = deferred::drain(self, left.max(CLOSE_PATIENCE_MIN)).await;
        self.lease.revoke();
        self.local.clear();
        landed?;
        if ended {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Timeout,
            "closed while background work had not ended; its invalidations may be missing",
        ))
    }

    #[inline]
    pub(crate) fn tell(&self, event: &Event<'_>) {
        if let Some(listener) = &self.listener {
            listener.tell(event);
        }
    }

    pub(crate) fn remote_failed(&self, action: &'static str, error: &Error) {
        self.counters.remote_errors.up();
        tracing::debug!(action, error = %error, "remote tier failed");
        self.tell(&Event::RemoteError { action, error });
    }

    /// Says something once.
    pub(crate) fn warn_once(&self, text: &str) {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.len() >= WARNINGS_MAX || !warned.insert(hasher.finish()) {
                return;
            }
        }
        tracing::warn!("{text}");
        self.tell(&Event::Warning { text });
    }

    fn breaker_changed(&self, open: bool) {
        tracing::warn!(open, "circuit breaker of the remote tier");
        self.tell(&Event::Breaker { open });
    }

    /// Whether a local copy made at `created` can have missed no removal by key.
    fn heard_of_removals_since(&self, created: Moment) -> bool {
        created.to_nanos() >= self.heard_since.load(Ordering::Acquire)
    }
}

/// A tier in this process does not fail, and needs no breaker.
fn breaker(parts: &Parts, engine: &Weak<Engine>) -> Option<Arc<Breaker>> {
    let remote = Arc::clone(&parts.remote);
    if !remote.is_shared() {
        return None;
    }
    let engine = Weak::clone(engine);
    let changed = move |open| {
        if let Some(engine) = engine.upgrade() {
            engine.breaker_changed(open);
        }
    };
    let seen = telemetry::observed(remote, &parts.clock, &parts.settings.namespace);
    Some(Arc::new(Breaker::new(seen, parts.clock.clone(), Box::new(changed))))
}

#[cfg(test)]
mod tests;
