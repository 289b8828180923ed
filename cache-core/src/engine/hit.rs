//! A read that process memory answers: the hot path.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    clock::Moment,
    engine::{
        Engine,
        call::{Function, Read},
        context,
        entry::StoredEntry,
        front::Place,
        refresh::Refreshing,
        request,
        scope::LoadScope,
    },
    event::{Event, EventListener, Tier},
    key::Fingerprint,
    policy::TierChoice,
};

/// What process memory says.
pub(super) enum Local<T> {
    Hit(T),
    /// Valid, and this caller is the one to load it anew.
    Refresh(Arc<StoredEntry>, Refreshing),
    Nothing,
}

impl Engine {
    /// The value of a call with these arguments, if this thread has just read it: no lock, no allocation, no text, nothing asked of
    /// anybody, and no shared write but to what the value's own `Clone` writes. Only for functions whose every read has the same policy.
    #[inline]
    pub(crate) fn at_hand<T, A>(&self, function: &'static Function, args: &A) -> Option<T>
    where
        T: Clone + 'static,
        A: Serialize + ?Sized,
    {
        if !context::is_plain() {
            return None;
        }
        self.serve_at_hand(&self.place(function, Fingerprint::of_args(args)?), |entry| {
            let value = self.value_of::<T>(entry)?;
            entry.meta.counters.hits_local.up();
            self.tell_of_hit(function, Tier::Local);
            Some(value)
        })
    }

    /// The hot path of any read, with the text of its key made already.
    pub(super) fn local_hit<T, E>(self: &Arc<Self>, read: &Read<'_, T, E>, strict: bool) -> Local<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let tier = read.policy.tier.unwrap_or(self.settings.policy.tier);
        if strict || (tier == TierChoice::Remote && self.remote.is_shared()) {
            return Local::Nothing;
        }
        let place = self.place(read.function, read.short.unwrap_or_else(|| Fingerprint::of_text(read.key)));
        let at_hand = self.serve_at_hand(&place, |entry| {
            let value = self.value_of(entry)?;
            self.hit(read.function, read.key, entry, Tier::Local);
            Some(value)
        });
        if let Some(value) = at_hand {
            return Local::Hit(value);
        }
        let Some(entry) = self.local.get(read.key) else { return Local::Nothing };
        let now = self.clock.now();
        let Some(value) = entry.value.downcast_ref::<T>() else { return Local::Nothing };
        let Some(good_until) = self.good_until(read.function, &entry, now) else { return Local::Nothing };
        if now >= entry.meta.refresh_from
            && let Some(turn) = self.consider_refresh(read, &entry.meta)
        {
            return Local::Refresh(entry, turn);
        }
        let value = value.clone();
        self.hit(read.function, read.key, &entry, Tier::Local);
        self.front.keep(&place, &entry, good_until);
        Local::Hit(value)
    }

    #[inline]
    fn place(&self, function: &'static Function, key: Fingerprint) -> Place {
        Place { function, key, soon: self.clock.soon(), epoch: self.changes.epoch() }
    }

    #[inline]
    fn serve_at_hand<R>(&self, place: &Place, serve: impl FnOnce(&Arc<StoredEntry>) -> Option<R>) -> Option<R> {
        self.front.with(place, |entry| self.good_until(place.function, entry, place.soon), serve)
    }

    /// Until when a local entry may be served without asking anybody, as long as nothing changes; `None` if not even now. Past the
    /// moment from which it is to be refreshed, each read decides anew.
    fn good_until(&self, function: &'static Function, entry: &StoredEntry, now: Moment) -> Option<Moment> {
        let meta = &entry.meta;
        let good = std::ptr::eq(meta.function, function)
            && self.lease.holds(now)
            && meta.is_alive(now)
            && self.heard_of_removals_since(meta.created)
            && meta.is_verified();
        good.then(|| meta.expires.min(meta.refresh_from).min(self.lease.end()))
    }

    pub(super) fn value_of<T: Clone + 'static>(&self, entry: &StoredEntry) -> Option<T> {
        entry.value.downcast_ref::<T>().cloned()
    }

    pub(super) fn hit(&self, function: &'static Function, key: &str, entry: &Arc<StoredEntry>, tier: Tier) {
        if request::is_any() {
            self.remember(key, entry);
        }
        LoadScope::uses(&entry.meta);
        match tier {
            Tier::Local => entry.meta.counters.hits_local.up(),
            Tier::Remote => entry.meta.counters.hits_remote.up(),
        }
        self.tell_of_hit(function, tier);
    }

    /// The event is made only if somebody listens.
    #[inline]
    fn tell_of_hit(&self, function: &'static Function, tier: Tier) {
        if let Some(listener) = &self.listener {
            tell_of_hit(listener, function, tier);
        }
    }
}

#[inline(never)]
fn tell_of_hit(listener: &EventListener, function: &'static Function, tier: Tier) {
    listener.tell(&Event::Hit { function: function.name(), tier });
}
