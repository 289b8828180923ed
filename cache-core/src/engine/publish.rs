//! Hands the figures to the `metrics` facade.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use crate::{
    engine::{
        Engine,
        figures::TableStats,
        stats::{FunctionStats, Stats},
    },
    telemetry::meter::{self, Kind, Published},
};

/// So often the figures are handed over; [`Engine::publish`] does it now.
const INTERVAL: Duration = Duration::from_secs(1);

/// A metric, what it means, the label that tells it from others of its name, and where its value comes from.
type Metric<S> = (&'static str, &'static str, Option<(&'static str, &'static str)>, fn(&S) -> u64);

const HITS: (&str, &str) = ("sea_orm_cache_hits_total", "Reads that were answered without a load.");

const OF_FUNCTIONS: &[Metric<FunctionStats>] = &[
    (HITS.0, HITS.1, Some(("tier", "local")), |one| one.hits_local),
    (HITS.0, HITS.1, Some(("tier", "remote")), |one| one.hits_remote),
    (HITS.0, HITS.1, Some(("tier", "request")), |one| one.hits_scope),
    (HITS.0, HITS.1, Some(("tier", "degraded")), |one| one.hits_degraded),
    ("sea_orm_cache_misses_total", "Reads that no tier could answer.", None, |one| one.misses),
    ("sea_orm_cache_joined_total", "Reads that shared another caller's load.", None, |one| one.joined),
    ("sea_orm_cache_stale_served_total", "Reads answered by an entry past its TTL.", None, |one| one.stale_served),
    ("sea_orm_cache_refreshes_total", "Entries loaded anew before their end.", None, |one| one.refreshes),
    ("sea_orm_cache_lock_waits_total", "Reads that waited for another process's load.", None, |one| one.lock_waits),
    ("sea_orm_cache_place_waits_total", "Loads that waited for a place.", None, |one| one.place_waits),
    ("sea_orm_cache_bypasses_total", "Reads that went past the cache.", None, |one| one.bypasses),
    ("sea_orm_cache_loads_total", "Times a loader ran.", None, |one| one.loads),
    ("sea_orm_cache_load_errors_total", "Times a loader failed.", None, |one| one.load_errors),
    ("sea_orm_cache_fills_total", "Values stored.", None, |one| one.fills),
    ("sea_orm_cache_fills_refused_total", "Values loaded and not stored.", None, |one| one.fills_refused),
];

const OF_TABLES: &[Metric<TableStats>] = &[
    ("sea_orm_cache_table_writes_total", "Writes of this node.", None, |one| one.writes),
    ("sea_orm_cache_table_invalidations_total", "Tags made stale by this node.", None, |one| one.invalidations),
    ("sea_orm_cache_table_deaths_total", "Entries here that any node's writes have ended.", None, |one| one.deaths),
    ("sea_orm_cache_table_fills_total", "Entries stored that depend on the table.", None, |one| one.fills),
];

const OF_THE_NODE: &[Metric<Stats>] = &[
    ("sea_orm_cache_deferrals_total", "Invalidations that had to wait for the remote tier.", None, |all| all.deferrals),
    ("sea_orm_cache_remote_errors_total", "Requests to the remote tier that failed.", None, |all| all.remote_errors),
    ("sea_orm_cache_poisoned_total", "Unreadable entries found and removed.", None, |all| all.poisoned),
    ("sea_orm_cache_bus_losses_total", "Times the bus subscription was lost.", None, |all| all.bus_losses),
];

const NOW: &[Metric<Stats>] = &[
    ("sea_orm_cache_local_entries", "Entries in process memory.", None, |all| all.local_entries),
    ("sea_orm_cache_local_weight", "Their weight: bytes, or entries.", None, |all| all.local_weight),
    ("sea_orm_cache_tags", "Tags that local entries depend on.", None, |all| all.cells),
    ("sea_orm_cache_deferred_tags", "Tags that wait for the remote tier.", None, |all| all.deferred_tags),
    ("sea_orm_cache_loads_in_flight", "Loads that run now.", None, |all| all.loads_in_flight),
];

const BREAKER: (&str, &str) = ("sea_orm_cache_breaker_open", "Whether the breaker before the remote tier is open.");

/// Parts above the engine that have figures of their own, for as long as they live.
#[derive(Default)]
pub(super) struct Further(Mutex<Vec<Weak<dyn Published>>>);

impl Further {
    fn living(&self) -> Vec<Arc<dyn Published>> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.retain(|part| part.strong_count() > 0);
        parts.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Starts handing over.
pub(super) fn start(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    let clock = engine.clock.clone();
    engine.tasks.spawn_loop(async move {
        while let Some(engine) = weak.upgrade() {
            engine.publish();
            drop(engine);
            clock.sleep(INTERVAL).await;
        }
    });
}

impl Engine {
    /// Has the figures of a part handed over together with the engine's own.
    pub(crate) fn publish_also(&self, part: Weak<dyn Published>) {
        self.further.0.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }

    /// Hands all figures to the recorder that is installed, whenever it was.
    pub(crate) fn publish(&self) {
        describe();
        let cache = ("cache", &*self.settings.namespace);
        for one in self.figures.by_function() {
            count(OF_FUNCTIONS, &one, &[cache, ("function", one.name), ("module", one.module)]);
        }
        for one in self.figures.by_table() {
            count(OF_TABLES, &one, &[cache, ("table", &one.table)]);
        }
        let stats = self.stats();
        count(OF_THE_NODE, &stats, &[cache]);
        for (name, _, _, value) in NOW {
            meter::gauge(name, &[cache], value(&stats));
        }
        if let Some(breaker) = &self.breaker {
            meter::gauge(BREAKER.0, &[cache], breaker.is_open().into());
        }
        for part in self.further.living() {
            part.publish(cache.1);
        }
    }
}

fn count<S>(metrics: &[Metric<S>], of: &S, labels: meter::Labels<'_>) {
    for (name, _, further, value) in metrics {
        let labels: Vec<_> = labels.iter().copied().chain(*further).collect();
        meter::counter(name, &labels, value(of));
    }
}

fn describe() {
    OF_FUNCTIONS.iter().for_each(|(name, meaning, ..)| meter::describe(name, Kind::Counter, meaning));
    OF_TABLES.iter().for_each(|(name, meaning, ..)| meter::describe(name, Kind::Counter, meaning));
    OF_THE_NODE.iter().for_each(|(name, meaning, ..)| meter::describe(name, Kind::Counter, meaning));
    NOW.iter().for_each(|(name, meaning, ..)| meter::describe(name, Kind::Gauge, meaning));
    meter::describe(BREAKER.0, Kind::Gauge, BREAKER.1);
    meter::describe(meter::LOAD_SECONDS, Kind::Seconds, "What a loader took, without its waiting for a place.");
    meter::describe(meter::REMOTE_SECONDS, Kind::Seconds, "What a request to the remote tier took.");
}
