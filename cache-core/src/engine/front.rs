//! A small table per thread in front of the local tier, of entries that were hit a moment ago.
//!
//! Every entry is validated by its own cells, lease and times on each use, so the tables need no coherence: an entry that was made
//! stale or removed fails its own check, wherever it still lies. What a thread reads often costs it no shared lock and no shared write.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use smallvec::SmallVec;
use thread_local::ThreadLocal;
use xxhash_rust::xxh3::xxh3_64;

use crate::{clock::Moment, engine::entry::StoredEntry};

/// Places in one thread's table; each holds one entry. A power of two.
const SLOTS: usize = 4_096;

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
    /// Entries put here under an older generation are not served.
    generation: AtomicU64,
}

struct Table {
    slots: Box<[Option<Slot>]>,
    /// Reads turned away from an occupied place since one was let in.
    refused: u32,
    /// The place to be looked at next for an entry that has left the local tier.
    hand: usize,
}

/// An entry at hand.
struct Slot {
    hash: u64,
    generation: u64,
    /// When the local tier must be told again that the entry is used.
    tell_at: Moment,
    /// The count of changes to cells when the entry's tags were last found verified.
    verified_at: Cell<u64>,
    entry: Arc<StoredEntry>,
    /// Most keys lie beside the rest: a hit touches few lines of memory.
    key: SmallVec<[u8; 48]>,
}

/// Where a key belongs, and how things were when that was asked: to be taken before the local tier is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    hash: u64,
    generation: u64,
    /// The time, at the latest; see [`Clock::soon`].
    pub(crate) soon: Moment,
    /// The count of changes to cells.
    changes: u64,
}

impl Front {
    pub(crate) fn new() -> Self {
        Self { tables: ThreadLocal::new(), generation: AtomicU64::new(0) }
    }

    /// Where `key` belongs.
    pub(crate) fn place(&self, key: &str, soon: Moment, changes: u64) -> Place {
        let generation = self.generation.load(Ordering::Acquire);
        Place { hash: xxh3_64(key.as_bytes()), generation, soon, changes }
    }

    /// What `answer` makes of this thread's entry for the key, if there is one whose tags have their versions, and that the local tier
    /// need not hear of yet.
    pub(crate) fn with<R>(
        &self,
        key: &str,
        place: Place,
        answer: impl FnOnce(&Arc<StoredEntry>) -> Option<R>,
    ) -> Option<R> {
        let table = self.tables.get()?.try_borrow().ok()?;
        let slot = table.slots.get(index(place.hash))?.as_ref()?;
        let usable = slot.hash == place.hash
            && slot.generation == place.generation
            && place.soon < slot.tell_at
            && slot.key.as_slice() == key.as_bytes()
            && slot.entry.meta.is_in_front()
            && slot.is_verified(place.changes);
        if usable { answer(&slot.entry) } else { None }
    }

    /// Keeps an entry that the local tier has just answered with, and whose tags have since been found verified.
    pub(crate) fn keep(&self, key: &str, place: Place, entry: &Arc<StoredEntry>) {
        if !entry.meta.is_in_front() {
            return;
        }
        let Ok(mut table) = self.tables.get_or(|| RefCell::new(Table::new())).try_borrow_mut() else { return };
        table.sweep();
        let Table { slots, refused, .. } = &mut *table;
        let Some(slot) = slots.get_mut(index(place.hash)) else { return };
        let tell_at = place.soon.after(TELL_AFTER);
        match slot {
            Some(slot) if slot.hash == place.hash && slot.key.as_slice() == key.as_bytes() => {
                slot.generation = place.generation;
                slot.tell_at = tell_at;
                slot.verified_at.set(place.changes);
                if !Arc::ptr_eq(&slot.entry, entry) {
                    slot.entry = Arc::clone(entry);
                }
            }
            Some(other) if other.entry.meta.is_in_front() && *refused < TAKE_OVER_ONE_IN => *refused += 1,
            _ => {
                *refused = 0;
                *slot = Some(Slot {
                    hash: place.hash,
                    generation: place.generation,
                    tell_at,
                    verified_at: Cell::new(place.changes),
                    entry: Arc::clone(entry),
                    key: key.as_bytes().into(),
                });
            }
        }
    }

    /// To be called after entries have left the local tier in a way that does not tell which.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The heaviest entry that may lie here, if the local tier holds `capacity` bytes.
    pub(crate) fn weight_max(capacity: u64) -> u64 {
        capacity / SHARE_OF_CAPACITY / SLOTS as u64
    }
}

impl Slot {
    /// Whether the entry's tags still have their versions. While no cell has changed since they last did, none need be looked at.
    fn is_verified(&self, changes: u64) -> bool {
        if self.verified_at.get() == changes {
            return true;
        }
        let verified = self.entry.meta.is_verified();
        if verified {
            self.verified_at.set(changes);
        }
        verified
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

#[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
fn index(hash: u64) -> usize {
    hash as usize & (SLOTS - 1)
}
