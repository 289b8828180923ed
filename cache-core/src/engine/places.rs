//! Bounds how many loads run at a time.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    clock::Clock,
    engine::{Engine, call::Function, read::WAIT_MAX},
    event::Event,
};

tokio::task_local! {
    static CURRENT: Arc<Place>;
}

/// The places of a node.
///
/// A load that a loader needs runs in that loader's place, whichever cache it is of: waiting for a place while holding one would
/// deadlock. For the same reason a loader that waits for *another* caller's load gives its place away meanwhile, and takes one again
/// before it goes on: who holds a place never waits for one who has none. What the cache cannot see (a loader that waits for a task
/// which it has spawned) is why nobody waits for a place longer than [`WAIT_MAX`].
pub(crate) struct Places {
    free: Arc<Semaphore>,
    most: usize,
}

/// The place of one load.
struct Place {
    free: Arc<Semaphore>,
    clock: Clock,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    /// How many parts of the load wait for the loads of others.
    away: usize,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(most)), most }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.most.saturating_sub(self.free.available_permits())
    }
}

impl Engine {
    /// Runs `load`, whatever it is made of, in one place among the loads of this node, once there is one.
    pub(crate) async fn in_a_place<F: Future>(&self, function: &'static Function, load: F) -> F::Output {
        if CURRENT.try_with(|_| ()).is_ok() {
            return load.await;
        }
        let free = &self.places.free;
        let permit = match Arc::clone(free).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                self.figures.of(function).place_waits.up();
                self.tell(&Event::PlaceWaited { function: function.name() });
                take(free, &self.clock).await
            }
        };
        if permit.is_none() {
            self.warn_once("a load has waited 30 s for a place among `loads_in_flight_max`, and goes on without one");
        }
        let held = Mutex::new(Held { permit, away: 0 });
        let place = Place { free: Arc::clone(free), clock: self.clock.clone(), held };
        CURRENT.scope(Arc::new(place), load).await
    }
}

/// Waits for what another caller's load brings; the load that this task runs, if any, has no place meanwhile.
pub(crate) async fn while_away<F: Future>(wait: F) -> F::Output {
    let Ok(place) = CURRENT.try_with(Arc::clone) else { return wait.await };
    let away = Away::from(place);
    let output = wait.await;
    away.back().await;
    output
}

async fn take(free: &Arc<Semaphore>, clock: &Clock) -> Option<OwnedSemaphorePermit> {
    clock.timeout(WAIT_MAX, Arc::clone(free).acquire_owned()).await?.ok()
}

impl Place {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a permit over, unless a part of the load is away (again).
    fn hold(&self, permit: Option<OwnedSemaphorePermit>) {
        let mut held = self.held();
        if held.away == 0 && held.permit.is_none() {
            held.permit = permit;
        }
    }
}

/// A part of a load that waits.
struct Away {
    place: Arc<Place>,
    is_back: bool,
}

impl Away {
    fn from(place: Arc<Place>) -> Self {
        let permit = {
            let mut held = place.held();
            held.away += 1;
            held.permit.take()
        };
        drop(permit);
        Self { place, is_back: false }
    }

    async fn back(mut self) {
        if self.end() {
            let permit = take(&self.place.free, &self.place.clock).await;
            self.place.hold(permit);
        }
    }

    /// Whether no part is away any more.
    fn end(&mut self) -> bool {
        if std::mem::replace(&mut self.is_back, true) {
            return false;
        }
        let mut held = self.place.held();
        held.away = held.away.saturating_sub(1);
        held.away == 0
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // The wait was given up, and the load may go on: with a place, if one is free this very moment.
        if self.end() {
            self.place.hold(Arc::clone(&self.place.free).try_acquire_owned().ok());
        }
    }
}
