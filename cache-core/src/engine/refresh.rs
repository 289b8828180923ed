//! Loads entries anew before they end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::Moment,
    engine::{Engine, call::Read, entry::Meta},
    event::Event,
    policy::Policy,
};

/// Background refreshes that run at a time in one process; what comes beyond waits for a later read.
const REFRESHES_MAX: usize = 64;

/// XFetch is not considered further before the end of an entry than this many times `delta * beta`:
/// the least that `ln(rand)` gives for a double in (0, 1].
const XFETCH_REACH: f64 = 37.0;

/// The keys that are being refreshed by this process.
#[derive(Default)]
pub(crate) struct Refreshes(Mutex<Vec<Box<str>>>);

/// A place among the refreshes, given back when dropped.
pub(crate) struct Refreshing {
    engine: Arc<Engine>,
    key: Box<str>,
}

impl Refreshes {
    fn enter(&self, key: &str) -> bool {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REFRESHES_MAX || keys.iter().any(|known| **known == *key) {
            return false;
        }
        keys.push(key.into());
        true
    }

    fn leave(&self, key: &str) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|known| **known != *key);
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.engine.refreshes.leave(&self.key);
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

/// From when on XFetch may draw an entry's refresh.
pub(crate) fn xfetch_from(policy: &Policy, expires: Moment, load_cost: Duration) -> Moment {
    if policy.xfetch_beta > 0.0 {
        expires.before(load_cost.mul_f64(policy.xfetch_beta * XFETCH_REACH))
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
        let policy = self.settings.policy.overridden(read.policy);
        if !is_due(&policy, meta, self.clock.now()) || self.flights.is_flying(read.key) {
            return None;
        }
        self.refresh_now(read)
    }

    /// As [`consider_refresh`](Self::consider_refresh), for an entry that is due whatever the policy says.
    pub(crate) fn refresh_now<T: 'static, E>(self: &Arc<Self>, read: &Read<'_, T, E>) -> Option<Refreshing> {
        if !self.refreshes.enter(read.key) {
            return None;
        }
        let place = Refreshing { engine: Arc::clone(self), key: read.key.into() };
        self.counters.refreshes.up();
        self.tell(&Event::Refresh { function: read.function.name() });
        let Some(background) = read.background else { return Some(place) };
        let work = background();
        let _unless_closed = self.tasks.spawn_loop(async move {
            work.await;
            drop(place);
        });
        None
    }
}
