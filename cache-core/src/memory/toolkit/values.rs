//! Locks, registers, counters, sketches and lists in process memory.

use std::{
    collections::VecDeque,
    hash::{BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use async_trait::async_trait;
use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};

use crate::{
    error::{Error, ErrorKind},
    memory::toolkit::{MemoryTools, Shelf, lock},
    ports::toolkit::{
        Place,
        values::{Expected, Swapped, ValueStore, Versioned},
    },
};

/// As many registers as Redis has: 2 to the power of 14, for a standard error of 0.81 %.
const PRECISION: u8 = 14;

type Sketch = HyperLogLogPlus<str, BuildHasherDefault<DefaultHasher>>;

/// Everything of these kinds.
#[derive(Debug, Default)]
pub(super) struct Values {
    locks: Shelf<Held>,
    registers: Shelf<Versioned>,
    counters: Shelf<i64>,
    sketches: Shelf<Sketch>,
    lists: Shelf<VecDeque<Vec<u8>>>,
    /// The last version or fencing token given: none is given twice.
    last: u64,
}

#[derive(Debug)]
struct Held {
    token: u64,
    fence: u64,
}

impl Values {
    fn next(&mut self, unix_ms: u64) -> u64 {
        self.last = (self.last + 1).max(unix_ms.saturating_mul(1_000));
        self.last
    }
}

fn sketch() -> Result<Sketch, Error> {
    let made = Sketch::new(PRECISION, BuildHasherDefault::default());
    made.map_err(|error| Error::new(ErrorKind::Setting, format!("precision: {error}")))
}

fn window_of(at: Place<'_>, window: &str) -> String {
    [&at.text(), ":", window].concat()
}

#[async_trait]
impl ValueStore for MemoryTools {
    async fn acquire_lock(&self, at: Place<'_>, token: u64, ttl: Duration) -> Result<Option<u64>, Error> {
        let now = self.clock.now();
        let key = at.text();
        let mut values = lock(&self.values);
        if let Some(held) = values.locks.get(&key, now) {
            let (holder, fence) = (held.token, held.fence);
            if holder != token {
                return Ok(None);
            }
            values.locks.keep(&key, ttl, now);
            return Ok(Some(fence));
        }
        let fence = values.next(self.clock.unix_ms());
        values.locks.get_or_put(&key, ttl, now, || Held { token, fence })?;
        Ok(Some(fence))
    }

    async fn renew_lock(&self, at: Place<'_>, token: u64, ttl: Duration) -> Result<bool, Error> {
        let now = self.clock.now();
        let key = at.text();
        let locks = &mut lock(&self.values).locks;
        let is_held = locks.get(&key, now).is_some_and(|held| held.token == token);
        Ok(is_held && locks.keep(&key, ttl, now))
    }

    async fn release_lock(&self, at: Place<'_>, token: u64) -> Result<bool, Error> {
        let now = self.clock.now();
        let key = at.text();
        let locks = &mut lock(&self.values).locks;
        let is_held = locks.get(&key, now).is_some_and(|held| held.token == token);
        Ok(is_held && locks.remove(&key, now).is_some())
    }

    async fn read_register(&self, at: Place<'_>) -> Result<Option<Versioned>, Error> {
        let now = self.clock.now();
        Ok(lock(&self.values).registers.get(&at.text(), now).cloned())
    }

    async fn swap_register(
        &self,
        at: Place<'_>,
        expected: Expected<'_>,
        value: Option<&[u8]>,
        ttl: Duration,
    ) -> Result<Swapped, Error> {
        let now = self.clock.now();
        let key = at.text();
        let mut values = lock(&self.values);
        let current = values.registers.get(&key, now).cloned();
        let is_good = match (expected, &current) {
            (Expected::Any, _) | (Expected::Absent, None) => true,
            (Expected::Version(version), Some(current)) => current.version == version,
            (Expected::Value(value), Some(current)) => current.value == value,
            _ => false,
        };
        if !is_good {
            return Ok(Swapped { done: false, current });
        }
        values.registers.remove(&key, now);
        let Some(value) = value else { return Ok(Swapped { done: true, current: None }) };
        let new = Versioned { version: values.next(self.clock.unix_ms()), value: value.to_vec() };
        values.registers.get_or_put(&key, ttl, now, || new.clone())?;
        Ok(Swapped { done: true, current: Some(new) })
    }

    async fn add_to_counter(&self, at: Place<'_>, by: i64, ttl: Duration) -> Result<i64, Error> {
        let now = self.clock.now();
        let key = at.text();
        let counters = &mut lock(&self.values).counters;
        let count = counters.get_or_put(&key, ttl, now, || 0)?;
        let Some(sum) = count.checked_add(by) else {
            return Err(Error::new(ErrorKind::Refused, "the sum does not fit into 64 bits: cannot add to a counter"));
        };
        *count = sum;
        counters.keep(&key, ttl, now);
        Ok(sum)
    }

    async fn read_counters(&self, at: &[Place<'_>]) -> Result<Vec<i64>, Error> {
        let now = self.clock.now();
        let counters = &mut lock(&self.values).counters;
        Ok(at.iter().map(|at| counters.get(&at.text(), now).copied().unwrap_or_default()).collect())
    }

    async fn take_counter(&self, at: Place<'_>) -> Result<i64, Error> {
        Ok(lock(&self.values).counters.remove(&at.text(), self.clock.now()).unwrap_or_default())
    }

    async fn add_visitors(&self, at: Place<'_>, window: &str, members: &[&str], ttl: Duration) -> Result<bool, Error> {
        let now = self.clock.now();
        let key = window_of(at, window);
        let fresh = sketch()?;
        let sketches = &mut lock(&self.values).sketches;
        let sketch = sketches.get_or_put(&key, ttl, now, || fresh)?;
        let before = sketch.count();
        for member in members {
            sketch.insert(*member);
        }
        let is_changed = sketch.count().total_cmp(&before).is_ne();
        sketches.keep(&key, ttl, now);
        Ok(is_changed)
    }

    async fn count_visitors(&self, at: Place<'_>, windows: &[String]) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut merged = sketch()?;
        let sketches = &mut lock(&self.values).sketches;
        for window in windows {
            if let Some(sketch) = sketches.get(&window_of(at, window), now) {
                let together = merged.merge(sketch);
                together.map_err(|error| Error::new(ErrorKind::Refused, format!("cannot merge sketches: {error}")))?;
            }
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, and not negative")]
        Ok(merged.count().round() as u64)
    }

    async fn push_recent(
        &self,
        at: Place<'_>,
        items: &[Vec<u8>],
        unique: bool,
        length_max: usize,
        ttl: Duration,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let key = at.text();
        let lists = &mut lock(&self.values).lists;
        let list = lists.get_or_put(&key, ttl, now, VecDeque::new)?;
        for item in items {
            if unique {
                list.retain(|known| known != item);
            }
            list.push_front(item.clone());
        }
        list.truncate(length_max);
        lists.keep(&key, ttl, now);
        Ok(())
    }

    async fn read_recent(&self, at: Place<'_>, count: usize) -> Result<Vec<Vec<u8>>, Error> {
        let now = self.clock.now();
        let lists = &mut lock(&self.values).lists;
        Ok(lists.get(&at.text(), now).map(|list| list.iter().take(count).cloned().collect()).unwrap_or_default())
    }

    async fn remove_recent(&self, at: Place<'_>, item: &[u8]) -> Result<u64, Error> {
        let now = self.clock.now();
        let lists = &mut lock(&self.values).lists;
        let Some(list) = lists.get(&at.text(), now) else { return Ok(0) };
        let before = list.len();
        list.retain(|known| known != item);
        Ok((before - list.len()) as u64)
    }
}
