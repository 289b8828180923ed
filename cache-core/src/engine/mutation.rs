//! Rules of the protocol that a test can switch off, to prove that its checker would notice.

/// A rule left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mutation {
    /// No write intent: tags are made stale only after the commit.
    NoIntent,
    /// Messages of the bus are not heard.
    NoPublish,
    /// A version from the remote tier is taken over even if a message came in between.
    NoSequence,
    /// A load may be joined although an invalidation has overtaken it, and is stored as if it had not.
    JoinableFlights,
    /// A contested write-through stores its value all the same.
    WriteThroughContested,
    /// COMMIT is sent although the intent's lease has run out.
    CommitAfterLease,
}
