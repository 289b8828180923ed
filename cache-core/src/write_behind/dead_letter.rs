//! Operations that the database refuses.

use std::{fmt, time::Duration};

use super::{
    core::Core,
    entity::{KeyOf, WriteBehindEntity},
    operation::{self, Operation},
};
use crate::{
    error::Error,
    ports::journal::{DeadRecord, Position, Revived},
};

/// Names a dead letter of one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadLetterId {
    shard: u32,
    position: Position,
}

/// As in `2-1700000000000000`, for log lines.
impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.shard, self.position)
    }
}

/// An operation that the database has refused, with what it said.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter<E: WriteBehindEntity> {
    /// Names it.
    pub id: DeadLetterId,
    /// The row it is about. An error if this program cannot read the key any more.
    pub key: Result<KeyOf<E>, Error>,
    /// What was to be done. An error if this program cannot read it any more, which may be why it is here.
    pub operation: Result<Operation<E>, Error>,
    /// What the database said.
    pub error: String,
    /// When it was given up, since the Unix epoch.
    pub died: Duration,
    /// A later operation on the same row was accepted: retrying would put back what that one replaced, and is not done.
    pub superseded: bool,
}

/// What came of [`WriteBehind::retry`](crate::WriteBehind::retry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryOutcome {
    /// It is accepted again, as the newest operation on its row.
    Accepted,
    /// A later operation on the same row was accepted: it stays a dead letter.
    Superseded,
    /// There is no such dead letter.
    Unknown,
}

pub(super) async fn list<E: WriteBehindEntity>(core: &Core<E>, limit: usize) -> Result<Vec<DeadLetter<E>>, Error> {
    let mut letters = Vec::new();
    for shard in core.shards() {
        let dead = core.journal.dead(shard, limit).await?;
        letters.extend(dead.into_iter().map(|dead| letter(shard, dead)));
    }
    letters.sort_by_key(|letter| (letter.died, letter.id));
    letters.truncate(limit);
    Ok(letters)
}

pub(super) async fn retry<E: WriteBehindEntity>(core: &Core<E>, id: DeadLetterId) -> Result<RetryOutcome, Error> {
    let lane = core.lane(id.shard)?;
    let outcome = match core.journal.revive(id.shard, id.position).await? {
        Revived::Yes => RetryOutcome::Accepted,
        Revived::Superseded => RetryOutcome::Superseded,
        Revived::Unknown => RetryOutcome::Unknown,
    };
    lane.wake.notify_one();
    Ok(outcome)
}

pub(super) async fn forget<E: WriteBehindEntity>(core: &Core<E>, id: DeadLetterId) -> Result<bool, Error> {
    core.lane(id.shard)?;
    core.journal.forget(id.shard, id.position).await
}

fn letter<E: WriteBehindEntity>(shard: u32, dead: DeadRecord) -> DeadLetter<E> {
    DeadLetter {
        id: DeadLetterId { shard, position: dead.record.position },
        key: operation::decode_key::<E>(&dead.record.entry.key),
        operation: operation::decode::<E>(&dead.record.entry.change),
        error: dead.error,
        died: Duration::from_millis(dead.died_unix_ms),
        superseded: dead.superseded,
    }
}
