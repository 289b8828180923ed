//! What write-behind asks of a journal: the place where accepted operations wait for the database.
//!
//! A journal has a fixed number of *shards*; all operations of one key go to one shard. Within a shard every operation has a
//! [`Position`], and positions only grow. The flusher of a shard *claims* the oldest records, writes them to the database together
//! with the position it has come to, and *acknowledges* them; what is not acknowledged is claimed again, by whoever flushes then.
//! So a record may be claimed twice, and the position in the database tells which of them are written already.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::{Error, ErrorKind};

/// Where a record is in its shard. Positions grow, and begin above 0.
pub type Position = u64;

/// Names one process's use of a journal; random.
pub type OwnerId = u64;

/// What an operation does to its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The row becomes what these bytes say, whatever it was.
    Absolute(Vec<u8>),
    /// A number is added to a column.
    Add {
        /// The column's name.
        column: String,
        /// What is added; may be negative.
        by: i64,
    },
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The encoded key of the row.
    pub key: Vec<u8>,
    /// What happens to it.
    pub change: Change,
}

/// Operations appended in one step. Appending a group again, as after a reply that was lost, has no further effect.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// Who appends.
    pub owner: OwnerId,
    /// Grows with each group of an owner and shard. Groups of one owner and shard are appended one after the other.
    pub sequence: u64,
    /// The operations, in their order.
    pub entries: &'a [Entry],
    /// The most records the shard may hold.
    pub backlog_max: u64,
}

/// What became of one operation of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the journal.
    Yes,
    /// There was no room; nor for those after it.
    Full,
    /// The sum of what is pending for the column would not fit 64 bits.
    Overflow,
}

/// What an append brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// What became of each operation.
    pub outcomes: Vec<Accepted>,
    /// Records in the shard afterwards.
    pub backlog: u64,
}

/// An operation in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    /// What it is.
    pub entry: Entry,
}

/// The state of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardState {
    /// Records not acknowledged.
    pub records: u64,
    /// The oldest of them.
    pub oldest: Option<Position>,
    /// How long ago that was accepted.
    pub oldest_age: Duration,
    /// The last position given out; 0 if none was.
    pub tail: Position,
    /// Somebody waits for everything up to this position.
    pub demanded: Position,
    /// Dead letters.
    pub dead: u64,
}

/// A record that the database refuses.
#[derive(Clone, Copy, Debug)]
pub struct Burial<'a> {
    /// Which record.
    pub position: Position,
    /// What the database said.
    pub error: &'a str,
    /// The most dead letters that a shard may hold.
    pub dead_max: u64,
}

impl Burial<'_> {
    /// The error of a shard that has as many dead letters as it may.
    pub(crate) fn too_many(&self) -> Error {
        Error::new(
            ErrorKind::Full,
            format!("there are {} dead letters in the shard already: retry or drop some", self.dead_max),
        )
    }
}

/// What waits for a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// The absolute operation that counts, unless it is in the database already.
    pub base: Option<Vec<u8>>,
    /// What is added to columns after it, or after what is in the database.
    pub added: Vec<(String, i64)>,
    /// Everything up to here is acknowledged.
    pub acknowledged: Position,
}

/// A record that the database has refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRecord {
    /// Where it was.
    pub record: Record,
    /// What the database said.
    pub error: String,
    /// When it was given up, in milliseconds since the Unix epoch.
    pub died_unix_ms: u64,
    /// A later operation of the same key has made it void.
    pub superseded: bool,
}

/// What became of an attempt to append a dead letter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revived {
    /// It is in the journal again, as the newest operation of its key.
    Yes,
    /// A later operation of the same key has made it void: it stays a dead letter.
    Superseded,
    /// There is no such dead letter.
    Unknown,
}

/// The place where accepted operations wait. Every method is one atomic step.
pub trait Journal: Send + Sync + 'static {
    /// Names the journal among all that write to the same database. Another journal, or one that has begun anew, has another name.
    fn identity(&self) -> &str;

    /// Whether the journal ends with this process, and its identity with it.
    fn is_volatile(&self) -> bool;

    /// Whether other processes append to it and flush it too.
    fn is_shared(&self) -> bool;

    /// Makes sure that the journal can be used with its settings.
    fn open(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Appends operations.
    fn append<'a>(&'a self, shard: u32, group: Group<'a>) -> BoxFuture<'a, Result<Appended, Error>>;

    /// The state of a shard.
    fn look(&self, shard: u32) -> BoxFuture<'_, Result<ShardState, Error>>;

    /// Says that somebody waits for everything up to `position`.
    fn demand(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<(), Error>>;

    /// The oldest records, at most `count`, if `owner` is the shard's flusher or becomes it, for `lease` from now. `None` if another is.
    fn claim(
        &self,
        shard: u32,
        owner: OwnerId,
        lease: Duration,
        count: usize,
    ) -> BoxFuture<'_, Result<Option<Vec<Record>>, Error>>;

    /// Takes these records out, which are the oldest, as claimed, and are in the database. Each counts once, however often it is
    /// acknowledged.
    fn acknowledge<'a>(&'a self, shard: u32, records: &'a [Record]) -> BoxFuture<'a, Result<(), Error>>;

    /// Makes a record a dead letter.
    ///
    /// Fails with [`ErrorKind::Full`](crate::error::ErrorKind::Full) if there are too many, and with
    /// [`ErrorKind::Refused`](crate::error::ErrorKind::Refused) if `owner` is not the flusher.
    fn bury<'a>(&'a self, shard: u32, owner: OwnerId, burial: Burial<'a>) -> BoxFuture<'a, Result<(), Error>>;

    /// Lets another become the shard's flusher.
    fn release(&self, shard: u32, owner: OwnerId) -> BoxFuture<'_, Result<(), Error>>;

    /// What waits for a key, besides what is in the database by the position `written`.
    fn pending<'a>(&'a self, shard: u32, key: &'a [u8], written: Position) -> BoxFuture<'a, Result<Pending, Error>>;

    /// The oldest dead letters.
    fn dead(&self, shard: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DeadRecord>, Error>>;

    /// Appends a dead letter again.
    fn revive(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<Revived, Error>>;

    /// Forgets a dead letter; returns whether there was one.
    fn forget(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<bool, Error>>;
}
