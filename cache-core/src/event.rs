//! What the cache tells about itself while it works.

use std::{fmt, sync::Arc};

use crate::{error::Error, tag::Tag};

/// Which tier an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Process memory.
    Local,
    /// The store shared by all nodes.
    Remote,
}

/// Why a loaded value was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FillRefusal {
    /// A tag was pending when the versions were captured: a write was in flight.
    Pending,
    /// A tag was made stale while the value was loaded.
    Invalidated,
    /// The versions could not be captured: the remote tier did not answer.
    RemoteDown,
    /// The function's `when` condition said no.
    Condition,
    /// The value is larger than `payload_bytes_max`.
    TooLarge,
    /// The value could not be encoded.
    Encode,
    /// The body read through something the cache cannot see the dependencies of, or more tags than it may have.
    Tags,
}

/// Why a writer did not store the value it had written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PutRefusal {
    /// Another write to the same tags overlapped this one.
    Contested,
    /// The intent's lease ran out before its end, or may have.
    Expired,
    /// A tag was pending before the write: another write was in flight.
    Pending,
    /// A tag was made stale while the write ran.
    Invalidated,
    /// The remote tier did not answer.
    RemoteDown,
    /// Tags stay pending after each commit (`settle`), for replicas to catch up.
    Settling,
    /// The value depends on tags that the write does not make stale, and whose versions nobody captured before it.
    Uncovered,
    /// The value is larger than `payload_bytes_max`.
    TooLarge,
    /// The value could not be encoded.
    Encode,
}

/// Why an entry past its TTL answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StaleReason {
    /// It is being refreshed (`stale_while_revalidate`).
    Revalidating,
    /// The loader failed (`stale_if_error`).
    LoaderFailed,
    /// The loader passed its `soft_timeout`.
    LoaderSlow,
    /// The remote tier is down, and the value is younger than `degraded_ttl`.
    RemoteDown,
}

/// Something that happened. Borrowed data: copy what you keep.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A tier answered.
    Hit {
        /// The annotated function, or `""` for direct use of the cache.
        function: &'static str,
        /// Which tier.
        tier: Tier,
    },
    /// No tier could answer.
    Miss {
        /// The annotated function, or `""`.
        function: &'static str,
    },
    /// The loader ran.
    Load {
        /// The annotated function, or `""`.
        function: &'static str,
        /// How long it took, in microseconds.
        micros: u64,
        /// Whether it returned a value.
        ok: bool,
    },
    /// A caller shared a load that was already in the air.
    Joined {
        /// The annotated function, or `""`.
        function: &'static str,
    },
    /// An entry past its TTL answered, because the policy allows it.
    StaleServed {
        /// The annotated function, or `""`.
        function: &'static str,
        /// Why.
        why: StaleReason,
    },
    /// An entry that is still valid is loaded anew.
    Refresh {
        /// The annotated function, or `""`.
        function: &'static str,
    },
    /// A caller waited for another process's load of the same key.
    LockWaited {
        /// The annotated function, or `""`.
        function: &'static str,
        /// Whether the other process delivered.
        delivered: bool,
    },
    /// As many loads ran as `loads_in_flight_max` allows: one more waited.
    PlaceWaited {
        /// The annotated function, or `""`.
        function: &'static str,
    },
    /// The circuit breaker before the remote tier opened (`true`) or closed.
    Breaker {
        /// Whether it is open now.
        open: bool,
    },
    /// The function ran without the cache: in a transaction, or because the arguments could not be encoded.
    Bypass {
        /// The annotated function, or `""`.
        function: &'static str,
        /// Why.
        why: &'static str,
    },
    /// A loaded value was returned and not stored.
    FillRefused {
        /// The annotated function, or `""`.
        function: &'static str,
        /// The entry's key.
        key: &'a str,
        /// Why.
        why: FillRefusal,
    },
    /// A writer stored the value it had written.
    WriteThrough {
        /// The function or row whose entry it is, or `""`.
        function: &'static str,
        /// The entry's key.
        key: &'a str,
    },
    /// A writer did not store the value it had written; what depends on it is stale all the same.
    WriteThroughRefused {
        /// The function or row whose entry it is, or `""`.
        function: &'static str,
        /// The entry's key.
        key: &'a str,
        /// Why.
        why: PutRefusal,
    },
    /// Tags were made stale by this node.
    Invalidated {
        /// Which.
        tags: &'a [Tag],
        /// For each of them, in the same order, how many entries in this process could answer until then. An entry that depends on several of the tags
        /// counts for each.
        entries: &'a [u64],
    },
    /// Another node made a tag stale on which entries in this process depended. Told with the first message about its write; tags on
    /// which nothing here depends are not told.
    InvalidatedElsewhere {
        /// Which.
        tag: &'a Tag,
        /// How many entries in this process could answer until then.
        entries: u64,
    },
    /// An invalidation did not reach the remote tier; it is retried.
    Deferred {
        /// Which tags.
        tags: &'a [Tag],
        /// Why.
        error: &'a Error,
    },
    /// A deferred invalidation has landed.
    Landed {
        /// Which tags.
        tags: &'a [Tag],
    },
    /// Bytes in the remote tier could not be read; they were removed.
    Poisoned {
        /// The entry's key.
        key: &'a str,
        /// Why.
        error: &'a Error,
    },
    /// The remote tier failed.
    RemoteError {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        error: &'a Error,
    },
    /// Write-behind could not flush; it is tried again.
    FlushFailed {
        /// The journal.
        journal: &'a str,
        /// Why.
        error: &'a Error,
    },
    /// The database refused an operation of write-behind, which is now a dead letter.
    DeadLetter {
        /// The journal.
        journal: &'a str,
        /// What the database said.
        error: &'a str,
    },
    /// The bus subscription was lost: local entries are re-checked on use.
    BusLost,
    /// The bus subscription stands.
    BusJoined,
    /// Something in the set-up or the use deserves a person's attention; said once each.
    Warning {
        /// One sentence.
        text: &'a str,
    },
}

/// Hears every event. Called on the path that causes it: it must not block.
#[derive(Clone)]
pub struct EventListener(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl EventListener {
    /// Wraps a function.
    pub fn new(listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}

impl fmt::Debug for EventListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventListener")
    }
}
