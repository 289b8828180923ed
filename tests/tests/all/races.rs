//! The classic races of caches, each on the tier in process memory, on Redis, and with the rule that prevents it left out.

pub(crate) mod held;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::{RedisServer, unique};
use held::{Ear, HeldBus, HeldTier, ReplyGate};
use sea_orm::TransactionTrait;
use sea_orm_cache::{
    __testing::{Bus, Call, MemoryStore, Mutation, Point, RemoteTier, connect},
    Cache, Clock, Consistency, PolicyOverride, RedisSettings,
};
use tokio::sync::Semaphore;

/// The tag that the value depends on.
const TAG: &str = "row";

/// No test waits longer than this for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
enum On {
    Memory,
    Redis,
}

struct Node {
    cache: Cache,
    replies: Arc<ReplyGate>,
    ear: Arc<Ear>,
}

/// Two nodes on one store, and the value in the database.
struct World {
    a: Arc<Node>,
    b: Arc<Node>,
    row: Arc<AtomicU64>,
}

impl World {
    async fn new(on: On, mutation: Option<Mutation>) -> Self {
        let clock = Clock::system();
        let (one, two) = match on {
            On::Memory => {
                let store = MemoryStore::shared(clock.clone());
                let other = store.node();
                ((store.tier(), store.bus()), (other.tier(), other.bus()))
            }
            On::Redis => {
                let settings = RedisSettings::new(RedisServer::shared().url())
                    .with_namespace(unique("races"))
                    .with_deadlines(PATIENCE, PATIENCE, PATIENCE);
                let connected = || connect(&settings, &clock).expect("the settings are good");
                (connected(), connected())
            }
        };
        let a = Arc::new(Node::new(one, mutation).await);
        let b = Arc::new(Node::new(two, mutation).await);
        Self { a, b, row: Arc::default() }
    }

    /// Commits 1, by node B, and waits until A has heard of it.
    async fn write(&self) {
        let heard = self.a.ear.heard();
        self.commit().await;
        patiently(self.a.ear.wait_until_more_than(heard)).await;
    }

    async fn commit(&self) {
        self.row.store(1, Ordering::SeqCst);
        assert!(self.b.cache.invalidate([TAG]).await.is_done());
    }

    /// What A and B are given now, bounded and strict.
    async fn seen(&self) -> [u64; 4] {
        let (a, b) = (&self.a, &self.b);
        [
            a.read(&self.row, Consistency::Bounded).await,
            a.read(&self.row, Consistency::Strict).await,
            b.read(&self.row, Consistency::Bounded).await,
            b.read(&self.row, Consistency::Strict).await,
        ]
    }
}

impl Node {
    async fn new((tier, bus): (Arc<dyn RemoteTier>, Arc<dyn Bus>), mutation: Option<Mutation>) -> Self {
        let (replies, ear) = (Arc::new(ReplyGate::new()), Arc::new(Ear::default()));
        let tier = HeldTier { tier, gate: Arc::clone(&replies), ends: Arc::new(ReplyGate::new()) };
        let bus = HeldBus { bus, ear: Arc::clone(&ear) };
        // A lease that does not end while a test is under way.
        let cache = Cache::builder().lease(Duration::from_secs(60)).mutation(mutation);
        let cache = cache.ports(Arc::new(tier), Arc::new(bus)).build().await.expect("the settings are good");
        Self { cache, replies, ear }
    }

    async fn read(&self, row: &AtomicU64, consistency: Consistency) -> u64 {
        self.read_slowly(row, consistency, None).await
    }

    /// Reads; an answer of the database waits for `gate`.
    async fn read_slowly(&self, row: &AtomicU64, consistency: Consistency, gate: Option<&LoadGate>) -> u64 {
        let policy = PolicyOverride { consistency: Some(consistency), ..PolicyOverride::NONE };
        let load = async || {
            let answer = row.load(Ordering::SeqCst);
            if let Some(gate) = gate {
                gate.answered.add_permits(1);
                let _opened = gate.open.acquire().await;
            }
            Ok::<_, Infallible>(answer)
        };
        let Ok(value) = patiently(self.cache.get_or_load_with("key", [TAG], &policy, load)).await;
        value
    }
}

/// Keeps the database's answer on its way.
struct LoadGate {
    answered: Semaphore,
    open: Semaphore,
}

impl LoadGate {
    fn new() -> Arc<Self> {
        Arc::new(Self { answered: Semaphore::new(0), open: Semaphore::new(0) })
    }

    async fn answered(&self) {
        patiently(self.answered.acquire()).await.expect("it is never closed").forget();
    }

    fn open(&self) {
        self.open.close();
    }
}

async fn patiently<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not take that long")
}

/// A reads 0 from the database; before the answer is back, B commits 1. Returns what A's read gave, and what is seen afterwards.
async fn stale_fill(on: On, consistency: Consistency) -> (u64, [u64; 4]) {
    let world = World::new(on, None).await;
    let gate = LoadGate::new();
    let reader = tokio::spawn({
        let (a, row, gate) = (Arc::clone(&world.a), Arc::clone(&world.row), Arc::clone(&gate));
        async move { a.read_slowly(&row, consistency, Some(&gate)).await }
    });
    gate.answered().await;
    world.write().await;
    gate.open();
    (reader.await.expect("the reader ends"), world.seen().await)
}

#[tokio::test]
async fn stale_fill_in_memory() {
    assert_eq!(stale_fill(On::Memory, Consistency::Bounded).await, (0, [1; 4]));
    assert_eq!(stale_fill(On::Memory, Consistency::Strict).await, (0, [1; 4]));
}

#[tokio::test]
async fn stale_fill_on_redis() {
    assert_eq!(stale_fill(On::Redis, Consistency::Bounded).await, (0, [1; 4]));
    assert_eq!(stale_fill(On::Redis, Consistency::Strict).await, (0, [1; 4]));
}

/// As a stale fill, but a second reader comes to A after the commit, while the first one's load is still in the air.
/// Returns what the second is given, and what is seen afterwards.
async fn joined_flight(on: On, second: Consistency, mutation: Option<Mutation>) -> (u64, [u64; 4]) {
    let world = World::new(on, mutation).await;
    let gate = LoadGate::new();
    let first = tokio::spawn({
        let (a, row, gate) = (Arc::clone(&world.a), Arc::clone(&world.row), Arc::clone(&gate));
        async move { a.read_slowly(&row, Consistency::Bounded, Some(&gate)).await }
    });
    gate.answered().await;
    if second == Consistency::Strict {
        // A strict read must not depend on the bus.
        world.a.ear.close();
        world.commit().await;
        patiently(async {
            while world.a.ear.missed() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    } else {
        world.write().await;
    }
    let second = tokio::spawn({
        let (a, row) = (Arc::clone(&world.a), Arc::clone(&world.row));
        async move { a.read(&row, second).await }
    });
    if mutation.is_some() {
        // Joined, so that it ends only with the first.
        tokio::task::yield_now().await;
        gate.open();
    }
    let given = patiently(second).await.expect("the reader ends");
    gate.open();
    assert_eq!(first.await.expect("the reader ends"), 0, "the first reader began before the commit");
    (given, world.seen().await)
}

#[tokio::test]
async fn flight_joined_across_an_invalidation_in_memory() {
    assert_eq!(joined_flight(On::Memory, Consistency::Bounded, None).await, (1, [1; 4]));
}

#[tokio::test]
async fn flight_joined_across_an_invalidation_on_redis() {
    assert_eq!(joined_flight(On::Redis, Consistency::Bounded, None).await, (1, [1; 4]));
}

#[tokio::test]
async fn flight_joined_across_an_invalidation_that_the_node_has_not_heard_of() {
    for on in [On::Memory, On::Redis] {
        let (given, [_, strict, ..]) = joined_flight(on, Consistency::Strict, None).await;
        assert_eq!((given, strict), (1, 1), "{on:?}");
    }
}

#[tokio::test]
async fn without_the_check_a_flight_is_joined_across_an_invalidation() {
    let (given, _) = joined_flight(On::Memory, Consistency::Bounded, Some(Mutation::JoinableFlights)).await;
    assert_eq!(given, 0, "the race above would not be noticed");
}

/// B has filled 0 into the remote tier. A fetches it; before the reply is back, B commits 1.
/// Returns what A's read gave, and what is seen afterwards.
async fn remote_to_local_copy(on: On, mutation: Option<Mutation>) -> (u64, [u64; 4]) {
    let world = World::new(on, mutation).await;
    assert_eq!(world.b.read(&world.row, Consistency::Bounded).await, 0);
    world.a.replies.arm();
    let reader = tokio::spawn({
        let (a, row) = (Arc::clone(&world.a), Arc::clone(&world.row));
        async move { a.read(&row, Consistency::Bounded).await }
    });
    patiently(world.a.replies.reached()).await;
    world.write().await;
    world.a.replies.open();
    (reader.await.expect("the reader ends"), world.seen().await)
}

#[tokio::test]
async fn remote_to_local_copy_during_an_invalidation_in_memory() {
    assert_eq!(remote_to_local_copy(On::Memory, None).await, (0, [1; 4]));
}

#[tokio::test]
async fn remote_to_local_copy_during_an_invalidation_on_redis() {
    assert_eq!(remote_to_local_copy(On::Redis, None).await, (0, [1; 4]));
}

#[tokio::test]
async fn without_the_sequence_check_a_remote_to_local_copy_revives_what_is_stale() {
    let (_, [bounded, ..]) = remote_to_local_copy(On::Memory, Some(Mutation::NoSequence)).await;
    assert_eq!(bounded, 0, "the race above would not be noticed");
}

/// Redis is down. A is about to commit 1: the intent is on its way. A reader of A gets 0 from the database; then A commits, and is
/// told that the invalidation is deferred. Returns what a second reader of A is given while the first one's answer is still in the air.
async fn joined_flight_of_an_own_write() -> u64 {
    let store = MemoryStore::shared(Clock::system());
    let memory = store.node();
    let a = Arc::new(Node::new((memory.tier(), memory.bus()), None).await);
    let row = Arc::new(AtomicU64::new(0));
    let db = a.cache.wrap(harness::memory().await);
    memory.fail_all();
    let begin = memory.hold(Call::Begin, Point::Before);
    let writer = tokio::spawn(async move {
        let txn = db.begin().await.expect("SQLite is well");
        txn.invalidate(TAG);
        txn.commit_with_outcome().await.expect("SQLite is well")
    });
    patiently(begin.reached()).await;
    let gate = LoadGate::new();
    let first = tokio::spawn({
        let (a, row, gate) = (Arc::clone(&a), Arc::clone(&row), Arc::clone(&gate));
        async move { a.read_slowly(&row, Consistency::Bounded, Some(&gate)).await }
    });
    gate.answered().await;
    row.store(1, Ordering::SeqCst);
    begin.open();
    assert!(!patiently(writer).await.expect("the writer ends").is_done(), "the remote tier is down");
    let second = tokio::spawn({
        let (a, row) = (Arc::clone(&a), Arc::clone(&row));
        async move { a.read(&row, Consistency::Bounded).await }
    });
    // Loads of one key take turns while a write is in flight: the second may wait for the first, and must not share it.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    gate.open();
    assert_eq!(first.await.expect("the reader ends"), 0, "the first reader began before the commit");
    patiently(second).await.expect("the reader ends")
}

#[tokio::test]
async fn flight_joined_across_an_own_write_whose_invalidation_is_deferred() {
    assert_eq!(joined_flight_of_an_own_write().await, 1);
}

/// A has committed 1, and its invalidation is deferred. A reader of A asks the remote tier, which still takes 0 for valid; before its
/// reply is back, the invalidation lands. Returns what the reader is given.
async fn own_write_that_lands_before_a_reply(consistency: Consistency) -> u64 {
    let store = MemoryStore::shared(Clock::system());
    let memory = store.node();
    let a = Arc::new(Node::new((memory.tier(), memory.bus()), None).await);
    let row = Arc::new(AtomicU64::new(0));
    assert_eq!(a.read(&row, Consistency::Bounded).await, 0);
    row.store(1, Ordering::SeqCst);

    memory.fail(Call::End, 1);
    let first_attempt = memory.hold(Call::End, Point::Before);
    let writer = tokio::spawn({
        let a = Arc::clone(&a);
        async move { a.cache.invalidate([TAG]).await }
    });
    patiently(first_attempt.reached()).await;
    let retry = memory.hold(Call::End, Point::Before);
    first_attempt.open();
    assert!(!patiently(writer).await.expect("the writer ends").is_done(), "its first attempt fails");
    patiently(retry.reached()).await;

    let reply = memory.hold(Call::Fetch, Point::After);
    let reader = tokio::spawn({
        let (a, row) = (Arc::clone(&a), Arc::clone(&row));
        async move { a.read(&row, consistency).await }
    });
    patiently(reply.reached()).await;
    retry.open();
    patiently(async {
        while a.cache.stats().deferred_tags > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    reply.open();
    patiently(reader).await.expect("the reader ends")
}

#[tokio::test]
async fn a_reply_overtaken_by_the_landing_of_an_own_write_is_not_served() {
    assert_eq!(own_write_that_lands_before_a_reply(Consistency::Bounded).await, 1);
    assert_eq!(own_write_that_lands_before_a_reply(Consistency::Strict).await, 1);
}
