//! A small table per thread in front of the local tier, of entries that were hit a moment ago.
//!
//! Every entry is validated by its own cells, lease and times on each use, so the tables need no coherence: an entry that was made
//! stale or removed fails its own check, wherever it still lies. What a thread reads often costs it no shared lock, and no text of a key.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use foldhash::fast::RandomState;
use thread_local::ThreadLocal;

use crate::{
    clock::Moment,
    engine::{call::Function, changes::Epoch, entry::StoredEntry},
    key::Fingerprint,
};

/// Places in one thread's table; each holds one entry.
const SLOTS: usize = BUCKETS * WAYS;

/// A power of two.
const BUCKETS: usize = 512;

/// Places next to one another, in any of which a key may lie; so many that half as many keys as there are places hardly ever contend for one. Which
/// of them to look at is found in one word, of a byte for each.
const WAYS: usize = 8;

/// So long an entry is answered from here before the local tier hears of it again, so that its eviction policy keeps learning: it hears
/// of everything that is read less often than that, and of what is hotter at least this often.
const TELL_AFTER: Duration = Duration::from_millis(100);

/// One in so many reads of another key may take an occupied place.
const TAKE_OVER_ONE_IN: u32 = 8;

/// What one thread may hold on to is at most this part of the local tier's capacity in bytes.
const SHARE_OF_CAPACITY: u64 = 4;

/// The tables of all threads, dropped with the cache.
pub(crate) struct Front {
    tables: ThreadLocal<Own>,
    state: RandomState,
}

/// One thread's table, alone on its lines of memory: each hit marks it as borrowed.
#[repr(align(128))]
struct Own(RefCell<Table>);

struct Table {
    /// For each bucket the tags of its places, a byte each; 0 where a place is empty.
    tags: Box<[u64; BUCKETS]>,
    slots: Box<[Option<Slot>]>,
    /// Reads turned away from an occupied place since one was let in.
    refused: u32,
    /// The place to be looked at next for an entry that has left the local tier.
    hand: usize,
}

/// An entry at hand: one line of memory.
#[repr(align(64))]
struct Slot {
    key: Fingerprint,
    entry: Arc<StoredEntry>,
    /// Until when the entry may be served while nothing has changed. Then, at the latest, the local tier must be told that it is used.
    good_until: Cell<Moment>,
    /// When it was last found valid.
    valid_at: Cell<Epoch>,
}

/// What a read looks for, and how things are when it does: to be taken before the local tier is asked.
pub(crate) struct Place {
    pub(crate) function: &'static Function,
    pub(crate) key: Fingerprint,
    /// The time, at the latest; see [`Clock::soon`](crate::clock::Clock::soon).
    pub(crate) soon: Moment,
    pub(crate) epoch: Epoch,
}

impl Front {
    pub(crate) fn new() -> Self {
        Self { tables: ThreadLocal::new(), state: RandomState::default() }
    }

    /// The bucket in whose places a key may lie, and the tag of the one where it does.
    #[inline]
    fn bucket(&self, place: &Place) -> (usize, u8) {
        let hash = place.key.hash(&self.state, std::ptr::from_ref(place.function).addr());
        let [tag, ..] = hash.to_be_bytes();
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
        let low = hash as usize;
        (low % BUCKETS, tag.max(1))
    }

    /// What `serve` makes of this thread's entry, if there is one, and it is valid. After a change `good_until` says until when.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        place: &Place,
        good_until: impl FnOnce(&StoredEntry) -> Option<Moment>,
        serve: impl FnOnce(&Arc<StoredEntry>) -> Option<R>,
    ) -> Option<R> {
        let table = self.tables.get()?.0.try_borrow().ok()?;
        let (bucket, tag) = self.bucket(place);
        let slot = table.find(bucket, tag, place)?;
        let usable = place.soon < slot.good_until.get()
            && slot.entry.meta.is_in_front()
            && (slot.valid_at.get() == place.epoch || slot.is_valid_still(place, good_until));
        if usable { serve(&slot.entry) } else { None }
    }

    /// Keeps an entry that the local tier has just answered with, and that has since been found valid until `good_until`.
    pub(crate) fn keep(&self, place: &Place, entry: &Arc<StoredEntry>, good_until: Moment) {
        if !entry.meta.is_in_front() {
            return;
        }
        let Ok(mut table) = self.tables.get_or(|| Own(RefCell::new(Table::new()))).0.try_borrow_mut() else { return };
        table.sweep();
        let (bucket, tag) = self.bucket(place);
        let Some(way) = table.way_for(bucket, place) else { return };
        table.put(
            bucket * WAYS + way,
            tag,
            Slot {
                key: place.key,
                entry: Arc::clone(entry),
                good_until: Cell::new(good_until.min(place.soon.after(TELL_AFTER))),
                valid_at: Cell::new(place.epoch),
            },
        );
    }

    /// The heaviest entry that may lie here, if the local tier holds `capacity` bytes.
    pub(crate) fn weight_max(capacity: u64) -> u64 {
        capacity / SHARE_OF_CAPACITY / SLOTS as u64
    }
}

impl Slot {
    #[inline]
    fn is_of(&self, place: &Place) -> bool {
        self.key == place.key && std::ptr::eq(self.entry.meta.function, place.function)
    }

    /// Whether the entry has outlived what has changed.
    #[cold]
    fn is_valid_still(&self, place: &Place, good_until: impl FnOnce(&StoredEntry) -> Option<Moment>) -> bool {
        if !self.valid_at.get().may_last_until(place.epoch) {
            return false;
        }
        let Some(good_until) = good_until(&self.entry) else { return false };
        self.good_until.set(good_until.min(self.good_until.get()));
        self.valid_at.set(place.epoch);
        true
    }
}

impl Table {
    fn new() -> Self {
        Self {
            tags: Box::new([0; BUCKETS]),
            slots: std::iter::repeat_with(|| None).take(SLOTS).collect(),
            refused: 0,
            hand: 0,
        }
    }

    #[inline]
    fn find(&self, bucket: usize, tag: u8, place: &Place) -> Option<&Slot> {
        let mut ways = equal_bytes(*self.tags.get(bucket)?, tag);
        while ways != 0 {
            let way = ways.trailing_zeros() as usize / 8;
            if let Some(Some(slot)) = self.slots.get(bucket * WAYS + way)
                && slot.is_of(place)
            {
                return Some(slot);
            }
            ways &= ways - 1;
        }
        None
    }

    /// The place that an entry may have: its own, else a free one, else that of an entry that nobody has asked this table for lately, else,
    /// for one read in so many, that of the entry that was told of longest ago.
    fn way_for(&mut self, bucket: usize, place: &Place) -> Option<usize> {
        let slots = self.slots.get(bucket * WAYS..)?.get(..WAYS)?;
        let rank = |slot: &Option<Slot>| match slot {
            Some(slot) if slot.is_of(place) => (0, Moment::ZERO),
            Some(slot) if slot.entry.meta.is_in_front() => (2, slot.good_until.get()),
            _ => (1, Moment::ZERO),
        };
        let (way, (rank, good_until)) = slots.iter().map(rank).enumerate().min_by_key(|(_, rank)| *rank)?;
        if rank == 2 && good_until > place.soon {
            self.refused += 1;
            if self.refused <= TAKE_OVER_ONE_IN {
                return None;
            }
            self.refused = 0;
        }
        Some(way)
    }

    fn put(&mut self, at: usize, tag: u8, slot: Slot) {
        self.mark(at, tag);
        if let Some(place) = self.slots.get_mut(at) {
            *place = Some(slot);
        }
    }

    fn mark(&mut self, at: usize, tag: u8) {
        if let Some(tags) = self.tags.get_mut(at / WAYS) {
            let shift = at % WAYS * 8;
            *tags = (*tags & !(0xff << shift)) | (u64::from(tag) << shift);
        }
    }

    /// Lets go of one entry that has left the local tier, if the next place in turn has one: memory follows evictions.
    fn sweep(&mut self) {
        self.hand = (self.hand + 1) % SLOTS;
        if let Some(place) = self.slots.get_mut(self.hand)
            && place.as_ref().is_some_and(|slot| !slot.entry.meta.is_in_front())
        {
            *place = None;
            self.mark(self.hand, 0);
        }
    }
}

/// The bytes of `word` that are `byte`: the highest bit of each is set. Above the first of them others may be set as well. (Henry S. Warren,
/// Hacker's Delight, "Find first 0-byte".)
#[inline]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let different = word ^ (ONES * u64::from(byte));
    different.wrapping_sub(ONES) & !different & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_at_hand_takes_one_line_of_memory() {
        assert_eq!(size_of::<Option<Slot>>(), 64);
    }

    #[test]
    fn the_places_of_a_tag_are_found() {
        let word = u64::from_le_bytes([7, 0, 8, 255, 7, 6, 1, 0]);
        assert_eq!(equal_bytes(word, 7) & 0xff_ffff, 0x80, "the first, and not those after it");
        assert_ne!(equal_bytes(word, 7) & 0x80 << 32, 0, "the second");
        assert_eq!(equal_bytes(word, 1).trailing_zeros() / 8, 6);
        assert_eq!(equal_bytes(word, 255).trailing_zeros() / 8, 3);
        assert_eq!(equal_bytes(word, 9), 0);
    }
}
