//! Loads entries anew before they end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::Instrument;

use crate::{
    clock::Moment,
    engine::{Engine, call::Read, entry::Meta},
    event::Event,
    policy::{Consistency, Policy, TierChoice},
    telemetry::spans,
};

/// Background refreshes that run at a time in one process; what comes beyond waits for a later read.
const REFRESHES_MAX: usize = 64;

/// XFetch is not considered further before the end of an entry than this many times `delta * beta`:
/// the least that `ln(rand)` gives for a double in (0, 1].
const XFETCH_REACH: f64 = 37.0;

/// After a refresh that stored nothing, the next of the key waits; each time twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// So many keys may be in such a pause; beyond, all are forgiven.
const PAUSES_MAX: usize = 4_096;

/// The keys that are being refreshed by this process, or pause after a refresh that stored nothing.
#[derive(Default)]
pub(crate) struct Refreshes(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether a value was stored that need not be refreshed at once.
    running: HashMap<Box<str>, bool>,
    paused: HashMap<Box<str>, (Moment, Duration)>,
}

/// A place among the refreshes, given back when dropped.
pub(crate) struct Refreshing {
    engine: Arc<Engine>,
    key: Box<str>,
}

impl Refreshes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, key: &str, now: Moment) -> bool {
        let mut state = self.state();
        let pauses = state.paused.get(key).is_some_and(|(until, _)| now < *until);
        if pauses || state.running.len() >= REFRESHES_MAX || state.running.contains_key(key) {
            return false;
        }
        state.running.insert(key.into(), false);
        true
    }

    /// A value was stored, or found to be.
    fn refreshed(&self, key: &str) {
        if let Some(refreshed) = self.state().running.get_mut(key) {
            *refreshed = true;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state().running.len()
    }

    fn leave(&self, key: &str, now: Moment) {
        let mut state = self.state();
        if state.running.remove(key) == Some(true) {
            state.paused.remove(key);
            return;
        }
        if state.paused.len() >= PAUSES_MAX {
            state.paused.clear();
        }
        let pause = state.paused.get(key).map_or(PAUSE_MIN, |(_, last)| (*last * 2).min(PAUSE_MAX));
        state.paused.insert(key.into(), (now.after(pause), pause));
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.engine.refreshes.leave(&self.key, self.engine.clock.now());
    }
}

/// When an entry is refreshed ahead of its end.
pub(crate) fn ahead_from(policy: &Policy, born: Moment, expires: Moment) -> Moment {
    if policy.refresh_ahead < 1.0 {
        born.after(expires.since(born).mul_f64(policy.refresh_ahead.max(0.0)))
    } else {
        Moment::NEVER
    }
}

/// From when on XFetch may draw an entry's refresh. Never in the first half of its life: an entry that is due from its birth on would
/// always be loaded anew, and could not be told from one that was not.
pub(crate) fn xfetch_from(policy: &Policy, born: Moment, expires: Moment, load_cost: Duration) -> Moment {
    if policy.xfetch_beta > 0.0 {
        let reach = load_cost.mul_f64(policy.xfetch_beta * XFETCH_REACH);
        expires.before(reach.min(expires.since(born) / 2))
    } else {
        Moment::NEVER
    }
}

/// Whether this read is the one to refresh the entry: it is past its refresh-ahead point, or XFetch draws it.
fn is_due(policy: &Policy, meta: &Meta, now: Moment) -> bool {
    if now >= meta.ahead_from {
        return true;
    }
    // The random number is from (0, 1]: its logarithm is never positive and always finite.
    let draw = 1.0 - rand::random::<f64>();
    policy.xfetch_beta > 0.0 && now.after(meta.load_cost.mul_f64(policy.xfetch_beta * -draw.ln())) >= meta.expires
}

impl Engine {
    /// Called for a valid entry that is past its `refresh_from`. Starts a refresh in the background if one is due and the call
    /// can be repeated there. Returns the place for a refresh that the caller has to make itself.
    pub(crate) fn consider_refresh<T: 'static, E>(
        self: &Arc<Self>,
        read: &Read<'_, T, E>,
        meta: &Meta,
    ) -> Option<Refreshing> {
        let policy = self.policy_of(read);
        if !is_due(&policy, meta, self.clock.now()) || self.flights.is_flying(read.key) {
            return None;
        }
        self.refresh_now(read)
    }

    /// A refresh of the entry at `key`, if one runs, has come to its end: there is an entry that is not due itself.
    pub(crate) fn note_refreshed(&self, key: &str, meta: &Meta) {
        if self.clock.now() < meta.refresh_from {
            self.refreshes.refreshed(key);
        }
    }

    /// As [`consider_refresh`](Self::consider_refresh), for an entry which process memory has not answered with, so that no local hit
    /// considers it: it is kept in the remote tier only, or the read is strict.
    pub(crate) fn consider_remote<T: 'static, E>(
        self: &Arc<Self>,
        read: &Read<'_, T, E>,
        policy: &Policy,
        meta: &Meta,
    ) -> Option<Refreshing> {
        let now = self.clock.now();
        let unseen = policy.tier == TierChoice::Remote || policy.consistency == Consistency::Strict;
        if !unseen || now < meta.refresh_from || !meta.is_alive(now) {
            return None;
        }
        self.consider_refresh(read, meta)
    }

    /// As [`consider_refresh`](Self::consider_refresh), for an entry that is due whatever the policy says.
    pub(crate) fn refresh_now<T: 'static, E>(self: &Arc<Self>, read: &Read<'_, T, E>) -> Option<Refreshing> {
        if !self.refreshes.enter(read.key, self.clock.now()) {
            return None;
        }
        let place = Refreshing { engine: Arc::clone(self), key: read.key.into() };
        self.figures.of(read.function).refreshes.up();
        self.tell(&Event::Refresh { function: read.function.name() });
        let Some(background) = read.background else { return Some(place) };
        let work = background().instrument(spans::refresh(read.function.name()));
        let _unless_closed = self.tasks.spawn_loop(async move {
            work.await;
            drop(place);
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn xfetch_leaves_an_entry_alone_in_the_first_half_of_its_life() {
        let (born, second) = (Clock::manual().now(), Duration::from_secs(1));
        let expires = born.after(100 * second);
        let xfetch = Policy { xfetch_beta: 1.0, ..Policy::default() };
        assert_eq!(xfetch_from(&xfetch, born, expires, second), born.after(63 * second));
        assert_eq!(xfetch_from(&xfetch, born, expires, 10 * second), born.after(50 * second), "not before its birth");
        assert_eq!(xfetch_from(&Policy::default(), born, expires, second), Moment::NEVER);
    }
}
