//! Sharing while a write is in flight: callers wait for the next load of a key to start, and never join one that runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{
    clock::Moment,
    engine::flight::{Flight, Outcome},
};

/// The keys that are being loaded while a tag of theirs is pending.
pub(crate) struct Turns(Arc<Map>);

type Map = DashMap<Arc<str>, Weak<Turn>, RandomState>;

/// One key: at most one load runs, and one more gathers the callers who came since that one began.
struct Turn {
    key: Arc<str>,
    running: Arc<AsyncMutex<()>>,
    next: Mutex<Option<Arc<Flight>>>,
    home: Weak<Map>,
}

/// What a caller does.
pub(crate) enum Place {
    /// Wait for the outcome of a load that has not begun.
    Follow(Arc<Flight>),
    /// Load, once [`Waiting::turn`] says so.
    Lead(Waiting),
}

/// The caller who will run the next load. Dropped before, it frees those who follow.
pub(crate) struct Waiting {
    turn: Arc<Turn>,
    /// Taken when the turn has come.
    flight: Option<Arc<Flight>>,
}

/// The caller whose load runs now.
pub(crate) struct Running {
    flight: Option<Arc<Flight>>,
    turn: Arc<Turn>,
    _running: OwnedMutexGuard<()>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Finds or makes the next load of `key`.
    pub(crate) fn take(&self, key: &str, now: Moment) -> Place {
        let turn = self.turn(key);
        let mut next = turn.next();
        if let Some(flight) = &*next {
            return Place::Follow(Arc::clone(flight));
        }
        let flight = Flight::unregistered(now);
        *next = Some(Arc::clone(&flight));
        drop(next);
        Place::Lead(Waiting { turn, flight: Some(flight) })
    }

    fn turn(&self, key: &str) -> Arc<Turn> {
        let fresh = Arc::new(Turn {
            key: Arc::from(key),
            running: Arc::default(),
            next: Mutex::default(),
            home: Arc::downgrade(&self.0),
        });
        let mut place = self.0.entry(Arc::clone(&fresh.key)).or_default();
        // Nothing is dropped while the shard is locked: a turn's drop takes the same lock.
        if let Some(turn) = place.upgrade() {
            drop(place);
            return turn;
        }
        *place = Arc::downgrade(&fresh);
        fresh
    }
}

impl Waiting {
    /// Waits for the load that runs; then nobody can follow any more, and this caller loads.
    pub(crate) async fn turn(mut self) -> Running {
        let running = Arc::clone(&self.turn.running).lock_owned().await;
        self.leave();
        Running { flight: self.flight.take(), turn: Arc::clone(&self.turn), _running: running }
    }

    fn leave(&self) {
        let mut next = self.turn.next();
        if next.as_ref().zip(self.flight.as_ref()).is_some_and(|(next, own)| Arc::ptr_eq(next, own)) {
            *next = None;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.leave();
        if let Some(flight) = self.flight.take() {
            flight.end(Outcome::Abandoned);
        }
    }
}

impl Running {
    pub(crate) fn finish(mut self, outcome: Outcome) {
        if let Some(flight) = self.flight.take() {
            flight.end(outcome);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        tracing::trace!(key = &*self.turn.key, "load of a pending key ended");
        if let Some(flight) = self.flight.take() {
            flight.end(Outcome::Abandoned);
        }
    }
}

impl Turn {
    fn next(&self) -> MutexGuard<'_, Option<Arc<Flight>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.remove_if(&self.key, |_, turn| turn.strong_count() == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(turns: &Turns) -> Waiting {
        match turns.take("k", Moment::ZERO) {
            Place::Lead(waiting) => waiting,
            Place::Follow(_) => panic!("somebody leads"),
        }
    }

    #[tokio::test]
    async fn nobody_follows_a_load_that_runs() {
        let turns = Turns::new();
        let running = lead(&turns).turn().await;
        let second = lead(&turns);
        let Place::Follow(flight) = turns.take("k", Moment::ZERO) else { panic!("the second load has not begun") };
        let second = tokio::spawn(second.turn());
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "one load at a time");
        running.finish(Outcome::Failed(None));
        second.await.unwrap().finish(Outcome::Failed(None));
        assert!(matches!(flight.outcome().await, Outcome::Failed(None)));
        assert_eq!(turns.0.len(), 0);
    }

    #[tokio::test]
    async fn a_cancelled_leader_frees_its_followers_and_its_place() {
        let turns = Turns::new();
        let waiting = lead(&turns);
        let Place::Follow(flight) = turns.take("k", Moment::ZERO) else { panic!("not begun") };
        drop(waiting);
        assert!(matches!(flight.outcome().await, Outcome::Abandoned));
        drop(lead(&turns).turn().await);
        assert_eq!(turns.0.len(), 0);
    }
}
