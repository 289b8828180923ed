//! The journal of write-behind in Redis: a stream with a consumer group for each shard.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use redis::{Cmd, FromRedisValue, Script, Value, cmd};

use crate::{
    error::{Error, ErrorKind},
    ports::journal::{
        Accepted, Appended, Burial, Change, DeadRecord, Entry, Group, Journal, OwnerId, Pending, Position, Record,
        Revived, ShardState,
    },
    redis::{link::Link, names::Names, scripts, tier::read},
};

/// Scripts have their common parts in front of them.
macro_rules! text {
    ($($name:literal),*) => {
        concat!($(include_str!(concat!("scripts/journal_", $name, ".lua"))),*)
    };
}

const APPEND_TEXT: &str = text!("packing", "common", "append");
const LETTERS_TEXT: &str = text!("packing", "common", "letters");
const LOOK_TEXT: &str = text!("look");
const DEMAND_TEXT: &str = text!("demand");
const CLAIM_TEXT: &str = text!("claim");
const SETTLE_TEXT: &str = text!("packing", "settle");
const PENDING_TEXT: &str = text!("packing", "pending");
const RELEASE_TEXT: &str = text!("release");

/// The sources, for a server that has forgotten them.
pub(super) const SOURCES: [&str; 8] =
    [APPEND_TEXT, LETTERS_TEXT, LOOK_TEXT, DEMAND_TEXT, CLAIM_TEXT, SETTLE_TEXT, PENDING_TEXT, RELEASE_TEXT];

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(APPEND_TEXT));
static LETTERS: LazyLock<Script> = LazyLock::new(|| Script::new(LETTERS_TEXT));
static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(LOOK_TEXT));
static DEMAND: LazyLock<Script> = LazyLock::new(|| Script::new(DEMAND_TEXT));
static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(CLAIM_TEXT));
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(SETTLE_TEXT));
static PENDING: LazyLock<Script> = LazyLock::new(|| Script::new(PENDING_TEXT));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(RELEASE_TEXT));

/// A journal in Redis. All keys of a shard share a hash slot:
///
/// | key | what it holds |
/// |---|---|
/// | log | the stream of operations; an acknowledged one is deleted |
/// | pending | for each key: the position of its last absolute operation, its last position, the columns added to |
/// | sums | for each key and column: what is added after the last absolute operation |
/// | state | the last position given out, the last acknowledged, the one waited for; the last group of each owner |
/// | dead, newer | for each key with dead letters: how many, and the positions of later operations |
/// | letters | the dead letters by position |
/// | lease | the flusher |
pub(super) struct RedisJournal {
    link: Arc<Link>,
    identity: String,
    shards_key: String,
    lanes: Vec<Keys>,
}

/// A stream's entry: its id and its fields.
type Delivered = (String, Vec<Vec<u8>>);

struct Keys {
    /// Whether the flusher of this process was given all that had been delivered before.
    has_all: AtomicBool,
    log: String,
    pending: String,
    sums: String,
    state: String,
    dead: String,
    newer: String,
    letters: String,
    lease: String,
}

impl RedisJournal {
    pub(super) fn new(link: &Arc<Link>, names: &Names, name: &str, shards: u32) -> Self {
        let lane = |shard| {
            let key = |what| names.journal(name, shard, what);
            Keys {
                has_all: AtomicBool::new(false),
                log: key("log"),
                pending: key("pending"),
                sums: key("sums"),
                state: key("state"),
                dead: key("dead"),
                newer: key("newer"),
                letters: key("letters"),
                lease: key("lease"),
            }
        };
        Self {
            link: Arc::clone(link),
            identity: format!("redis:{}", names.journal_name(name)),
            shards_key: names.journal_shards(name),
            lanes: (0..shards).map(lane).collect(),
        }
    }

    fn lane(&self, shard: u32) -> Result<&Keys, Error> {
        let lane = usize::try_from(shard).ok().and_then(|at| self.lanes.get(at));
        lane.ok_or_else(|| Error::new(ErrorKind::Setting, format!("the journal has no shard {shard}")))
    }

    async fn ask<T: FromRedisValue>(&self, action: &'static str, command: Cmd) -> Result<T, Error> {
        let reply = self.link.ask(action, [vec![command]]).await?.pop().unwrap_or(Value::Nil);
        read(action, reply)
    }

    /// The number of shards is the journal's: with another, a key's operations would be in two of them.
    async fn open(&self) -> Result<(), Error> {
        let shards = self.lanes.len();
        let mut set = cmd("SET");
        set.arg(&self.shards_key).arg(shards).arg("NX");
        let get = cmd("GET").arg(&self.shards_key).take();
        let mut replies = self.link.ask("open a journal", [vec![set], vec![get]]).await?;
        let made_with: usize = read("open a journal", replies.pop().unwrap_or(Value::Nil))?;
        if made_with != shards {
            return Err(Error::new(
                ErrorKind::Setting,
                format!(
                    "shards: is {shards}, and the journal was made with {made_with}; drain it and use another name"
                ),
            ));
        }
        Ok(())
    }

    async fn append(&self, shard: u32, group: Group<'_>) -> Result<Appended, Error> {
        let mut call = self.lane(shard)?.to_append(&APPEND);
        call.arg(group.owner).arg(group.sequence).arg(group.backlog_max);
        for Entry { key, change } in group.entries {
            call.arg(key);
            match change {
                Change::Absolute(bytes) => call.arg("A").arg(bytes),
                Change::Add { column, by } => call.arg("I").arg(column).arg(by),
            };
        }
        let (told, backlog): (String, u64) = self.ask("append to a journal", call).await?;
        let outcome = |letter| match letter {
            'Y' => Accepted::Yes,
            'O' => Accepted::Overflow,
            _ => Accepted::Full,
        };
        Ok(Appended { outcomes: told.chars().map(outcome).collect(), backlog })
    }

    async fn look(&self, shard: u32) -> Result<ShardState, Error> {
        let keys = self.lane(shard)?;
        let call = script(&LOOK, &[&keys.log, &keys.state, &keys.letters]);
        let (records, oldest, age, tail, demanded, dead): (u64, Position, u64, Position, Position, u64) =
            self.ask("look at a journal", call).await?;
        Ok(ShardState {
            records,
            oldest: (oldest != 0).then_some(oldest),
            oldest_age: Duration::from_micros(age),
            tail,
            demanded,
            dead,
        })
    }

    async fn demand(&self, shard: u32, position: Position) -> Result<(), Error> {
        let mut call = script(&DEMAND, &[&self.lane(shard)?.state]);
        call.arg(position);
        self.ask::<i64>("ask for a flush", call).await.map(drop)
    }

    async fn claim(
        &self,
        shard: u32,
        owner: OwnerId,
        lease: Duration,
        count: usize,
    ) -> Result<Option<Vec<Record>>, Error> {
        const ACTION: &str = "claim from a journal";
        let keys = self.lane(shard)?;
        let mut call = script(&CLAIM, &[&keys.log, &keys.lease]);
        call.arg(owner).arg(scripts::millis(lease)).arg(count);
        let read_new = |count: usize| {
            let mut read = cmd("XREADGROUP");
            read.arg("GROUP").arg("flushers").arg(owner).arg("COUNT").arg(count).arg("STREAMS").arg(&keys.log).arg(">");
            read
        };
        // In one trip, if it is likely that nothing was left behind. What is read beyond `count` is claimed the next time, by whoever flushes then.
        let at_once = if keys.has_all.swap(false, Ordering::AcqRel) { vec![read_new(count)] } else { Vec::new() };
        let mut replies = self.link.ask(ACTION, [vec![call], at_once]).await?.into_iter();
        let claimed: Option<(Vec<Delivered>, i64)> = read(ACTION, replies.next().unwrap_or(Value::Nil))?;
        let Some((mut found, is_all)) = claimed else { return Ok(None) };
        let room = count.saturating_sub(found.len());
        if is_all == 1 && room > 0 {
            let new = match replies.next() {
                Some(new) => new,
                None => self.ask(ACTION, read_new(room)).await?,
            };
            let streams: Option<Vec<(String, Vec<Delivered>)>> = read(ACTION, new)?;
            let mut new: Vec<Delivered> = streams.unwrap_or_default().into_iter().flat_map(|(_, new)| new).collect();
            keys.has_all.store(new.len() <= room, Ordering::Release);
            new.truncate(room);
            found.append(&mut new);
        }
        found.into_iter().map(record).collect::<Result<_, _>>().map(Some)
    }

    async fn acknowledge(&self, shard: u32, records: &[Record]) -> Result<(), Error> {
        let Some(last) = records.last() else { return Ok(()) };
        let mut call = self.lane(shard)?.to_settle();
        call.arg("done").arg(last.position);
        for Record { position, entry } in records {
            call.arg(position).arg(&entry.key);
            match &entry.change {
                Change::Absolute(_) => call.arg("").arg(""),
                Change::Add { column, by } => call.arg(column).arg(by),
            };
        }
        self.ask::<String>("acknowledge to a journal", call).await.map(drop)
    }

    async fn bury(&self, shard: u32, owner: OwnerId, burial: Burial<'_>) -> Result<(), Error> {
        let mut call = self.lane(shard)?.to_settle();
        call.arg("dead").arg(burial.position).arg(owner).arg(burial.dead_max).arg(burial.error);
        match self.ask::<String>("make a dead letter", call).await?.as_str() {
            "ok" => Ok(()),
            "full" => Err(burial.too_many()),
            _ => Err(Error::new(ErrorKind::Refused, "another process flushes the shard")),
        }
    }

    async fn release(&self, shard: u32, owner: OwnerId) -> Result<(), Error> {
        let mut call = script(&RELEASE, &[&self.lane(shard)?.lease]);
        call.arg(owner);
        self.ask::<i64>("release a journal", call).await.map(drop)
    }

    async fn pending(&self, shard: u32, key: &[u8], written: Position) -> Result<Pending, Error> {
        let keys = self.lane(shard)?;
        let mut call = script(&PENDING, &[&keys.log, &keys.pending, &keys.sums, &keys.state]);
        call.arg(key).arg(written);
        type Sums = Vec<(String, i64)>;
        let (acknowledged, base, mut added, over): (Position, Option<Vec<u8>>, Sums, Sums) =
            self.ask("read from a journal", call).await?;
        for (column, by) in over {
            if let Some((_, sum)) = added.iter_mut().find(|(name, _)| *name == column) {
                *sum = sum.wrapping_sub(by);
            }
        }
        Ok(Pending { base, added, acknowledged })
    }

    async fn dead(&self, shard: u32, limit: usize) -> Result<Vec<DeadRecord>, Error> {
        let mut call = self.lane(shard)?.to_append(&LETTERS);
        call.arg("list").arg(limit);
        let found: Vec<Vec<Vec<u8>>> = self.ask("list dead letters", call).await?;
        found.into_iter().map(letter).collect()
    }

    async fn letter(&self, shard: u32, what: &str, position: Position) -> Result<String, Error> {
        let mut call = self.lane(shard)?.to_append(&LETTERS);
        call.arg(what).arg(position);
        self.ask("change a dead letter", call).await
    }

    async fn revive(&self, shard: u32, position: Position) -> Result<Revived, Error> {
        match self.letter(shard, "revive", position).await?.as_str() {
            "done" => Ok(Revived::Yes),
            "superseded" => Ok(Revived::Superseded),
            "O" => Err(Error::new(ErrorKind::Full, "the sum of the pending increments would not fit 64 bits")),
            _ => Ok(Revived::Unknown),
        }
    }
}

impl Keys {
    fn to_append(&self, of: &Script) -> Cmd {
        script(of, &[&self.log, &self.pending, &self.sums, &self.state, &self.dead, &self.newer, &self.letters])
    }

    fn to_settle(&self) -> Cmd {
        let keys =
            [&self.log, &self.pending, &self.sums, &self.state, &self.dead, &self.newer, &self.letters, &self.lease];
        script(&SETTLE, &keys)
    }
}

fn script(script: &Script, keys: &[&String]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len());
    for key in keys {
        call.arg(key);
    }
    call
}

/// A stream's entry: its first field is named by the key, and holds what an absolute operation says; an increment has a second one,
/// named by the column.
fn record((id, fields): Delivered) -> Result<Record, Error> {
    let position = id.split('-').next().and_then(|position| position.parse().ok()).ok_or_else(strange)?;
    let mut fields = fields.into_iter();
    let (key, change) = match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(key), Some(payload), None, None) => (key, Change::Absolute(payload)),
        (Some(key), Some(_), Some(column), Some(by)) => (key, addition(column, &by)?),
        _ => return Err(strange()),
    };
    Ok(Record { position, entry: Entry { key, change } })
}

fn letter(fields: Vec<Vec<u8>>) -> Result<DeadRecord, Error> {
    let Ok([at, key, kind, payload, column, by, error, died, superseded]) = <[Vec<u8>; 9]>::try_from(fields) else {
        return Err(strange());
    };
    Ok(DeadRecord {
        record: Record { position: number(&at)?, entry: Entry { key, change: change(&kind, payload, column, &by)? } },
        error: String::from_utf8_lossy(&error).into_owned(),
        died_unix_ms: number::<u64>(&died)?.saturating_mul(1_000),
        superseded: superseded == b"1",
    })
}

fn change(kind: &[u8], payload: Vec<u8>, column: Vec<u8>, by: &[u8]) -> Result<Change, Error> {
    match kind {
        b"A" => Ok(Change::Absolute(payload)),
        b"I" => addition(column, by),
        _ => Err(strange()),
    }
}

fn addition(column: Vec<u8>, by: &[u8]) -> Result<Change, Error> {
    Ok(Change::Add { column: String::from_utf8(column).map_err(|_| strange())?, by: number(by)? })
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Result<T, Error> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(strange)
}

fn strange() -> Error {
    Error::new(ErrorKind::Decode, "a record in the journal is not what this version writes")
}

impl Journal for RedisJournal {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn is_volatile(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn open(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.open())
    }

    fn append<'a>(&'a self, shard: u32, group: Group<'a>) -> BoxFuture<'a, Result<Appended, Error>> {
        Box::pin(self.append(shard, group))
    }

    fn look(&self, shard: u32) -> BoxFuture<'_, Result<ShardState, Error>> {
        Box::pin(self.look(shard))
    }

    fn demand(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.demand(shard, position))
    }

    fn claim(
        &self,
        shard: u32,
        owner: OwnerId,
        lease: Duration,
        count: usize,
    ) -> BoxFuture<'_, Result<Option<Vec<Record>>, Error>> {
        Box::pin(self.claim(shard, owner, lease, count))
    }

    fn acknowledge<'a>(&'a self, shard: u32, records: &'a [Record]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.acknowledge(shard, records))
    }

    fn bury<'a>(&'a self, shard: u32, owner: OwnerId, burial: Burial<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.bury(shard, owner, burial))
    }

    fn release(&self, shard: u32, owner: OwnerId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.release(shard, owner))
    }

    fn pending<'a>(&'a self, shard: u32, key: &'a [u8], written: Position) -> BoxFuture<'a, Result<Pending, Error>> {
        Box::pin(self.pending(shard, key, written))
    }

    fn dead(&self, shard: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DeadRecord>, Error>> {
        Box::pin(self.dead(shard, limit))
    }

    fn revive(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<Revived, Error>> {
        Box::pin(self.revive(shard, position))
    }

    fn forget(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { Ok(self.letter(shard, "forget", position).await? == "done") })
    }
}
