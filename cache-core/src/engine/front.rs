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

/// Places in one thread's table; each holds one entry. A power of two.
const SLOTS: usize = 4_096;

/// Places next to one another, in any of which a key may lie: with one alone, a quarter of 1,000 keys would share theirs.
const WAYS: usize = 2;

/// So long an entry is answered from here before the local tier hears of it again, so that its eviction policy keeps learning: it hears
/// of everything that is read less often than that, and of what is hotter at least this often.
const TELL_AFTER: Duration = Duration::from_millis(100);

/// One in so many reads of another key may take an occupied place.
const TAKE_OVER_ONE_IN: u32 = 8;

/// What one thread may hold on to is at most this part of the local tier's capacity in bytes.
const SHARE_OF_CAPACITY: u64 = 4;

/// The tables of all threads, dropped with the cache.
pub(crate) struct Front {
    tables: ThreadLocal<RefCell<Table>>,
    state: RandomState,
}

struct Table {
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

    /// The first of the places where a key may lie.
    #[inline]
    fn index(&self, place: &Place) -> usize {
        let address = std::ptr::from_ref(place.function).addr();
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
        let hash = place.key.hash(&self.state, address) as usize;
        (hash & (SLOTS / WAYS - 1)) * WAYS
    }

    /// What `serve` makes of this thread's entry, if there is one, and it is valid. After a change `good_until` says until when.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        place: &Place,
        good_until: impl FnOnce(&StoredEntry) -> Option<Moment>,
        serve: impl FnOnce(&Arc<StoredEntry>) -> Option<R>,
    ) -> Option<R> {
        let table = self.tables.get()?.try_borrow().ok()?;
        let first = self.index(place);
        let mut ways = table.slots.get(first..first + WAYS)?.iter().flatten();
        let slot = ways.find(|slot| slot.is_of(place))?;
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
        let Ok(mut table) = self.tables.get_or(|| RefCell::new(Table::new())).try_borrow_mut() else { return };
        table.sweep();
        let Table { slots, refused, .. } = &mut *table;
        let first = self.index(place);
        let Some(ways) = slots.get_mut(first..first + WAYS) else { return };
        // Its own place, else a free one, else that of the entry that was told of longest ago.
        let Some(slot) = ways.iter_mut().min_by_key(|slot| match slot {
            Some(slot) if slot.is_of(place) => (0, Moment::ZERO),
            Some(slot) if slot.entry.meta.is_in_front() => (2, slot.good_until.get()),
            _ => (1, Moment::ZERO),
        }) else {
            return;
        };
        if slot.as_ref().is_some_and(|slot| !slot.is_of(place) && slot.entry.meta.is_in_front()) {
            *refused += 1;
            if *refused <= TAKE_OVER_ONE_IN {
                return;
            }
            *refused = 0;
        }
        *slot = Some(Slot {
            key: place.key,
            entry: Arc::clone(entry),
            good_until: Cell::new(good_until.min(place.soon.after(TELL_AFTER))),
            valid_at: Cell::new(place.epoch),
        });
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
        Self { slots: std::iter::repeat_with(|| None).take(SLOTS).collect(), refused: 0, hand: 0 }
    }

    /// Lets go of one entry that has left the local tier, if the next place in turn has one: memory follows evictions.
    fn sweep(&mut self) {
        self.hand = (self.hand + 1) & (SLOTS - 1);
        if let Some(place) = self.slots.get_mut(self.hand)
            && place.as_ref().is_some_and(|slot| !slot.entry.meta.is_in_front())
        {
            *place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_at_hand_takes_one_line_of_memory() {
        assert_eq!(size_of::<Option<Slot>>(), 64);
    }
}
