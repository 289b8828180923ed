//! Single flight: callers share a load that is in the air, and never one that an invalidation has overtaken.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use dashmap::{DashMap, Entry as Place};
use foldhash::fast::RandomState;
use tokio::sync::watch;

use crate::{
    clock::Moment,
    engine::{
        call::SharedError,
        cells::{Cell, Sequence},
        entry::StoredEntry,
    },
};

/// How a flight ended.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// With a value.
    Value(Arc<StoredEntry>),
    /// With an error of the loader, shared if its type allows.
    Failed(Option<SharedError>),
    /// The leader's future was dropped.
    Abandoned,
}

/// One load of one key, from the look at the remote tier to the fill.
pub(crate) struct Flight {
    outcome: watch::Sender<Option<Outcome>>,
    /// The cells involved, each with its sequence before the flight asked anybody about it.
    watched: Mutex<Vec<(Arc<Cell>, Sequence)>>,
    /// The versions captured before the load began; unset while there is none, or if a tag was pending.
    captured: OnceLock<Box<[u64]>>,
    /// Set when a write was found in flight: whoever comes later may need what this load does not see.
    closed: AtomicBool,
    started: Moment,
}

impl Flight {
    fn new(started: Moment) -> Self {
        Self {
            outcome: watch::Sender::new(None),
            watched: Mutex::new(Vec::new()),
            captured: OnceLock::new(),
            closed: AtomicBool::new(false),
            started,
        }
    }

    /// A flight that nobody finds by its key.
    pub(crate) fn unregistered(started: Moment) -> Arc<Self> {
        Arc::new(Self::new(started))
    }

    /// Ends the flight; only the first end counts.
    pub(crate) fn end(&self, end: Outcome) {
        self.outcome.send_if_modified(|outcome| {
            let first = outcome.is_none();
            outcome.get_or_insert(end);
            first
        });
    }

    pub(crate) fn started(&self) -> Moment {
        self.started
    }

    /// Lets nobody join any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Notes a cell before the first request about it is sent.
    pub(crate) fn watch(&self, cell: &Arc<Cell>, sequence: Sequence) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if !watched.iter().any(|(known, _)| Arc::ptr_eq(known, cell)) {
            watched.push((Arc::clone(cell), sequence));
        }
    }

    /// Whether none of its tags was touched since the flight began to ask about it.
    pub(crate) fn is_untouched(&self) -> bool {
        if self.closed.load(Ordering::Acquire) {
            return false;
        }
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.iter().all(|(cell, sequence)| cell.sequence() == *sequence)
    }

    /// Sets the versions captured for the declared tags, none of them pending.
    pub(crate) fn set_captured(&self, versions: Box<[u64]>) {
        let _first = self.captured.set(versions);
    }

    /// Whether the load began after these very versions were captured.
    pub(crate) fn has_captured(&self, versions: &[u64]) -> bool {
        self.captured.get().is_some_and(|captured| **captured == *versions)
    }

    /// Waits for the end.
    pub(crate) async fn outcome(&self) -> Outcome {
        let mut end = self.outcome.subscribe();
        match end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            _ => Outcome::Abandoned,
        }
    }
}

/// The flights of a node, by key: the newest of each.
pub(crate) struct Flights(DashMap<Arc<str>, Arc<Flight>, RandomState>);

/// What a caller does about a load.
pub(crate) enum Role<'a> {
    Join(Arc<Flight>),
    Lead(Leading<'a>),
}

impl Flights {
    pub(crate) fn new() -> Self {
        Self(DashMap::default())
    }

    /// Joins the key's newest flight if `may_join` says so, else leads a new one that takes its place.
    pub(crate) fn join_or_lead(&self, key: &str, now: Moment, may_join: impl Fn(&Flight) -> bool) -> Role<'_> {
        let key: Arc<str> = Arc::from(key);
        match self.0.entry(Arc::clone(&key)) {
            Place::Occupied(place) if may_join(place.get()) => Role::Join(Arc::clone(place.get())),
            Place::Occupied(mut place) => {
                let flight = Arc::new(Flight::new(now));
                place.insert(Arc::clone(&flight));
                Role::Lead(Leading { flights: self, key, flight })
            }
            Place::Vacant(place) => {
                let flight = Arc::new(Flight::new(now));
                place.insert(Arc::clone(&flight));
                Role::Lead(Leading { flights: self, key, flight })
            }
        }
    }

    /// Whether the key is being loaded.
    pub(crate) fn is_flying(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Held by the caller whose own future runs the load. Dropping it without an end tells the others to go on without.
pub(crate) struct Leading<'a> {
    flights: &'a Flights,
    key: Arc<str>,
    flight: Arc<Flight>,
}

impl Leading<'_> {
    pub(crate) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    pub(crate) fn finish(self, outcome: Outcome) {
        self.flight.end(outcome);
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.flights.0.remove_if(&self.key, |_, flight| Arc::ptr_eq(flight, &self.flight));
        self.flight.end(Outcome::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::cells::Cells, tag::Tag};

    #[tokio::test]
    async fn a_flight_is_not_joined_across_an_invalidation() {
        let cells = Cells::new(crate::engine::changes::Changes::default());
        let cell = cells.cell(&Tag::table("post"));
        let flights = Flights::new();
        let Role::Lead(leading) = flights.join_or_lead("k", Moment::ZERO, Flight::is_untouched) else {
            panic!("no flight yet")
        };
        leading.flight().watch(&cell, cell.sequence());
        assert!(matches!(flights.join_or_lead("k", Moment::ZERO, Flight::is_untouched), Role::Join(_)));
        cell.touch(Moment::ZERO);
        let Role::Lead(second) = flights.join_or_lead("k", Moment::ZERO, Flight::is_untouched) else {
            panic!("joined")
        };
        drop(leading);
        assert_eq!(flights.len(), 1, "the end of the first does not remove the second");
        drop(second);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn a_dropped_leader_frees_those_who_wait() {
        let flights = Flights::new();
        let Role::Lead(leading) = flights.join_or_lead("k", Moment::ZERO, |_| true) else { panic!("no flight yet") };
        let Role::Join(flight) = flights.join_or_lead("k", Moment::ZERO, |_| true) else { panic!("not joined") };
        drop(leading);
        assert!(matches!(flight.outcome().await, Outcome::Abandoned));
    }
}
