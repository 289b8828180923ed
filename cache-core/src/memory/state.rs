//! The data of the memory tier: what Redis keeps, and what the scripts do to it.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use rand::Rng;
use smallvec::SmallVec;

use crate::{
    clock::Moment,
    glob,
    ports::{
        Captured, EndWith, Ended, Fetched, IntentId, LockRequest, LockToken, ScanCursor, ScanPage, StoreRequest,
        TagState,
    },
    tag::Tag,
};

/// A sweep looks at everything once as many things were added as there were after the last sweep, but at least this many.
const SWEEP_AFTER_MIN: usize = 1_024;

/// Entries, tags and locks.
#[derive(Default)]
pub(super) struct State {
    entries: HashMap<String, Expiring<Vec<u8>>>,
    tags: HashMap<Tag, TagRecord>,
    locks: HashMap<String, Expiring<LockToken>>,
    added: usize,
    kept: usize,
}

struct Expiring<T> {
    value: T,
    until: Moment,
}

/// The two Redis keys of a tag: its string and its set of intents. Either may be evicted without the other.
#[derive(Default)]
struct TagRecord {
    slot: Option<Expiring<Slot>>,
    intents: SmallVec<[(IntentId, Moment); 1]>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Version(u64),
    /// Pending; `alone` names the only intent there has been since the tag became pending.
    Pending {
        alone: Option<IntentId>,
    },
}

impl State {
    pub(super) fn fetch(&self, keys: &[&str], tags: &[Tag], now: Moment) -> Fetched {
        let entry = |key: &&str| self.entries.get(*key).filter(|entry| entry.until > now);
        Fetched {
            entries: keys.iter().map(|key| entry(key).map(|entry| entry.value.clone())).collect(),
            states: tags
                .iter()
                .map(|tag| match self.tags.get(tag).and_then(|record| record.slot(now)) {
                    None => TagState::Absent,
                    Some(Slot::Version(version)) => TagState::Version(version),
                    Some(Slot::Pending { .. }) => TagState::Pending,
                })
                .collect(),
        }
    }

    pub(super) fn capture(&mut self, tags: &[Tag], ttl: Duration, locks: &[LockRequest<'_>], now: Moment) -> Captured {
        let states = tags.iter().map(|tag| self.record(tag, now).capture(now, now.after(ttl))).collect();
        let locks = locks.iter().map(|lock| self.lock(lock, now)).collect();
        Captured { states, locks }
    }

    pub(super) fn store(&mut self, requests: &[StoreRequest<'_>], now: Moment) {
        for request in requests {
            self.make_room(now);
            let entry = Expiring { value: request.bytes.to_vec(), until: now.after(request.ttl) };
            self.entries.insert(request.key.to_owned(), entry);
            if let Some(token) = request.unlock {
                self.unlock(request.key, token);
            }
        }
    }

    pub(super) fn unlock(&mut self, key: &str, token: LockToken) {
        if self.locks.get(key).is_some_and(|lock| lock.value == token) {
            self.locks.remove(key);
        }
    }

    /// Returns whether `id` held the tag already. The caller publishes the tag.
    pub(super) fn begin(&mut self, tag: &Tag, id: IntentId, lease: Duration, now: Moment) -> bool {
        self.record(tag, now).begin(id, now, now.after(lease))
    }

    /// The caller publishes the tag if the intent had expired.
    pub(super) fn end(&mut self, tag: &Tag, id: IntentId, end: EndWith, now: Moment) -> Ended {
        let Some(record) = self.tags.get_mut(tag) else { return Ended::Expired };
        let ended = record.end(id, end, now);
        if record.is_empty(now) {
            self.tags.remove(tag);
        }
        ended
    }

    pub(super) fn remove(&mut self, keys: &[&str], now: Moment) -> u64 {
        let removed = keys.iter().filter_map(|key| self.entries.remove(*key)).filter(|entry| entry.until > now).count();
        u64::try_from(removed).unwrap_or(u64::MAX)
    }

    /// Goes through the keys in the order of their hashes, so that a cursor stays good while keys come and go.
    pub(super) fn scan(&self, pattern: &str, from: Option<ScanCursor>, count: usize, now: Moment) -> ScanPage {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let start = from.map_or(0, |from| from.cursor);
        let mut ahead: Vec<(u64, &str)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.until > now)
            .map(|(key, _)| (hasher.hash_one(key.as_str()), key.as_str()))
            .filter(|(hash, _)| *hash >= start)
            .collect();
        ahead.sort_unstable();
        let next = ahead.get(count.max(1)).map(|(hash, _)| *hash);
        let page = ahead.iter().take_while(|(hash, _)| next.is_none_or(|next| *hash < next));
        let keys = page.filter(|(_, key)| glob::matches(pattern, key)).map(|(_, key)| (*key).to_owned()).collect();
        ScanPage { keys, next: next.map(|cursor| ScanCursor { shard: 0, cursor }) }
    }

    pub(super) fn ttl(&self, key: &str, now: Moment) -> Option<Duration> {
        self.entries.get(key).filter(|entry| entry.until > now).map(|entry| entry.until.since(now))
    }

    pub(super) fn evict_tag(&mut self, tag: &Tag) {
        if let Some(record) = self.tags.get_mut(tag) {
            record.slot = None;
        }
    }

    pub(super) fn evict_intents(&mut self, tag: &Tag) {
        if let Some(record) = self.tags.get_mut(tag) {
            record.intents.clear();
        }
    }

    pub(super) fn size(&self) -> usize {
        self.entries.len() + self.tags.len() + self.locks.len()
    }

    fn record(&mut self, tag: &Tag, now: Moment) -> &mut TagRecord {
        if !self.tags.contains_key(tag) {
            self.make_room(now);
        }
        self.tags.entry(tag.clone()).or_default()
    }

    fn lock(&mut self, request: &LockRequest<'_>, now: Moment) -> bool {
        if self.locks.get(request.key).is_some_and(|lock| lock.until > now && lock.value != request.token) {
            return false;
        }
        self.make_room(now);
        self.locks.insert(request.key.to_owned(), Expiring { value: request.token, until: now.after(request.ttl) });
        true
    }

    /// Counts an addition, and sweeps what has expired once enough was added: constant time on average, and never
    /// more than twice the memory of what is alive.
    fn make_room(&mut self, now: Moment) {
        self.added += 1;
        if self.added <= self.kept.max(SWEEP_AFTER_MIN) {
            return;
        }
        self.entries.retain(|_, entry| entry.until > now);
        self.locks.retain(|_, lock| lock.until > now);
        self.tags.retain(|_, record| !record.is_empty(now));
        self.added = 0;
        self.kept = self.size();
    }
}

impl TagRecord {
    fn slot(&self, now: Moment) -> Option<Slot> {
        self.slot.as_ref().filter(|slot| slot.until > now).map(|slot| slot.value)
    }

    fn is_empty(&self, now: Moment) -> bool {
        self.slot(now).is_none() && self.intents.iter().all(|(_, until)| *until <= now)
    }

    fn capture(&mut self, now: Moment, until: Moment) -> TagState {
        match self.slot(now) {
            Some(Slot::Pending { .. }) => TagState::Pending,
            Some(Slot::Version(version)) => {
                if let Some(slot) = &mut self.slot {
                    slot.until = slot.until.max(until);
                }
                TagState::Version(version)
            }
            // The state was evicted while a writer is at work.
            None if self.intents.iter().any(|(_, until)| *until > now) => TagState::Pending,
            None => {
                let version = rand::rng().random_range(1..=u64::MAX);
                self.slot = Some(Expiring { value: Slot::Version(version), until });
                TagState::Version(version)
            }
        }
    }

    fn begin(&mut self, id: IntentId, now: Moment, until: Moment) -> bool {
        self.intents.retain(|(_, until)| *until > now);
        let held = self.intents.iter().any(|(other, _)| *other == id);
        let alone = self.intents.iter().all(|(other, _)| *other == id)
            && match self.slot(now) {
                // Evicted under this very intent, the state would have told who else came and went.
                None | Some(Slot::Version(_)) => !held,
                Some(Slot::Pending { alone }) => alone == Some(id),
            };
        self.intents.retain(|(other, _)| *other != id);
        self.intents.push((id, until));
        let pending_until = match &self.slot {
            Some(Expiring { value: Slot::Pending { .. }, until: before }) => until.max(*before),
            _ => until,
        };
        let value = Slot::Pending { alone: alone.then_some(id) };
        self.slot = Some(Expiring { value, until: pending_until });
        held
    }

    fn end(&mut self, id: IntentId, end: EndWith, now: Moment) -> Ended {
        self.intents.retain(|(_, until)| *until > now);
        let held = self.intents.iter().any(|(other, _)| *other == id);
        self.intents.retain(|(other, _)| *other != id);
        if let Some(until) = self.intents.iter().map(|(_, until)| *until).max() {
            // Whether held or expired, this intent overlapped those that remain.
            self.slot = Some(Expiring { value: Slot::Pending { alone: None }, until });
            return if held { Ended::Held { stored: false } } else { Ended::Expired };
        }
        let alone = self.slot(now) == Some(Slot::Pending { alone: Some(id) });
        self.slot = None;
        match end {
            _ if !held => Ended::Expired,
            EndWith::Version { version, ttl } if alone => {
                self.slot = Some(Expiring { value: Slot::Version(version), until: now.after(ttl) });
                Ended::Held { stored: true }
            }
            _ => Ended::Held { stored: false },
        }
    }
}
