//! What the engine asks of a remote tier and of a bus.

mod around;
pub mod journal;
pub mod toolkit;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{error::Error, tag::Tag};

pub use self::around::{Around, Request};

/// The state of a tag in the remote tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagState {
    /// Nothing depends on the tag.
    Absent,
    /// Entries that recorded this version are valid. Never 0.
    Version(u64),
    /// A writer is between "about to commit" and "done": readers ask the database and do not fill.
    Pending,
}

/// Names one write intent; random.
pub type IntentId = u64;

/// Names one holder of a load lock; random.
pub type LockToken = u64;

/// What [`RemoteTier::fetch`] brings back, in the order asked for.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// The bytes of each key.
    pub entries: Vec<Option<Vec<u8>>>,
    /// The state of each tag, read after the entries.
    pub states: Vec<TagState>,
}

/// A load lock to be taken together with a capture.
#[derive(Clone, Copy, Debug)]
pub struct LockRequest<'a> {
    /// The entry's key (the tier derives the lock's own key from it).
    pub key: &'a str,
    /// Names this holder.
    pub token: LockToken,
    /// The lock expires by itself after this.
    pub ttl: Duration,
}

/// What [`RemoteTier::capture`] brings back.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// The state of each tag: [`TagState::Version`] or [`TagState::Pending`], never absent.
    pub states: Vec<TagState>,
    /// For each lock asked for: whether it was won.
    pub locks: Vec<bool>,
}

/// One entry to be stored.
#[derive(Clone, Copy, Debug)]
pub struct StoreRequest<'a> {
    /// The entry's key.
    pub key: &'a str,
    /// The envelope's bytes.
    pub bytes: &'a [u8],
    /// How long the tier keeps the bytes.
    pub ttl: Duration,
    /// The load lock to give back in the same round trip, if one is held.
    pub unlock: Option<LockToken>,
}

/// What a writer wants of a tag whose last intent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndWith {
    /// The tag becomes absent.
    Absent,
    /// If no other intent overlapped this one, the tag gets this version and lives for `ttl`; else it becomes absent.
    Version {
        /// The fresh version; random, never 0.
        version: u64,
        /// The least time the version is kept.
        ttl: Duration,
    },
}

/// How one tag's intent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The intent was held to the end. `stored` says whether the version asked for was set.
    Held {
        /// Whether [`EndWith::Version`] took effect.
        stored: bool,
    },
    /// The intent had expired before. The tag was made stale again, and published again.
    Expired,
}

/// One page of a key scan.
#[derive(Clone, Debug, Default)]
pub struct ScanPage {
    /// Keys as the engine knows them (without namespace).
    pub keys: Vec<String>,
    /// Where to go on; `None` at the end.
    pub next: Option<ScanCursor>,
}

/// Where a scan goes on: an opaque cursor, per shard of the tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanCursor {
    /// Which shard.
    pub shard: u32,
    /// The shard's own cursor.
    pub cursor: u64,
}

/// Process memory: typed values by key, evicted by the tier's own choice. `E` is whatever the engine stores.
pub trait LocalTier<E: ?Sized>: Send + Sync + 'static {
    /// The entry at `key`. The hot path of the whole library.
    fn get(&self, key: &str) -> Option<Arc<E>>;
    /// Stores an entry of `weight` (bytes, or 1 where the capacity counts entries), dropped after `ttl` at the latest.
    fn put(&self, key: &str, entry: Arc<E>, weight: u32, ttl: Duration);
    /// Drops one entry.
    fn remove(&self, key: &str);
    /// Drops every entry whose key matches.
    fn remove_matching(&self, matches: Box<dyn Fn(&str) -> bool + Send + Sync>);
    /// Drops everything.
    fn clear(&self);
    /// The number of entries and their weight, as of the tier's last housekeeping.
    fn size(&self) -> (u64, u64);
    /// The capacity in bytes; `None` if it counts entries.
    fn capacity_bytes(&self) -> Option<u64>;
    /// Whether the capacity is in bytes, so that entries must be weighed.
    fn counts_bytes(&self) -> bool {
        self.capacity_bytes().is_some()
    }
}

/// A shared store of entries, tag states and load locks.
///
/// Every method is one round trip (pipelined), has a deadline of its own, and fails with an [`Error`] whose
/// [`is_remote`](Error::is_remote) holds. Keys and tags come without the namespace; the tier adds it.
/// A tag's state and the message about it cannot come apart: whoever makes a tag pending or stale publishes it in the same step.
pub trait RemoteTier: Send + Sync + 'static {
    /// Reads entries, and after them the states of tags.
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>>;

    /// Reads the versions of tags, giving absent ones a fresh version; makes them live at least `ttl`; tries for `locks`.
    /// Locks are tried for after the versions are read. Repeating a try for a token that still holds makes its lock last longer.
    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>>;

    /// Stores entries, and gives back the locks named with them.
    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>>;

    /// Gives back a load lock if `token` still holds it.
    fn unlock<'a>(&'a self, key: &'a str, token: LockToken) -> BoxFuture<'a, Result<(), Error>>;

    /// Makes each tag pending for `id` until `lease` from now, and publishes each tag. Repeating it for an id that still
    /// holds extends the lease. Returns for each tag whether `id` held it before this call (always false for a new id).
    fn begin_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>>;

    /// Ends `id` on each tag. The last intent out makes the tag absent (or gives it a version); one that expired
    /// meanwhile makes the tag stale all the same, unless another intent keeps it pending, and publishes it again.
    fn end_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        end: EndWith,
    ) -> BoxFuture<'a, Result<Vec<Ended>, Error>>;

    /// Removes entries, and publishes each key; returns how many there were.
    fn remove<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64, Error>>;

    /// One page of the keys of entries that match a glob pattern (`*`, `?`, `[..]`), of about `count` keys examined.
    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<ScanCursor>,
        count: usize,
    ) -> BoxFuture<'a, Result<ScanPage, Error>>;

    /// The remaining time of an entry's bytes, `None` if there are none.
    fn ttl<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Duration>, Error>>;

    /// Warnings about the tier's own configuration (eviction policy, persistence), one sentence each.
    fn advise(&self) -> BoxFuture<'_, Result<Vec<String>, Error>>;

    /// Whether other processes share the tier. A tier that is not shared keeps no entries: `store` is never called.
    fn is_shared(&self) -> bool;

    /// A journal for write-behind that is kept where the tier is. `None` of a tier that does not outlive the process.
    fn journal(&self, name: &str, shards: u32) -> Option<Arc<dyn journal::Journal>> {
        let _ = (name, shards);
        None
    }
}

/// Hears what the bus delivers. Calls are made in the order of delivery, and must not block.
pub trait BusListener: Send + Sync {
    /// The subscription stands: whatever is published from now on will be delivered, or [`lost`](BusListener::lost) is called.
    fn subscribed(&self);
    /// A tag was made pending or stale.
    fn invalidated(&self, tag: &str);
    /// An entry was removed by its key.
    fn removed(&self, key: &str);
    /// This node's own ping came back.
    fn pinged(&self, nonce: u64);
    /// The subscription is gone: messages may have been missed.
    fn lost(&self);
}

/// Carries invalidations between nodes: at most once, in order per subscription.
pub trait Bus: Send + Sync + 'static {
    /// Subscribes and delivers to `listener` until the subscription breaks, then calls [`lost`](BusListener::lost) and returns.
    /// The engine calls it again, with backoff. Dropping the future ends the subscription.
    fn run(&self, listener: Arc<dyn BusListener>) -> BoxFuture<'_, Result<(), Error>>;

    /// Publishes a ping that only this node's own subscription receives.
    fn ping(&self, nonce: u64) -> BoxFuture<'_, Result<(), Error>>;

    /// Whether delivery happens within the publishing call itself (one process): then the lease never ends.
    fn is_synchronous(&self) -> bool;
}
