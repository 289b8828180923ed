//! The tags that an open transaction will make stale when it commits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{puts::Puts, tag_set::TagSet};
use crate::tag::Tag;

type Shared = Arc<Mutex<TagSet>>;

/// Which savepoints of one transaction are open, in the order in which they were begun.
///
/// To the driver a savepoint is a depth: whoever ends, the innermost one is released or rolled back. Only where it is the
/// ender's own, or an older one, does its rollback undo all that the ender wrote.
#[derive(Default)]
struct Order {
    last: u64,
    open: Vec<u64>,
    /// One ended that was not the innermost: from then on every tag goes to the outermost transaction.
    disordered: bool,
    /// The outermost object ended before a savepoint, whose own end is then the transaction's.
    outlived: bool,
}

/// One transaction's tags. Dropped, they are forgotten with the transaction, unless its end is in doubt.
pub(super) struct Ledger {
    own: Shared,
    /// The transaction around this one.
    parent: Option<Shared>,
    /// The transactions further out.
    ancestors: Vec<Shared>,
    /// Whether the tags go to the parent when this is dropped.
    in_doubt: bool,
    /// `None` of the outermost transaction.
    savepoint: Option<u64>,
    order: Arc<Mutex<Order>>,
    /// Shared by the whole transaction.
    puts: Arc<Puts>,
    /// Whether the savepoint was released.
    released: bool,
}

impl Ledger {
    /// Of a transaction of its own.
    pub(super) fn outermost() -> Self {
        Self {
            own: Shared::default(),
            parent: None,
            ancestors: Vec::new(),
            in_doubt: false,
            savepoint: None,
            order: Arc::default(),
            puts: Arc::default(),
            released: false,
        }
    }

    /// Of a savepoint inside, which is about to be begun.
    pub(super) fn nested(&self) -> Self {
        let mut order = self.order();
        order.last += 1;
        let id = order.last;
        order.open.push(id);
        drop(order);
        let ancestors = self.ancestors.iter().chain(&self.parent).map(Arc::clone).collect();
        Self {
            own: Shared::default(),
            parent: Some(Arc::clone(&self.own)),
            ancestors,
            in_doubt: false,
            savepoint: Some(id),
            order: Arc::clone(&self.order),
            puts: Arc::clone(&self.puts),
            released: false,
        }
    }

    pub(super) fn is_nested(&self) -> bool {
        self.parent.is_some()
    }

    pub(super) fn add(&self, tags: impl IntoIterator<Item = Tag>) {
        let tags: Vec<Tag> = tags.into_iter().collect();
        self.puts.touch(&tags);
        lock(&self.own).extend(tags);
    }

    /// The values that the transaction may store when it commits.
    pub(super) fn puts(&self) -> &Puts {
        &self.puts
    }

    /// The savepoint is released: what was written inside is the parent's now.
    pub(super) fn release(&mut self) {
        self.released = true;
    }

    pub(super) fn to_vec(&self) -> Vec<Tag> {
        lock(&self.own).to_vec()
    }

    /// The tags, with those of every transaction around this one.
    pub(super) fn to_vec_with_parents(&self) -> Vec<Tag> {
        let mut all = TagSet::default();
        for shared in self.ancestors.iter().chain(&self.parent).chain([&self.own]) {
            let tags = lock(shared).to_vec();
            all.extend(tags);
        }
        all.to_vec()
    }

    /// The transaction or savepoint is about to end.
    pub(super) fn end(&self) {
        let mut order = self.order();
        match self.savepoint {
            Some(id) => {
                order.disordered |= order.open.last().is_some_and(|last| *last != id) && order.open.contains(&id);
                order.open.retain(|open| *open != id);
            }
            None if !order.open.is_empty() => {
                order.disordered = true;
                order.outlived = true;
            }
            None => {}
        }
    }

    /// Whether the outermost transaction's object has ended before its savepoints.
    pub(super) fn is_outlived(&self) -> bool {
        self.order().outlived
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the tags are kept even if this is dropped: whether the savepoint is undone is not known.
    pub(super) fn doubt(&mut self) {
        self.in_doubt = true;
    }

    /// The savepoint is undone: nothing was written.
    pub(super) fn forget(mut self) {
        self.in_doubt = false;
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.end();
        if self.savepoint.is_some() && !self.released {
            self.puts.clear();
        }
        let disordered = self.order().disordered;
        let heir = if disordered { self.ancestors.first().or(self.parent.as_ref()) } else { self.parent.as_ref() };
        if let Some(heir) = heir.filter(|_| self.in_doubt || disordered) {
            let tags = lock(&self.own).take();
            lock(heir).merge(tags);
        }
    }
}

fn lock(tags: &Shared) -> MutexGuard<'_, TagSet> {
    tags.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u32) -> Tag {
        Tag::row("post", &[id.to_string()])
    }

    #[test]
    fn a_savepoint_in_doubt_leaves_its_tags_to_its_parent() {
        let outer = Ledger::outermost();
        let mut inner = outer.nested();
        inner.add([row(1)]);
        inner.doubt();
        drop(inner);
        assert_eq!(outer.to_vec(), [row(1)]);
    }

    #[test]
    fn a_savepoint_undone_leaves_nothing() {
        let outer = Ledger::outermost();
        let mut inner = outer.nested();
        inner.add([row(1)]);
        inner.doubt();
        inner.forget();
        let dropped = outer.nested();
        dropped.add([row(2)]);
        drop(dropped);
        assert_eq!(outer.to_vec(), []);
    }

    #[test]
    fn a_savepoint_that_ends_before_a_younger_one_leaves_its_tags() {
        let outer = Ledger::outermost();
        let (older, younger) = (outer.nested(), outer.nested());
        older.add([row(1)]);
        older.forget();
        assert_eq!(outer.to_vec(), [row(1)], "the younger one is rolled back in its place");
        let mut inmost = younger.nested();
        drop(younger);
        inmost.add([row(2)]);
        inmost.doubt();
        drop(inmost);
        assert_eq!(outer.to_vec(), [row(1), row(2)], "its parent's set is read by nobody any more");
    }

    #[test]
    fn a_savepoint_knows_that_it_outlives_the_transaction() {
        let outer = Ledger::outermost();
        outer.add([row(1)]);
        let inner = outer.nested();
        assert!(!inner.is_outlived());
        drop(outer);
        assert!(inner.is_outlived());
        assert_eq!(inner.to_vec_with_parents(), [row(1)]);
    }
}
