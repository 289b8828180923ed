//! The tags that an open transaction will make stale when it commits.

use std::sync::{Arc, Mutex, PoisonError};

use super::tag_set::TagSet;
use crate::tag::Tag;

type Shared = Arc<Mutex<TagSet>>;

/// One transaction's tags. Dropped, they are forgotten with the transaction, unless its end is in doubt.
pub(super) struct Ledger {
    own: Shared,
    /// The transaction around this one.
    parent: Option<Shared>,
    /// The transactions further out.
    ancestors: Vec<Shared>,
    /// Whether the tags go to the parent when this is dropped.
    in_doubt: bool,
}

impl Ledger {
    /// Of a transaction of its own.
    pub(super) fn outermost() -> Self {
        Self { own: Shared::default(), parent: None, ancestors: Vec::new(), in_doubt: false }
    }

    /// Of a savepoint inside.
    pub(super) fn nested(&self) -> Self {
        let ancestors = self.ancestors.iter().chain(&self.parent).map(Arc::clone).collect();
        Self { own: Shared::default(), parent: Some(Arc::clone(&self.own)), ancestors, in_doubt: false }
    }

    pub(super) fn is_nested(&self) -> bool {
        self.parent.is_some()
    }

    pub(super) fn add(&self, tags: impl IntoIterator<Item = Tag>) {
        lock(&self.own).extend(tags);
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.own).is_empty()
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
        if let Some(parent) = self.parent.as_ref().filter(|_| self.in_doubt) {
            let tags = lock(&self.own).take();
            lock(parent).merge(tags);
        }
    }
}

fn lock(tags: &Shared) -> std::sync::MutexGuard<'_, TagSet> {
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
        assert!(outer.is_empty());
    }
}
