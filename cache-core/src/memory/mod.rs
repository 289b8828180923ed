//! A remote tier in process memory: what one process uses when there is no Redis.
//!
//! It follows the scripts of the Redis adapter step by step, so that the engine runs the same protocol with and without Redis.
//! The same store can play a Redis that several nodes share, with faults on demand, which is how races are tested.

mod bus;
mod faults;
mod state;
mod tier;
mod toolkit;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

pub use faults::{Call, Gate, Point};
pub use toolkit::MemoryTools;

use crate::{
    clock::Clock,
    memory::{
        bus::{BusControl, Subscription},
        faults::Faults,
        state::State,
    },
    ports::{Bus, RemoteTier},
    tag::Tag,
};

/// One store in process memory.
///
/// Everything in it has a time to live and is dropped after it, lazily and by an amortised sweep.
#[derive(Clone)]
pub struct MemoryStore {
    inner: Arc<Inner>,
    first: Arc<MemoryNode>,
}

/// One node's access to a [`MemoryStore`]: its tier, its bus, and the faults that only this node meets.
pub struct MemoryNode {
    inner: Arc<Inner>,
    id: u32,
    faults: Faults,
    bus: BusControl,
}

struct Inner {
    clock: Clock,
    shared: bool,
    nodes: AtomicU32,
    state: Mutex<Guarded>,
}

/// What one lock guards: a change of state and the queueing of its messages are one step.
#[derive(Default)]
struct Guarded {
    state: State,
    subscriptions: Vec<Arc<Subscription>>,
}

impl MemoryStore {
    /// The store of one process: not shared, its bus delivers within the publishing call.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::build(clock, false)
    }

    /// A store that several nodes share, as they would share a Redis.
    #[must_use]
    pub fn shared(clock: Clock) -> Self {
        Self::build(clock, true)
    }

    fn build(clock: Clock, shared: bool) -> Self {
        let inner = Arc::new(Inner { clock, shared, nodes: AtomicU32::new(0), state: Mutex::default() });
        let first = MemoryNode::new(&inner);
        Self { inner, first }
    }

    /// The tier of the first node.
    #[must_use]
    pub fn tier(&self) -> Arc<dyn RemoteTier> {
        self.first.tier()
    }

    /// The bus of the first node.
    #[must_use]
    pub fn bus(&self) -> Arc<dyn Bus> {
        self.first.bus()
    }

    /// One more node.
    #[must_use]
    pub fn node(&self) -> Arc<MemoryNode> {
        MemoryNode::new(&self.inner)
    }

    /// Forgets entries, tags, intents and locks, as a server that restarts empty does. Subscriptions stay.
    pub fn wipe(&self) {
        self.inner.lock().state = State::default();
    }

    /// Drops a tag's state but not its set of intents, as an eviction under memory pressure may.
    pub fn evict_tag(&self, tag: &Tag) {
        self.inner.lock().state.evict_tag(tag);
    }

    /// Drops a tag's set of intents but not its state, as an eviction under memory pressure may.
    pub fn evict_intents(&self, tag: &Tag) {
        self.inner.lock().state.evict_intents(tag);
    }

    /// How many entries, tags and locks are in memory, expired ones included until they are swept.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.lock().state.size()
    }
}

impl MemoryNode {
    fn new(inner: &Arc<Inner>) -> Arc<Self> {
        let id = inner.nodes.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { inner: Arc::clone(inner), id, faults: Faults::default(), bus: BusControl::default() })
    }

    /// This node's tier.
    #[must_use]
    pub fn tier(self: &Arc<Self>) -> Arc<dyn RemoteTier> {
        Arc::clone(self) as _
    }

    /// This node's bus.
    #[must_use]
    pub fn bus(self: &Arc<Self>) -> Arc<dyn Bus> {
        Arc::clone(self) as _
    }

    /// Lets the next `times` calls of one kind fail as unreachable, without any effect.
    pub fn fail(&self, call: Call, times: u32) {
        self.faults.fail(Some(call), Point::Before, Some(times));
    }

    /// Lets every call fail as unreachable, without any effect, until [`heal`](Self::heal).
    pub fn fail_all(&self) {
        self.faults.fail(None, Point::Before, None);
    }

    /// Lets the next `times` calls of one kind take effect and then fail as timed out, as a lost reply does.
    pub fn lose_replies(&self, call: Call, times: u32) {
        self.faults.fail(Some(call), Point::After, Some(times));
    }

    /// Stops the next call of one kind at `point` until the gate opens (or is dropped).
    #[must_use]
    pub fn hold(&self, call: Call, point: Point) -> Gate {
        self.faults.hold(call, point)
    }

    /// How many calls of one kind this node has made, failed ones included.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.faults.calls(call)
    }

    /// Lets every call yield before and after it takes effect, until [`heal`](Self::heal): then each is an await at which a caller can be
    /// cancelled.
    pub fn yield_at_every_call(&self) {
        self.faults.yield_always();
    }

    /// Ends every fault of this node's calls; gates stay.
    pub fn heal(&self) {
        self.faults.heal();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("shared", &self.inner.shared).finish_non_exhaustive()
    }
}

impl fmt::Debug for MemoryNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNode").field("id", &self.id).finish_non_exhaustive()
    }
}
