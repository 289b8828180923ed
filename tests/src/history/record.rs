//! What happened, on one clock.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Microseconds since the recorder was made.
pub type Micros = u64;

/// What a row held: its version counts its commits, its token names the write that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen {
    /// Which row.
    pub row: i32,
    /// How often it had been committed.
    pub version: i64,
    /// Which write made this version.
    pub token: i64,
}

/// A commit that is known to have happened.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    /// Who wrote.
    pub node: usize,
    /// In which way.
    pub how: &'static str,
    /// What was written.
    pub wrote: Seen,
    /// When the writer had its answer (or was found dead).
    pub end: Micros,
    /// Whether its invalidation has reached the remote tier by `end`.
    pub landed: bool,
}

/// A read of one row.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Who read.
    pub node: usize,
    /// In which way.
    pub how: &'static str,
    /// What was seen.
    pub saw: Seen,
    /// When the read began.
    pub start: Micros,
    /// Whether the read was strict.
    pub strict: bool,
}

/// A read after everything had come to rest.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// Who read.
    pub node: usize,
    /// What was seen.
    pub saw: Seen,
    /// The version in the database.
    pub truth: i64,
}

/// One round of reads and commits. At its start, no commit is in the air.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The rows at the start.
    pub initial: Vec<Seen>,
    /// Every commit that is known to have happened, in no order.
    pub commits: Vec<Commit>,
    /// Every read, in no order.
    pub readings: Vec<Reading>,
    /// The reads at the end.
    pub settled: Vec<Settled>,
    /// What was done to the nodes and servers: when it began, and in words.
    pub faults: Vec<(Micros, String)>,
    /// How many reads and writes were made, whatever their outcome.
    pub ops: u64,
    /// Reads that failed, although the database was well.
    pub read_errors: u64,
}

/// Writes a history.
#[derive(Debug)]
pub struct Recorder {
    origin: Instant,
    history: Mutex<History>,
}

impl Recorder {
    /// Begins a history of these rows.
    #[must_use]
    pub fn new(initial: Vec<Seen>) -> Self {
        Self { origin: Instant::now(), history: Mutex::new(History { initial, ..History::default() }) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Micros {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Writes down what `note` says.
    pub fn note(&self, note: impl FnOnce(&mut History)) {
        note(&mut self.history());
    }

    /// Writes down commits that have just ended.
    pub fn committed(&self, node: usize, how: &'static str, wrote: &[Seen], landed: bool) {
        let mut history = self.history();
        // Taken under the lock or before it, a later time is a weaker claim, never a wrong one.
        let end = self.now();
        history.commits.extend(wrote.iter().map(|wrote| Commit { node, how, wrote: *wrote, end, landed }));
    }

    /// Takes the history out.
    #[must_use]
    pub fn take(&self) -> History {
        std::mem::take(&mut self.history())
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
