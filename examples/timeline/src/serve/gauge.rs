//! Measures what the cache of one node does, and for whom.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm_cache::{Cache, Event, Tag, Tier};
use serde::Serialize;
use tokio::sync::mpsc;

use super::live::{Note, StaleTag};

/// How many latencies of each tier are kept.
const SAMPLES: usize = 2_000;

/// How many invalidations may wait to be shown; more are not shown.
const NOTES_WAITING_MAX: usize = 1_000;

/// How many tags of one write are shown.
const TAGS_SHOWN: usize = 12;

/// How many tags other nodes made stale may wait for the note about their write; more are not counted.
const ELSEWHERE_MAX: usize = 2_000;

tokio::task_local! {
    static ACT: Arc<Act>;
    static CALL: Arc<Tally>;
}

/// What one request is about.
pub struct Act {
    started: Instant,
    who: OnceLock<String>,
    what: OnceLock<String>,
    pub tally: Tally,
}

/// Who answered.
#[derive(Default)]
pub struct Tally {
    local: AtomicU64,
    remote: AtomicU64,
    loads: AtomicU64,
    statements: AtomicU64,
    calls: [AtomicU64; 3],
}

/// Runs a request; [`by`], [`doing`] and what the cache tells meanwhile are about it.
pub async fn request<F: Future>(request: F) -> F::Output {
    ACT.scope(Arc::new(Act::new()), request).await
}

/// Says who makes the request.
pub fn by(who: &str) {
    _ = ACT.try_with(|act| act.who.set(who.to_owned()));
}

/// Says what the request does.
pub fn doing(what: impl Into<String>) {
    _ = ACT.try_with(|act| act.what.set(what.into()));
}

/// The request so far.
pub fn current() -> Option<Arc<Act>> {
    ACT.try_with(Arc::clone).ok()
}

impl Act {
    fn new() -> Self {
        Self { started: Instant::now(), who: OnceLock::new(), what: OnceLock::new(), tally: Tally::default() }
    }

    /// How long the request has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// How many calls the process's memory, Redis and the database answered, and how many statements were sent.
    pub fn counts(&self) -> ([u64; 3], u64) {
        (self.tally.calls.each_ref().map(get), get(&self.tally.statements))
    }
}

/// The figures of one node.
pub struct Gauge {
    node: usize,
    tiers: [Mutex<Samples>; 3],
    statements: AtomicU64,
    /// Cached calls that sent no statement.
    saved: AtomicU64,
    redis_is_away: AtomicBool,
    /// Tags that other nodes made stale, with the entries that died here.
    elsewhere: Mutex<HashMap<String, u64>>,
    notes: mpsc::Sender<Note>,
}

#[derive(Default)]
struct Samples {
    count: u64,
    latest: VecDeque<Duration>,
}

/// What the panel shows; times in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub tiers: [TierFigures; 3],
    pub statements: u64,
    pub saved: u64,
    pub invalidated_tags: u64,
    /// Entries in this process that writes have ended, on whatever node; each counts once for each of its tags.
    pub died: u64,
    pub deferred_tags: u64,
    pub redis_is_away: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct TierFigures {
    pub name: &'static str,
    pub calls: u64,
    pub p50_us: u64,
    pub p99_us: u64,
}

impl Figures {
    /// The share of cached calls that sent no statement, from 0 to 100.
    pub fn hit_percent(&self) -> f64 {
        let calls: u64 = self.tiers.iter().map(|tier| tier.calls).sum();
        if calls == 0 { 0.0 } else { 100.0 * self.saved as f64 / calls as f64 }
    }
}

impl Gauge {
    /// A gauge, and what is to be shown on all nodes.
    pub fn new(node: usize) -> (Arc<Self>, mpsc::Receiver<Note>) {
        let (notes, waiting) = mpsc::channel(NOTES_WAITING_MAX);
        let gauge = Self {
            node,
            tiers: Default::default(),
            statements: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            redis_is_away: AtomicBool::new(false),
            elsewhere: Mutex::default(),
            notes,
        };
        (Arc::new(gauge), waiting)
    }

    /// Measures one call of a cached function.
    pub async fn measure<F: Future>(&self, call: F) -> F::Output {
        let tally = Arc::new(Tally::default());
        let started = Instant::now();
        let answer = CALL.scope(Arc::clone(&tally), call).await;
        let elapsed = started.elapsed();
        let tier = match (get(&tally.loads), get(&tally.remote), get(&tally.local)) {
            (0, 0, 0) => return answer,
            (0, 0, _) => 0,
            (0, _, _) => 1,
            _ => 2,
        };
        if tier < 2 {
            self.saved.fetch_add(1, Ordering::Relaxed);
        }
        _ = ACT.try_with(|act| act.tally.calls.get(tier).map(up));
        if let Some(samples) = self.tiers.get(tier) {
            let mut samples = lock(samples);
            samples.count += 1;
            if samples.latest.len() == SAMPLES {
                samples.latest.pop_front();
            }
            samples.latest.push_back(elapsed);
        }
        answer
    }

    /// A statement was sent.
    pub fn statement(&self) {
        up(&self.statements);
        _ = ACT.try_with(|act| up(&act.tally.statements));
    }

    /// Hears what the cache tells.
    pub fn hear(&self, event: &Event<'_>) {
        match event {
            Event::Hit { tier: Tier::Local, .. } => _ = CALL.try_with(|call| up(&call.local)),
            Event::Hit { .. } => _ = CALL.try_with(|call| up(&call.remote)),
            Event::Load { .. } | Event::Joined { .. } => _ = CALL.try_with(|call| up(&call.loads)),
            Event::Invalidated { tags, entries } => self.invalidated(tags, entries),
            Event::InvalidatedElsewhere { tag, entries } => self.invalidated_elsewhere(tag, *entries),
            Event::Breaker { open } => self.redis_is_away.store(*open, Ordering::Relaxed),
            Event::BusLost => self.redis_is_away.store(true, Ordering::Relaxed),
            Event::BusJoined => self.redis_is_away.store(false, Ordering::Relaxed),
            Event::Warning { text } => eprintln!("timeline: node {}: {text}", self.node + 1),
            _ => {}
        }
    }

    fn invalidated(&self, tags: &[Tag], entries: &[u64]) {
        let said =
            |word: &OnceLock<String>, otherwise: &str| word.get().cloned().unwrap_or_else(|| otherwise.to_owned());
        let (who, what) = ACT
            .try_with(|act| (said(&act.who, "somebody"), said(&act.what, "writes")))
            .unwrap_or_else(|_| ("the server".to_owned(), "writes in the background".to_owned()));
        let with_entries = tags.iter().zip(entries);
        let shown =
            with_entries.take(TAGS_SHOWN).map(|(tag, entries)| StaleTag { tag: tag.to_string(), entries: *entries });
        let note = Note::Written {
            node: self.node,
            who,
            what,
            tags: shown.collect(),
            more: tags.len().saturating_sub(TAGS_SHOWN),
            entries: entries.iter().sum(),
            entries_here: 0,
        };
        // Full: a burst that nobody could read anyway.
        _ = self.notes.try_send(note);
    }

    fn invalidated_elsewhere(&self, tag: &Tag, entries: u64) {
        let mut elsewhere = lock(&self.elsewhere);
        if elsewhere.len() < ELSEWHERE_MAX {
            *elsewhere.entry(tag.to_string()).or_default() += entries;
        }
    }

    /// Adds to a note of another node what its write has ended here: the bus told so before the note came.
    pub fn add_own_share(&self, note: &mut Note) {
        let Note::Written { node, tags, entries_here, .. } = note else { return };
        if *node != self.node {
            let mut elsewhere = lock(&self.elsewhere);
            *entries_here = tags.iter().filter_map(|stale| elsewhere.remove(&stale.tag)).sum();
        }
    }

    /// Whether the breaker before Redis is open, or the bus lost.
    pub fn redis_is_away(&self) -> bool {
        self.redis_is_away.load(Ordering::Relaxed)
    }

    /// What the panel shows.
    pub fn figures(&self, cache: &Cache) -> Figures {
        let stats = cache.stats();
        let names = ["process memory", "Redis", "database"];
        let mut at = self.tiers.iter().zip(names).map(|(samples, name)| {
            let samples = lock(samples);
            let mut latest: Vec<Duration> = samples.latest.iter().copied().collect();
            latest.sort_unstable();
            let quantile = |share: f64| {
                let rank = (share * latest.len() as f64).ceil() as usize;
                latest.get(rank.saturating_sub(1)).map_or(0, |span| span.as_micros() as u64)
            };
            TierFigures { name, calls: samples.count, p50_us: quantile(0.5), p99_us: quantile(0.99) }
        });
        let mut next = || at.next().unwrap_or(TierFigures { name: "", calls: 0, p50_us: 0, p99_us: 0 });
        Figures {
            tiers: [next(), next(), next()],
            statements: get(&self.statements),
            saved: get(&self.saved),
            invalidated_tags: stats.invalidations,
            died: cache.stats_by_table().iter().map(|table| table.deaths).sum(),
            deferred_tags: stats.deferred_tags,
            redis_is_away: self.redis_is_away(),
        }
    }
}

fn up(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
