//! Redis as a remote tier.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use redis::{Cmd, FromRedisValue, Value, cmd, from_redis_value};

use crate::{
    error::{Error, ErrorKind},
    ports::{
        Captured, EndWith, Ended, Fetched, IntentId, LockRequest, LockToken, RemoteTier, ScanCursor, ScanPage,
        StoreRequest, TagState, journal::Journal,
    },
    redis::{advice, journal::RedisJournal, link::Link, names::Names, scripts},
    tag::Tag,
};

/// A remote tier in Redis.
pub(super) struct RedisTier {
    pub(super) link: Arc<Link>,
    pub(super) names: Names,
}

impl RedisTier {
    async fn fetch(&self, keys: &[&str], tags: &[Tag]) -> Result<Fetched, Error> {
        let entries = keys.iter().map(|key| self.names.entry(key));
        let states = tags.iter().map(|tag| self.names.tag(tag));
        let mut replies = if keys.len() + tags.len() > 1 && self.link.is_single() {
            let mut all = cmd("MGET");
            entries.chain(states).for_each(|name| _ = all.arg(name));
            let replies = self.link.ask("fetch entries", [vec![all]]).await?;
            of_groups("fetch entries", replies.into_iter(), keys.len() + tags.len())?.into_iter()
        } else {
            self.link.ask("fetch entries", [entries.map(get).collect(), states.map(get).collect()]).await?.into_iter()
        };
        let entries = replies.by_ref().take(keys.len()).map(|reply| read("fetch entries", reply));
        let entries = entries.collect::<Result<_, _>>()?;
        let states = replies.map(|reply| state("fetch tags", reply)).collect::<Result<_, _>>()?;
        Ok(Fetched { entries, states })
    }

    async fn capture(&self, tags: &[Tag], ttl: Duration, locks: &[LockRequest<'_>]) -> Result<Captured, Error> {
        let groups = self.groups(tags);
        let trips = groups.len();
        let versions = groups.map(|tags| scripts::capture(&self.names, tags, ttl)).collect();
        let attempts = locks.iter().map(|lock| scripts::lock(&self.names, lock)).collect();
        let mut replies = self.link.ask("capture versions", [versions, attempts]).await?.into_iter();
        let states = of_groups("capture versions", replies.by_ref().take(trips), tags.len())?;
        let states = states.into_iter().map(|reply| state("capture versions", reply)).collect::<Result<_, _>>()?;
        Ok(Captured { states, locks: replies.map(|reply| reply != Value::Nil).collect() })
    }

    async fn store(&self, entries: &[StoreRequest<'_>]) -> Result<(), Error> {
        let sets = entries
            .iter()
            .map(|entry| {
                let mut set = cmd("SET");
                set.arg(self.names.entry(entry.key)).arg(entry.bytes).arg("PX").arg(scripts::millis(entry.ttl));
                set
            })
            .collect();
        let unlocks =
            entries.iter().filter_map(|entry| Some(scripts::unlock(&self.names, entry.key, entry.unlock?))).collect();
        self.link.ask("store entries", [sets, unlocks]).await.map(drop)
    }

    async fn unlock(&self, key: &str, token: LockToken) -> Result<(), Error> {
        self.link.ask("give a lock back", [vec![scripts::unlock(&self.names, key, token)]]).await.map(drop)
    }

    async fn begin(&self, tags: &[Tag], id: IntentId, lease: Duration) -> Result<Vec<bool>, Error> {
        let begins = self.groups(tags).map(|tags| scripts::begin(&self.names, tags, id, lease)).collect();
        let replies = self.link.ask("begin an intent", [begins]).await?;
        let replies = of_groups("begin an intent", replies.into_iter(), tags.len())?;
        replies.into_iter().map(|reply| read::<i64>("begin an intent", reply).map(|held| held == 1)).collect()
    }

    async fn end(&self, tags: &[Tag], id: IntentId, end: EndWith) -> Result<Vec<Ended>, Error> {
        let ends = self.groups(tags).map(|tags| scripts::end(&self.names, tags, id, end)).collect();
        let replies = self.link.ask("end an intent", [ends]).await?;
        of_groups("end an intent", replies.into_iter(), tags.len())?
            .into_iter()
            .map(|reply| match read::<i64>("end an intent", reply)? {
                0 => Ok(Ended::Expired),
                held => Ok(Ended::Held { stored: held == 2 }),
            })
            .collect()
    }

    fn groups<'a>(&self, tags: &'a [Tag]) -> std::slice::Chunks<'a, Tag> {
        scripts::groups(tags, self.link.is_single())
    }

    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        if keys.is_empty() {
            return Ok(0);
        }
        let unlinks: Vec<Cmd> = if self.link.is_single() {
            let mut unlink = cmd("UNLINK");
            unlink.arg(keys.iter().map(|key| self.names.entry(key)).collect::<Vec<_>>());
            vec![unlink]
        } else {
            keys.iter().map(|key| cmd("UNLINK").arg(self.names.entry(key)).take()).collect()
        };
        let counts = unlinks.len();
        let messages = keys.iter().map(|key| cmd("PUBLISH").arg(self.names.removed()).arg(*key).take()).collect();
        let replies = self.link.ask("remove entries", [unlinks, messages]).await?;
        replies.into_iter().take(counts).map(|reply| read::<u64>("remove entries", reply)).sum()
    }

    async fn scan(&self, pattern: &str, from: Option<ScanCursor>, count: usize) -> Result<ScanPage, Error> {
        let shard = from.map_or(0, |from| from.shard);
        let mut scan = cmd("SCAN");
        scan.arg(from.map_or(0, |from| from.cursor));
        // The namespace has no character that a pattern would read otherwise.
        scan.arg("MATCH").arg(self.names.entry(pattern)).arg("COUNT").arg(count.max(1));
        let reply = self.ask_shard(shard, scan).await?;
        let (cursor, names): (u64, Vec<String>) = read("scan keys", reply)?;
        let keys = names.iter().filter_map(|name| self.names.key_of_entry(name)).map(str::to_owned).collect();
        let next = match cursor {
            0 => self.next_shard(shard).await?.map(|shard| ScanCursor { shard, cursor: 0 }),
            cursor => Some(ScanCursor { shard, cursor }),
        };
        Ok(ScanPage { keys, next })
    }

    async fn ask_shard(&self, shard: u32, command: Cmd) -> Result<Value, Error> {
        #[cfg(feature = "redis-cluster")]
        if let Some(cluster) = self.link.cluster() {
            return self.link.within_deadline("scan keys", cluster.ask_shard(shard, command)).await;
        }
        let _ = shard;
        let mut replies = self.link.ask("scan keys", [vec![command]]).await?;
        replies.pop().ok_or_else(|| strange("scan keys", "no reply"))
    }

    #[cfg(feature = "redis-cluster")]
    async fn next_shard(&self, shard: u32) -> Result<Option<u32>, Error> {
        match self.link.cluster() {
            Some(cluster) => self.link.within_deadline("scan keys", cluster.next_shard(shard)).await,
            None => Ok(None),
        }
    }

    #[cfg(not(feature = "redis-cluster"))]
    #[expect(clippy::unused_async, reason = "a cluster is asked for its shards")]
    async fn next_shard(&self, _: u32) -> Result<Option<u32>, Error> {
        Ok(None)
    }

    async fn ttl(&self, key: &str) -> Result<Option<Duration>, Error> {
        let pttl = cmd("PTTL").arg(self.names.entry(key)).take();
        let mut replies = self.link.ask("read a TTL", [vec![pttl]]).await?;
        let left: i64 = read("read a TTL", replies.pop().unwrap_or(Value::Nil))?;
        Ok(match left {
            // No TTL: somebody else set the key, or took its TTL away.
            -1 => Some(Duration::MAX),
            left => u64::try_from(left).ok().map(Duration::from_millis),
        })
    }
}

fn get(name: String) -> Cmd {
    cmd("GET").arg(name).take()
}

/// The replies of all groups in one list of `count`.
fn of_groups(action: &'static str, groups: impl Iterator<Item = Value>, count: usize) -> Result<Vec<Value>, Error> {
    let mut all = Vec::with_capacity(count);
    for group in groups {
        let Value::Array(mut replies) = group else { return Err(strange(action, "no list")) };
        all.append(&mut replies);
    }
    if all.len() == count { Ok(all) } else { Err(strange(action, "a list of another length")) }
}

fn state(action: &'static str, reply: Value) -> Result<TagState, Error> {
    let Some(text) = read::<Option<Vec<u8>>>(action, reply)? else { return Ok(TagState::Absent) };
    if text.first() == Some(&b'p') {
        return Ok(TagState::Pending);
    }
    match std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
        Some(version) if version != 0 => Ok(TagState::Version(version)),
        _ => Err(strange(action, "a tag holds neither a version nor a marker")),
    }
}

pub(super) fn read<T: FromRedisValue>(action: &'static str, reply: Value) -> Result<T, Error> {
    from_redis_value(reply).map_err(|source| {
        Error::with_source(ErrorKind::Refused, format!("redis answered something unexpected: cannot {action}"), source)
    })
}

fn strange(action: &'static str, what: &'static str) -> Error {
    Error::new(ErrorKind::Refused, format!("redis answered something unexpected ({what}): cannot {action}"))
}

impl RemoteTier for RedisTier {
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>> {
        Box::pin(self.fetch(keys, tags))
    }

    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>> {
        Box::pin(self.capture(tags, ttl, locks))
    }

    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.store(entries))
    }

    fn unlock<'a>(&'a self, key: &'a str, token: LockToken) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.unlock(key, token))
    }

    fn begin_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        Box::pin(self.begin(tags, id, lease))
    }

    fn end_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        end: EndWith,
    ) -> BoxFuture<'a, Result<Vec<Ended>, Error>> {
        Box::pin(self.end(tags, id, end))
    }

    fn remove<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(self.remove(keys))
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<ScanCursor>,
        count: usize,
    ) -> BoxFuture<'a, Result<ScanPage, Error>> {
        Box::pin(self.scan(pattern, from, count))
    }

    fn ttl<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Duration>, Error>> {
        Box::pin(self.ttl(key))
    }

    fn advise(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        Box::pin(advice::advise(&self.link))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn journal(&self, name: &str, shards: u32) -> Option<Arc<dyn Journal>> {
        Some(Arc::new(RedisJournal::new(&self.link, &self.names, name, shards)))
    }
}
