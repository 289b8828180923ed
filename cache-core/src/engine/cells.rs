//! The local mirror of tag versions.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::{clock::Moment, engine::changes::Changes, ports::TagState, tag::Tag};

/// What this node knows of one tag. Shared by all local entries that depend on the tag, and dropped with the last of them.
///
/// The version is 0 while it is not verified. It is read without a lock on every local hit, and written under the lock only,
/// so that "nothing touched the cell since my request was sent" and "store what the reply says" are one step.
pub(crate) struct Cell {
    tag: Tag,
    version: AtomicU64,
    slow: Mutex<Slow>,
    home: Weak<Map>,
    changes: Changes,
}

struct Slow {
    /// Counts what touched the cell: messages, pins, lost subscriptions.
    sequence: u64,
    /// Invalidations of this node that are under way. While there are any, the tag counts as pending here.
    pins: u32,
    /// The sequence when the last of them ended.
    unpinned_at: Sequence,
    /// Counts this node's own invalidations of the tag.
    own_writes: u64,
    /// When the tag was last said to have changed.
    touched: Option<Moment>,
    dependents: Dependents,
}

/// Entries of the local tier that recorded the same version of a tag, which is the latest that any of them has.
#[derive(Default)]
struct Dependents {
    version: u64,
    entries: u64,
    /// Whether a message said that the version is gone, and its entries were counted.
    counted: bool,
}

type Map = DashMap<Tag, Weak<Cell>, RandomState>;

/// A point in a cell's life; see [`Cell::verify`].
pub(crate) type Sequence = u64;

/// Cells as they were at some point.
pub(crate) type Snapshot = Box<[(Arc<Cell>, Sequence)]>;

impl Cell {
    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }

    /// The verified version, 0 if there is none. Pairs with the release in `verify`.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// To be taken before a request about the tag is sent.
    pub(crate) fn sequence(&self) -> Sequence {
        self.slow().sequence
    }

    /// Whether this node is itself about to make the tag stale.
    pub(crate) fn is_pinned(&self) -> bool {
        self.slow().pins > 0
    }

    /// Takes over what a reply says, unless something touched the cell since the request was sent.
    /// Returns the state as this node must treat it: pending if the cell is pinned, or was at any time since then. The remote tier
    /// may have answered before an own write reached it that had finished before the request was sent.
    pub(crate) fn verify(&self, sent_at: Sequence, state: TagState, check_sequence: bool) -> TagState {
        let mut slow = self.slow();
        if slow.pins > 0 || slow.unpinned_at > sent_at {
            return TagState::Pending;
        }
        if state == TagState::Version(slow.dependents.version) {
            slow.dependents.counted = false;
        }
        if slow.sequence == sent_at || !check_sequence {
            self.set(&slow, if let TagState::Version(version) = state { version } else { 0 });
        }
        state
    }

    /// A message said that the tag changed, or may have.
    pub(crate) fn touch(&self, now: Moment) {
        let mut slow = self.slow();
        slow.sequence += 1;
        slow.touched = Some(now);
        self.set(&slow, 0);
    }

    /// An entry that recorded `version` is put into the local tier.
    pub(crate) fn entered(&self, version: u64) {
        let mut slow = self.slow();
        let dependents = &mut slow.dependents;
        if dependents.version != version {
            *dependents = Dependents { version, ..Dependents::default() };
        }
        dependents.entries += 1;
        dependents.counted = false;
    }

    /// An entry that recorded `version` has left the local tier.
    pub(crate) fn left(&self, version: u64) {
        let mut slow = self.slow();
        if slow.dependents.version == version {
            slow.dependents.entries = slow.dependents.entries.saturating_sub(1);
        }
    }

    /// How many entries of the local tier a message about the tag has ended, if no message before it, and no write of this node, has.
    pub(crate) fn ended_by_message(&self) -> u64 {
        let mut slow = self.slow();
        if slow.pins > 0 || std::mem::replace(&mut slow.dependents.counted, true) {
            return 0;
        }
        slow.dependents.entries
    }

    /// Sets the verified version. Whoever has held one until now can tell from the count of changes.
    fn set(&self, _locked: &MutexGuard<'_, Slow>, version: u64) {
        let before = self.version.swap(version, Ordering::AcqRel);
        if before != 0 && before != version {
            self.changes.note();
        }
    }

    /// How often this node has itself made the tag stale, since it began to mirror it.
    pub(crate) fn own_writes(&self) -> u64 {
        self.slow().own_writes
    }

    /// When this node last heard that the tag changed.
    pub(crate) fn touched(&self) -> Option<Moment> {
        self.slow().touched
    }

    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            // Another cell may have taken the place already.
            home.remove_if(&self.tag, |_, cell| cell.strong_count() == 0);
        }
    }
}

/// All cells of a node.
pub(crate) struct Cells {
    map: Arc<Map>,
    changes: Changes,
}

impl Cells {
    /// No cells yet; `changes` will hear of each that loses a verified version.
    pub(crate) fn new(changes: Changes) -> Self {
        Self { map: Arc::default(), changes }
    }

    /// The cell of `tag`, made unverified if there is none.
    pub(crate) fn cell(&self, tag: &Tag) -> Arc<Cell> {
        if let Some(cell) = self.existing(tag.as_str()) {
            return cell;
        }
        let fresh = Arc::new(Cell {
            tag: tag.clone(),
            version: AtomicU64::new(0),
            slow: Mutex::new(Slow {
                sequence: 0,
                pins: 0,
                unpinned_at: 0,
                own_writes: 0,
                touched: None,
                dependents: Dependents::default(),
            }),
            home: Arc::downgrade(&self.map),
            changes: self.changes.clone(),
        });
        let mut place = self.map.entry(tag.clone()).or_default();
        // Nothing is dropped while the shard is locked: a cell's drop takes the same lock.
        if let Some(cell) = place.upgrade() {
            drop(place);
            return cell;
        }
        *place = Arc::downgrade(&fresh);
        fresh
    }

    /// The cell of a tag that something here depends on.
    pub(crate) fn existing(&self, tag: &str) -> Option<Arc<Cell>> {
        let weak = self.map.get(tag).map(|place| Weak::clone(&place))?;
        weak.upgrade()
    }

    /// Makes every cell unverified. The caller keeps the lease from being granted meanwhile.
    pub(crate) fn touch_all(&self, now: Moment) {
        // Collected first: dropping the last holder of a cell inside the iteration would lock the shard twice.
        let all: Vec<_> = self.map.iter().map(|place| Weak::clone(place.value())).collect();
        for cell in all.iter().filter_map(Weak::upgrade) {
            cell.touch(now);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
}

/// Keeps tags pending on this node until dropped.
pub(crate) struct Pins(Vec<Arc<Cell>>);

impl Pins {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, cell: Arc<Cell>, now: Moment) {
        {
            let mut slow = cell.slow();
            slow.pins += 1;
            slow.own_writes += 1;
            slow.sequence += 1;
            slow.touched = Some(now);
            cell.set(&slow, 0);
        }
        self.0.push(cell);
    }

    /// For each pinned cell, how many entries of the local tier its end ends; each entry counts for the first who asks.
    pub(crate) fn end_dependents(&self) -> Vec<u64> {
        let end = |cell: &Arc<Cell>| {
            let ended = std::mem::take(&mut cell.slow().dependents);
            if ended.counted { 0 } else { ended.entries }
        };
        self.0.iter().map(end).collect()
    }

    /// The sequences of the pinned cells, to be taken before the request is sent that ends the write.
    pub(crate) fn sequences(&self) -> Vec<Sequence> {
        self.0.iter().map(|cell| cell.sequence()).collect()
    }

    /// Ends the pins. Where the end of the write has left a version behind, the cell takes it over, unless something else touched the
    /// cell since that end was asked for. Returns the cells' sequences from then on.
    pub(crate) fn settle(mut self, sent_at: &[Sequence], left: impl Fn(&Tag) -> Option<u64>) -> Vec<(Tag, Sequence)> {
        let cells = std::mem::take(&mut self.0);
        let settled = cells.iter().zip(sent_at).map(|(cell, sent_at)| {
            let mut slow = cell.slow();
            let untouched = slow.pins == 1 && slow.sequence == *sent_at;
            slow.unpin();
            if let Some(version) = left(&cell.tag).filter(|_| untouched) {
                cell.set(&slow, version);
            }
            (cell.tag.clone(), slow.sequence)
        });
        settled.collect()
    }
}

impl Slow {
    fn unpin(&mut self) {
        self.pins = self.pins.saturating_sub(1);
        self.sequence += 1;
        self.unpinned_at = self.sequence;
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        for cell in &self.0 {
            cell.slow().unpin();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(cell: &Cell, at: Sequence, version: u64) -> TagState {
        cell.verify(at, TagState::Version(version), true)
    }

    #[test]
    fn a_reply_to_a_request_sent_before_a_message_is_not_stored() {
        let cells = Cells::new(Changes::default());
        let cell = cells.cell(&Tag::table("post"));
        let sent = cell.sequence();
        cell.touch(Moment::ZERO);
        state(&cell, sent, 5);
        assert_eq!(cell.version(), 0);
        state(&cell, cell.sequence(), 6);
        assert_eq!(cell.version(), 6);
    }

    #[test]
    fn a_pinned_tag_counts_as_pending_and_stays_unverified() {
        let cells = Cells::new(Changes::default());
        let cell = cells.cell(&Tag::table("post"));
        let before = cell.sequence();
        let mut pins = Pins::new();
        pins.add(Arc::clone(&cell), Moment::ZERO);
        assert_eq!(state(&cell, cell.sequence(), 5), TagState::Pending);
        let while_pinned = cell.sequence();
        drop(pins);
        assert_eq!(state(&cell, while_pinned, 5), TagState::Pending, "the reply may be older than the own write");
        state(&cell, before, 5);
        assert_eq!(cell.version(), 0, "a request sent before the pin says nothing after it");
    }

    #[test]
    fn whoever_verified_a_version_can_tell_that_it_is_gone() {
        let epochs = Changes::default();
        let cells = Cells::new(epochs.clone());
        let cell = cells.cell(&Tag::table("post"));
        state(&cell, cell.sequence(), 5);
        let changes = epochs.epoch();
        state(&cell, cell.sequence(), 5);
        assert_eq!(epochs.epoch(), changes, "still the same version");
        state(&cell, cell.sequence(), 6);
        let replaced = epochs.epoch();
        assert_ne!(replaced, changes, "a reply told of another version");
        cell.touch(Moment::ZERO);
        let touched = epochs.epoch();
        assert_ne!(touched, replaced);
        state(&cell, cell.sequence(), 7);
        assert_eq!(epochs.epoch(), touched, "nobody held a version");
        Pins::new().add(Arc::clone(&cell), Moment::ZERO);
        assert_ne!(epochs.epoch(), touched);
    }

    #[test]
    fn a_version_left_behind_is_taken_over_unless_something_came_between() {
        let cells = Cells::new(Changes::default());
        let cell = cells.cell(&Tag::table("post"));
        let settle = |touched: bool, twice: bool| {
            let (mut pins, mut other) = (Pins::new(), Pins::new());
            pins.add(Arc::clone(&cell), Moment::ZERO);
            if twice {
                other.add(Arc::clone(&cell), Moment::ZERO);
            }
            let sent = pins.sequences();
            if touched {
                cell.touch(Moment::ZERO);
            }
            let settled = pins.settle(&sent, |_| Some(7));
            assert_eq!(settled.first().map(|(_, sequence)| *sequence), Some(cell.sequence()));
            (cell.version(), cell.is_pinned())
        };
        assert_eq!(settle(false, false), (7, false));
        assert_eq!(settle(true, false), (0, false));
        assert_eq!(settle(false, true), (0, true));
    }

    #[test]
    fn each_entry_is_counted_by_the_first_that_ends_it() {
        let cells = Cells::new(Changes::default());
        let cell = cells.cell(&Tag::table("post"));
        for version in [4, 5, 5, 5] {
            cell.entered(version);
        }
        cell.left(5);
        cell.left(4);
        assert_eq!(cell.ended_by_message(), 2, "an older version has ended before");
        assert_eq!(cell.ended_by_message(), 0);
        state(&cell, cell.sequence(), 5);
        let mut pins = Pins::new();
        pins.add(Arc::clone(&cell), Moment::ZERO);
        assert_eq!(cell.ended_by_message(), 0, "that may be the own message");
        assert_eq!((pins.end_dependents(), pins.end_dependents()), (vec![2], vec![0]), "the version was still there");
        drop(pins);
        cell.left(5);
        cell.entered(6);
        assert_eq!(cell.ended_by_message(), 1);
    }

    #[test]
    fn a_cell_goes_with_its_last_holder() {
        let cells = Cells::new(Changes::default());
        let one = cells.cell(&Tag::table("post"));
        let two = cells.cell(&Tag::table("post"));
        assert!(Arc::ptr_eq(&one, &two));
        drop(one);
        assert_eq!(cells.len(), 1);
        drop(two);
        assert_eq!(cells.len(), 0);
        assert_eq!(cells.cell(&Tag::table("post")).version(), 0);
    }
}
