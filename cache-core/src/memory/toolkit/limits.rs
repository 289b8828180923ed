//! What a rate limiter remembers, in process memory: the steps of `limit.lua`. A refused call changes nothing.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    error::Error,
    memory::toolkit::{MemoryTools, lock},
    ports::toolkit::{
        Place,
        limits::{Algorithm, LimitPlan, LimitStore, TENTHS, Taken},
    },
};

/// What is remembered of one key.
#[derive(Debug)]
pub(super) enum Counted {
    Window { index: u64, calls: u64 },
    Log(VecDeque<u64>),
    Tenths(BTreeMap<u64, u64>),
    Due(u64),
}

impl Counted {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::FixedWindow => Self::Window { index: 0, calls: 0 },
            Algorithm::SlidingLog => Self::Log(VecDeque::new()),
            Algorithm::SlidingCounter => Self::Tenths(BTreeMap::new()),
            Algorithm::Gcra => Self::Due(0),
        }
    }

    fn take(&mut self, plan: &LimitPlan, cost: u64, now: u64) -> Taken {
        match self {
            Self::Window { index, calls } => fixed(index, calls, plan, cost, now),
            Self::Log(log) => sliding(log, plan, cost, now),
            Self::Tenths(tenths) => counted(tenths, plan, cost, now),
            Self::Due(due) => gcra(due, plan, cost, now),
        }
    }

    fn is_of(&self, algorithm: Algorithm) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(&Self::new(algorithm))
    }
}

fn passed(remaining: u64, reset_us: u64) -> Taken {
    Taken { allowed: true, remaining, reset: Duration::from_micros(reset_us), retry_after: Duration::ZERO }
}

fn refused(remaining: u64, reset_us: u64, retry_us: u64) -> Taken {
    let (reset, retry_after) = (Duration::from_micros(reset_us), Duration::from_micros(retry_us));
    Taken { allowed: false, remaining, reset, retry_after }
}

fn fixed(index: &mut u64, calls: &mut u64, plan: &LimitPlan, cost: u64, now: u64) -> Taken {
    let window = plan.window_us;
    let current = now / window;
    let (at, before) = if current > *index { (current, 0) } else { (*index, *calls) };
    let now = now.max(at * window);
    let left = (at + 1) * window - now;
    if before + cost > plan.limit {
        return refused(plan.limit - before, left, left);
    }
    (*index, *calls) = (at, before + cost);
    passed(plan.limit - *calls, left)
}

fn sliding(log: &mut VecDeque<u64>, plan: &LimitPlan, cost: u64, now: u64) -> Taken {
    let now = log.back().map_or(now, |newest| now.max(*newest));
    let past = log.iter().take_while(|call| *call + plan.window_us <= now).count();
    let calls = (log.len() - past) as u64;
    let leaves = |call: Option<&u64>| call.map_or(0, |call| call + plan.window_us - now);
    if calls + cost > plan.limit {
        let in_the_way = usize::try_from(calls + cost - plan.limit - 1).unwrap_or(usize::MAX);
        return refused(plan.limit - calls, leaves(log.back()), leaves(log.get(past.saturating_add(in_the_way))));
    }
    log.drain(..past);
    log.extend((0..cost).map(|_| now));
    passed(plan.limit - calls - cost, plan.window_us)
}

fn counted(tenths: &mut BTreeMap<u64, u64>, plan: &LimitPlan, cost: u64, now: u64) -> Taken {
    let tenth = plan.tenth_us();
    let newest = tenths.last_key_value().map(|(at, _)| *at);
    let index = newest.unwrap_or(0).max(now / tenth);
    let now = now.max(index * tenth);
    let begin = index.saturating_sub(TENTHS);
    let calls: u64 = tenths.range(begin..).map(|(_, calls)| calls).sum();
    let leaves = |at: u64| (at + TENTHS + 1) * tenth - now;
    if calls + cost > plan.limit {
        let (mut freed, mut retry) = (0, 0);
        for (at, calls_then) in tenths.range(begin..) {
            freed += calls_then;
            retry = leaves(*at);
            if freed >= calls + cost - plan.limit {
                break;
            }
        }
        return refused(plan.limit - calls, newest.map_or(0, leaves), retry);
    }
    *tenths = tenths.split_off(&begin);
    *tenths.entry(index).or_default() += cost;
    passed(plan.limit - calls - cost, leaves(index))
}

fn gcra(due: &mut u64, plan: &LimitPlan, cost: u64, now: u64) -> Taken {
    let interval = plan.interval_us();
    let room = plan.burst * interval;
    let debt = due.saturating_sub(now);
    let next = debt + cost * interval;
    if next > room {
        // Who is behind sees more debt than there is room for.
        return refused(room.saturating_sub(debt) / interval, debt, next - room);
    }
    *due = now + next;
    passed((room - next) / interval, next)
}

/// How long a key may matter after a call, and a window more: for a caller whose clock is behind, it is less long ago.
fn ttl(plan: &LimitPlan) -> Duration {
    Duration::from_micros(
        plan.window_us
            + match plan.algorithm {
                Algorithm::FixedWindow | Algorithm::SlidingLog => plan.window_us,
                Algorithm::SlidingCounter => (TENTHS + 2) * plan.tenth_us(),
                Algorithm::Gcra => plan.burst * plan.interval_us(),
            },
    )
}

#[async_trait]
impl LimitStore for MemoryTools {
    async fn take(&self, at: Place<'_>, plan: &LimitPlan, cost: u64, now_us: Option<u64>) -> Result<Taken, Error> {
        let now = self.clock.now();
        let now_us = now_us.unwrap_or_else(|| self.clock.unix_ms().saturating_mul(1_000));
        let key = at.text();
        let mut limits = lock(&self.limits);
        let counted = limits.get_or_put(&key, ttl(plan), now, || Counted::new(plan.algorithm))?;
        if !counted.is_of(plan.algorithm) {
            *counted = Counted::new(plan.algorithm);
        }
        let taken = counted.take(plan, cost, now_us);
        if taken.allowed {
            limits.keep(&key, ttl(plan), now);
        }
        Ok(taken)
    }

    async fn forget(&self, at: Place<'_>) -> Result<(), Error> {
        lock(&self.limits).remove(&at.text(), self.clock.now());
        Ok(())
    }
}
