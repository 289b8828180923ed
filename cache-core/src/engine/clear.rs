//! Clears a caller to load: the load lock between processes, and turns while a write is in flight.

use std::{future::Future, sync::Arc, time::Duration};

use crate::{
    engine::{
        Engine,
        call::Read,
        entry::StoredEntry,
        fill::Captured,
        flight::{Flight, Outcome},
        load::Lead,
        lock::{self, LoadLock, POLL_MAX, POLL_MIN},
        lookup::Found,
        places::while_away,
        read::{Call, Shared, WAIT_MAX},
        scope::LoadScope,
        turns::Place,
    },
    event::{Event, FillRefusal, Tier},
    policy::TierChoice,
    ports::LockRequest,
};

/// Whoever gets the load lock this long after it found nothing looks once more: a round trip is dear only where it is not needed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// What a caller holds when it may load.
pub(super) struct Cleared<'a> {
    pub(super) captured: Result<Vec<Captured>, FillRefusal>,
    pub(super) lead: Lead<'a>,
    pub(super) lock: Option<LoadLock>,
}

/// Whether a caller loads, or has its answer.
enum Clearance<'a, T, E> {
    Load(Cleared<'a>),
    Done(Result<T, E>),
}

impl Engine {
    /// Loads, once no other process does, and shares the load with whoever may share it.
    pub(super) async fn obtain<T, E, L, Fut>(
        self: &Arc<Self>,
        call: Call<'_, '_, T, E>,
        lead: Lead<'_>,
        trust_cells: bool,
        loader: L,
    ) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.clear(&call, lead, trust_cells).await {
            Clearance::Done(result) => result,
            Clearance::Load(cleared) => self.load(call.load_with(cleared), loader).await,
        }
    }

    /// Waits for the load lock, or for what its holder loads; for at most `lock_wait`.
    async fn clear<'l, T, E>(
        self: &Arc<Self>,
        call: &Call<'_, '_, T, E>,
        lead: Lead<'l>,
        trust_cells: bool,
    ) -> Clearance<'l, T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        let give_up = self.clock.now().after(call.policy.lock_wait);
        let mut pause = POLL_MIN;
        let looked = lead.flight().map_or_else(|| self.clock.now(), |flight| flight.started());
        let mut waited = false;
        loop {
            let token = self.lock_token(call).filter(|_| self.clock.now() < give_up);
            let flight = lead.flight();
            let (captured, lock) = self.capture_for(call, flight, token).await;
            let Some(versions) = versions_of(&captured) else {
                // A write is in flight, or the remote tier is down: nothing can be stored, but the load can be shared.
                if let Some(lock) = lock {
                    lock.give_back().await;
                }
                return self.take_turn(call, lead).await;
            };
            if let Some(flight) = flight {
                flight.set_captured(versions);
            }
            if token.is_none() || lock.is_some() || self.held_locks.holds(call.read.key) {
                // Its last holder may have stored the value after this caller looked, and given it back before this caller asked for it.
                let is_late = waited || self.clock.now().since(looked) > LOOK_AGAIN_AFTER;
                if lock.is_some()
                    && is_late
                    && let Some((value, entry, tier)) = self.found_meanwhile(call, &lead, trust_cells).await
                {
                    if let Some(lock) = lock {
                        lock.give_back().await;
                    }
                    return self.delivered(call, lead, value, entry, tier);
                }
                if waited {
                    self.lock_waited(call.read, false);
                }
                return Clearance::Load(Cleared { captured, lead, lock });
            }
            waited = true;
            self.clock.sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(POLL_MAX);
            if let Some((value, entry, tier)) = self.found_meanwhile(call, &lead, trust_cells).await {
                return self.delivered(call, lead, value, entry, tier);
            }
        }
    }

    /// What another process has stored since this caller looked.
    async fn found_meanwhile<T, E>(
        &self,
        call: &Call<'_, '_, T, E>,
        lead: &Lead<'_>,
        trust_cells: bool,
    ) -> Option<(T, Arc<StoredEntry>, Tier)>
    where
        T: Clone + Send + Sync + 'static,
    {
        let flight = lead.flight().map(|flight| &**flight);
        let trust_cells = trust_cells && self.lease.holds(self.clock.now());
        let Found::Fresh(entry, tier) = self.look_up(call, trust_cells, flight).await else { return None };
        Some((self.value_of(&entry)?, entry, tier))
    }

    /// Another process has loaded what this caller was about to load.
    fn delivered<'l, T, E>(
        &self,
        call: &Call<'_, '_, T, E>,
        lead: Lead<'_>,
        value: T,
        entry: Arc<StoredEntry>,
        tier: Tier,
    ) -> Clearance<'l, T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        self.lock_waited(call.read, true);
        self.hit(call.read.function, call.read.key, &entry, tier);
        lead.finish(Outcome::Value(entry));
        Clearance::Done(Ok(value))
    }

    /// Waits for the next load of the key to start, and shares that one.
    async fn take_turn<'l, T, E>(self: &Arc<Self>, call: &Call<'_, '_, T, E>, mut lead: Lead<'l>) -> Clearance<'l, T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        loop {
            match self.turns.take(call.read.key, self.clock.now()) {
                Place::Lead(waiting) => {
                    // Without its turn after all this time, the caller loads beside whoever has it.
                    lead.turn = while_away(self.clock.timeout(WAIT_MAX, waiting.turn())).await;
                    let (captured, _) = self.capture_for(call, None, None).await;
                    return Clearance::Load(Cleared { captured, lead, lock: None });
                }
                Place::Follow(flight) => {
                    let outcome = self.outcome_of(&flight).await;
                    match self.share_outcome(call.read, outcome.clone()) {
                        Shared::Done(result) => {
                            lead.finish(outcome);
                            return Clearance::Done(result);
                        }
                        Shared::Alone => {
                            let (captured, _) = self.capture_for(call, None, None).await;
                            return Clearance::Load(Cleared { captured, lead, lock: None });
                        }
                        Shared::Again => {}
                    }
                }
            }
        }
    }

    pub(super) fn wants_lock<T: 'static, E>(&self, call: &Call<'_, '_, T, E>) -> bool {
        call.policy.lock && call.policy.tier != TierChoice::Local && call.read.wire.is_some() && self.remote.is_shared()
    }

    pub(super) fn lock_token<T: 'static, E>(&self, call: &Call<'_, '_, T, E>) -> Option<u64> {
        self.wants_lock(call).then(rand::random)
    }

    /// Captures the declared tags; with a token, tries for the load lock too.
    pub(super) async fn capture_for<T: 'static, E>(
        self: &Arc<Self>,
        call: &Call<'_, '_, T, E>,
        flight: Option<&Arc<Flight>>,
        token: Option<u64>,
    ) -> (Result<Vec<Captured>, FillRefusal>, Option<LoadLock>) {
        let key = call.read.key;
        let request = token.map(|token| LockRequest { key, token, ttl: lock::ttl(call.policy.lock_wait) });
        let lock = token.map(|token| LoadLock::new(self, key, token));
        let flights = flight.map_or(&[][..], std::slice::from_ref);
        match self.capture_and_lock(&call.tags, call.policy.kept(), flights, request).await {
            Ok((captured, true)) => (Ok(captured), lock.map(LoadLock::won)),
            Ok((captured, false)) => {
                if let Some(lock) = lock {
                    lock.lost();
                }
                (Ok(captured), None)
            }
            Err(error) => {
                self.remote_failed("capture versions", &error);
                (Err(FillRefusal::RemoteDown), None)
            }
        }
    }

    fn lock_waited<T: 'static, E>(&self, read: &Read<'_, T, E>, delivered: bool) {
        self.figures.of(read.function).lock_waits.up();
        self.tell(&Event::LockWaited { function: read.function.name(), delivered });
    }
}

/// The versions, if every tag has one.
pub(super) fn versions_of(captured: &Result<Vec<Captured>, FillRefusal>) -> Option<Box<[u64]>> {
    captured.as_ref().ok()?.iter().map(|tag| tag.version).collect()
}
