//! The values that an open transaction may store when it commits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{engine::Written, tag::Tag};

/// More rows than this of one transaction are not stored.
const PUTS_MAX: usize = 256;

/// What the statements of one transaction, its savepoints included, have written. Whatever may have changed it since, or may have undone
/// it, takes it away: a value too few costs a load.
#[derive(Default)]
pub(super) struct Puts(Mutex<State>);

#[derive(Default)]
struct State {
    list: Vec<Written>,
    /// Nobody knows any more what the transaction will commit, if anything: PostgreSQL answers the COMMIT of a transaction that has failed
    /// as if all were well.
    spoiled: bool,
}

/// A statement under way: if it fails, or its caller is cancelled, nothing of the transaction is stored.
pub(super) struct Running<'p>(Option<&'p Puts>);

impl Puts {
    /// To be called before a statement is sent.
    pub(super) fn running(&self) -> Running<'_> {
        Running(Some(self))
    }

    /// A row was written.
    pub(super) fn add(&self, written: Vec<Written>) {
        let mut state = self.state();
        if !state.spoiled && state.list.len() + written.len() <= PUTS_MAX {
            state.list.extend(written);
        }
    }

    /// Something is about to change what depends on these tags.
    pub(super) fn touch(&self, tags: &[Tag]) {
        self.state().list.retain(|written| !written.tags().iter().any(|tag| tags.contains(tag)));
    }

    /// Some of what was written may be undone.
    pub(super) fn clear(&self) {
        self.state().list.clear();
    }

    /// Nothing of this transaction will be stored.
    pub(super) fn spoil(&self) {
        let mut state = self.state();
        state.spoiled = true;
        state.list.clear();
    }

    /// What is left when the transaction commits.
    pub(super) fn take(&self) -> Vec<Written> {
        std::mem::take(&mut self.state().list)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running<'_> {
    /// The database has answered without an error.
    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(puts) = self.0 {
            puts.spoil();
        }
    }
}
