//! Faults that a test lets one node's calls meet.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::Semaphore;

use crate::error::{Error, ErrorKind};

/// A kind of call to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// [`RemoteTier::fetch`](crate::ports::RemoteTier::fetch)
    Fetch,
    /// [`RemoteTier::capture`](crate::ports::RemoteTier::capture)
    Capture,
    /// [`RemoteTier::store`](crate::ports::RemoteTier::store)
    Store,
    /// [`RemoteTier::unlock`](crate::ports::RemoteTier::unlock)
    Unlock,
    /// [`RemoteTier::begin_intent`](crate::ports::RemoteTier::begin_intent)
    Begin,
    /// [`RemoteTier::end_intent`](crate::ports::RemoteTier::end_intent)
    End,
    /// [`RemoteTier::remove`](crate::ports::RemoteTier::remove)
    Remove,
    /// [`RemoteTier::scan`](crate::ports::RemoteTier::scan)
    Scan,
    /// [`RemoteTier::ttl`](crate::ports::RemoteTier::ttl)
    Ttl,
    /// [`Bus::run`](crate::ports::Bus::run)
    Subscribe,
    /// [`Bus::ping`](crate::ports::Bus::ping)
    Ping,
}

/// How many kinds of calls there are.
const CALLS: usize = Call::Ping as usize + 1;

/// Where in a call something happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The request is on its way: it has had no effect.
    Before,
    /// The reply is on its way: the effect is there, and its messages are published.
    After,
}

/// Holds one call until it is opened or dropped.
#[derive(Debug)]
pub struct Gate(Arc<Barrier>);

#[derive(Debug)]
struct Barrier {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Waits until the call has come to the gate.
    pub async fn reached(&self) {
        if let Ok(permit) = self.0.reached.acquire().await {
            drop(permit);
        }
    }

    /// Lets the call go on.
    pub fn open(&self) {
        self.0.open.close();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// The faults of one node.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Spares a lock on every call where there are no faults, which is everywhere but in tests.
    armed: AtomicBool,
    calls: [AtomicU64; CALLS],
    rules: Mutex<Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    call: Option<Call>,
    point: Point,
    effect: Effect,
}

#[derive(Debug)]
enum Effect {
    Fail { times: Option<u32> },
    Hold(Arc<Barrier>),
    Yield,
}

impl Faults {
    pub(super) fn fail(&self, call: Option<Call>, point: Point, times: Option<u32>) {
        self.arm(Rule { call, point, effect: Effect::Fail { times } });
    }

    pub(super) fn hold(&self, call: Call, point: Point) -> Gate {
        let barrier = Arc::new(Barrier { reached: Semaphore::new(0), open: Semaphore::new(0) });
        self.arm(Rule { call: Some(call), point, effect: Effect::Hold(Arc::clone(&barrier)) });
        Gate(barrier)
    }

    pub(super) fn calls(&self, call: Call) -> u64 {
        self.calls.get(call as usize).map_or(0, |calls| calls.load(Ordering::Relaxed))
    }

    pub(super) fn yield_always(&self) {
        for point in [Point::Before, Point::After] {
            self.arm(Rule { call: None, point, effect: Effect::Yield });
        }
    }

    pub(super) fn heal(&self) {
        self.rules().retain(|rule| matches!(rule.effect, Effect::Hold(_)));
    }

    /// What happens to a call at a point: nothing, a wait, or an error.
    pub(super) async fn meet(&self, call: Call, point: Point) -> Result<(), Error> {
        if let Some(calls) = self.calls.get(call as usize).filter(|_| point == Point::Before) {
            calls.fetch_add(1, Ordering::Relaxed);
        }
        if !self.armed.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.yields(call, point) {
            tokio::task::yield_now().await;
        }
        // Holds come first: a call can be held and then fail.
        if let Some(barrier) = self.take_hold(call, point) {
            barrier.reached.add_permits(1);
            // The semaphore never has permits: it ends by being closed.
            let _ = barrier.open.acquire().await;
        }
        if !self.take_failure(call, point) {
            return Ok(());
        }
        Err(match point {
            Point::Before => Error::new(ErrorKind::Unreachable, "the memory tier was told to be unreachable"),
            Point::After => Error::new(ErrorKind::Timeout, "the memory tier was told to lose its reply"),
        })
    }

    fn arm(&self, rule: Rule) {
        self.rules().push(rule);
        self.armed.store(true, Ordering::Release);
    }

    fn take_hold(&self, call: Call, point: Point) -> Option<Arc<Barrier>> {
        let mut rules = self.rules();
        let at = rules.iter().position(|rule| rule.meets(call, point) && matches!(rule.effect, Effect::Hold(_)))?;
        match rules.remove(at).effect {
            Effect::Hold(barrier) => Some(barrier),
            Effect::Fail { .. } | Effect::Yield => None,
        }
    }

    fn yields(&self, call: Call, point: Point) -> bool {
        self.rules().iter().any(|rule| rule.meets(call, point) && matches!(rule.effect, Effect::Yield))
    }

    fn take_failure(&self, call: Call, point: Point) -> bool {
        let mut rules = self.rules();
        rules.retain(|rule| !matches!(rule.effect, Effect::Fail { times: Some(0) }));
        for rule in rules.iter_mut().filter(|rule| rule.meets(call, point)) {
            if let Effect::Fail { times } = &mut rule.effect {
                if let Some(times) = times {
                    *times -= 1;
                }
                return true;
            }
        }
        false
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn meets(&self, call: Call, point: Point) -> bool {
        self.point == point && self.call.is_none_or(|wanted| wanted == call)
    }
}
