//! Locks, registers, counters, sketches and lists in Redis.

use std::time::Duration;

use async_trait::async_trait;
use redis::{Value, cmd};

use crate::{
    error::Error,
    ports::toolkit::{
        Place,
        values::{Expected, Swapped, ValueStore, Versioned},
    },
    redis::{
        scripts::{UNLOCK, millis},
        tier::read,
        toolkit::{
            RedisTools,
            scripts::{COUNTER_ADD, LIST_PUSH, LOCK_ACQUIRE, LOCK_RENEW, REGISTER_SWAP, VISITORS_ADD, call},
        },
    },
};

/// A fencing token is remembered for so long besides the lock itself; afterwards the time makes it rise.
const FENCE_TTL: Duration = Duration::from_secs(24 * 3_600);

impl RedisTools {
    fn lock_key(&self, at: Place<'_>) -> String {
        self.key("lock", at, "")
    }

    fn sketch(&self, at: Place<'_>, window: &str) -> String {
        self.key("visitors", at, &[":", window].concat())
    }
}

#[async_trait]
impl ValueStore for RedisTools {
    async fn acquire_lock(&self, at: Place<'_>, token: u64, ttl: Duration) -> Result<Option<u64>, Error> {
        let mut acquire = call(&LOCK_ACQUIRE, [self.lock_key(at), self.key("lock", at, ":f")]);
        acquire.arg(token).arg(millis(ttl)).arg(millis(ttl.saturating_add(FENCE_TTL)));
        self.one("acquire a lock", acquire).await
    }

    async fn renew_lock(&self, at: Place<'_>, token: u64, ttl: Duration) -> Result<bool, Error> {
        let renew = call(&LOCK_RENEW, [self.lock_key(at)]).arg(token).arg(millis(ttl)).take();
        self.one("renew a lock", renew).await
    }

    async fn release_lock(&self, at: Place<'_>, token: u64) -> Result<bool, Error> {
        self.one("release a lock", call(&UNLOCK, [self.lock_key(at)]).arg(token).take()).await
    }

    async fn read_register(&self, at: Place<'_>) -> Result<Option<Versioned>, Error> {
        let ask = cmd("HMGET").arg(self.key("register", at, "")).arg("v").arg("d").take();
        let (version, value): (Option<u64>, Option<Vec<u8>>) = self.one("read a register", ask).await?;
        Ok(version.zip(value).map(|(version, value)| Versioned { version, value }))
    }

    async fn swap_register(
        &self,
        at: Place<'_>,
        expected: Expected<'_>,
        value: Option<&[u8]>,
        ttl: Duration,
    ) -> Result<Swapped, Error> {
        const WRITE: &str = "write a register";
        let mut swap = call(&REGISTER_SWAP, [self.key("register", at, "")]);
        match expected {
            Expected::Any => swap.arg("any").arg(""),
            Expected::Absent => swap.arg("absent").arg(""),
            Expected::Version(version) => swap.arg("version").arg(version),
            Expected::Value(value) => swap.arg("value").arg(value),
        };
        swap.arg(millis(ttl));
        if let Some(value) = value {
            swap.arg(value);
        }
        let mut values = self.one::<Vec<Value>>(WRITE, swap).await?.into_iter();
        let done = read(WRITE, values.next().unwrap_or(Value::Nil))?;
        let current = match (values.next(), values.next()) {
            (Some(version), Some(value)) => {
                Some(Versioned { version: read(WRITE, version)?, value: read(WRITE, value)? })
            }
            _ => None,
        };
        Ok(Swapped { done, current })
    }

    async fn add_to_counter(&self, at: Place<'_>, by: i64, ttl: Duration) -> Result<i64, Error> {
        let add = call(&COUNTER_ADD, [self.key("counter", at, "")]).arg(by).arg(millis(ttl)).take();
        self.one("add to a counter", add).await
    }

    async fn read_counters(&self, at: &[Place<'_>]) -> Result<Vec<i64>, Error> {
        let gets = at.iter().map(|at| cmd("GET").arg(self.key("counter", *at, "")).take()).collect();
        let counts = self.many::<Option<i64>>("read counters", gets).await?;
        Ok(counts.into_iter().map(Option::unwrap_or_default).collect())
    }

    async fn take_counter(&self, at: Place<'_>) -> Result<i64, Error> {
        let take = cmd("GETDEL").arg(self.key("counter", at, "")).take();
        Ok(self.one::<Option<i64>>("take a counter", take).await?.unwrap_or_default())
    }

    async fn add_visitors(&self, at: Place<'_>, window: &str, members: &[&str], ttl: Duration) -> Result<bool, Error> {
        let mut add = call(&VISITORS_ADD, [self.sketch(at, window)]);
        add.arg(millis(ttl)).arg(members);
        self.one("add visitors", add).await
    }

    async fn count_visitors(&self, at: Place<'_>, windows: &[String]) -> Result<u64, Error> {
        let mut count = cmd("PFCOUNT");
        for window in windows {
            count.arg(self.sketch(at, window));
        }
        self.one("count visitors", count).await
    }

    async fn push_recent(
        &self,
        at: Place<'_>,
        items: &[Vec<u8>],
        unique: bool,
        length_max: usize,
        ttl: Duration,
    ) -> Result<(), Error> {
        let mut push = call(&LIST_PUSH, [self.key("recent", at, "")]);
        push.arg(length_max).arg(millis(ttl)).arg(u8::from(unique));
        for item in items {
            push.arg(item.as_slice());
        }
        self.one::<i64>("push to a list", push).await.map(drop)
    }

    async fn read_recent(&self, at: Place<'_>, count: usize) -> Result<Vec<Vec<u8>>, Error> {
        let last = i64::try_from(count).unwrap_or(i64::MAX) - 1;
        let range = cmd("LRANGE").arg(self.key("recent", at, "")).arg(0).arg(last).take();
        self.one("read a list", range).await
    }

    async fn remove_recent(&self, at: Place<'_>, item: &[u8]) -> Result<u64, Error> {
        let remove = cmd("LREM").arg(self.key("recent", at, "")).arg(0).arg(item).take();
        self.one("remove from a list", remove).await
    }
}
