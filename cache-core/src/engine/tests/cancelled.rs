//! A read that is dropped at any of its awaits leaves nothing behind.
//!
//! Every call to the remote tier yields before and after it takes effect, and loaders yield too; a read is polled n times and dropped, for every
//! n until it comes to its end. So each of its awaits is once the last line that runs.

use std::{future::poll_fn, task::Poll};

use super::*;
use crate::{
    cache::CacheBuilder,
    engine::call::{DIRECT, Deps, Read},
    envelope::Wire,
    policy::TierChoice,
};

/// A read needs no more polls than this, whatever happens to it.
const POLLS_MAX: usize = 400;

/// Between two polls: others get to run, and those who wait for the clock get on.
const STEP: Duration = Duration::from_millis(1);

/// Two nodes, the first of which is read and cancelled.
struct World {
    a: Arc<Node>,
    b: Arc<Node>,
    clock: Clock,
    db: Database,
    /// Opens whatever stood in the way of the read.
    gate: Arc<tokio::sync::Semaphore>,
    /// What stands in the way.
    others: Vec<tokio::task::JoinHandle<()>>,
}

impl World {
    async fn new(set: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Self {
        let (store, clock, db) = shared();
        let a = Arc::new(Node::built(&store, &clock, set).await);
        let b = Arc::new(Node::on(&store, &clock).await);
        Self { a, b, clock, db, gate: Arc::new(tokio::sync::Semaphore::new(0)), others: Vec::new() }
    }

    /// A read of `key` on a node whose loader waits for the gate.
    fn hold(&mut self, on: &Arc<Node>, key: &'static str) {
        let (node, db, gate) = (Arc::clone(on), self.db.clone(), Arc::clone(&self.gate));
        self.others.push(tokio::spawn(async move {
            let load = async || {
                let _opened = gate.acquire().await;
                db.query().await
            };
            let _value = node.cache.get_or_load(key, [ROW], load).await;
        }));
    }

    async fn run(&self, span: Duration) {
        let begun = self.clock.now();
        while self.clock.now().since(begun) < span {
            settle().await;
            self.clock.advance(Duration::from_millis(20));
        }
        settle().await;
    }

    /// Runs `work` while the clock moves on.
    async fn in_time<F: Future>(&self, case: &str, work: F) -> F::Output {
        let mut work = Box::pin(work);
        for _ in 0..300 {
            if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
                return output;
            }
            settle().await;
            self.clock.advance(Duration::from_millis(20));
        }
        panic!("{case}: hangs");
    }

    /// Nothing of the read is left, and a write is seen by whoever reads next.
    async fn assert_clean(mut self, case: &str) {
        self.gate.close();
        self.run(Duration::from_millis(200)).await;
        for other in self.others.drain(..) {
            assert!(other.is_finished(), "{case}: somebody else hangs");
        }
        self.a.memory.heal();
        let engine = self.a.cache.engine();
        let left = [
            ("flights", engine.flights.len()),
            ("turns", engine.turns.len()),
            ("refreshes", engine.refreshes.len()),
            ("locks", engine.held_locks.len()),
            ("places", engine.places.taken()),
        ];
        assert!(left.iter().all(|(_, left)| *left == 0), "{case}: {left:?}");
        self.in_time(case, self.a.write(&self.db, 7)).await;
        settle().await;
        let waited = self.b.cache.stats().lock_waits;
        for node in [&self.b, &self.a] {
            assert_eq!(self.in_time(case, node.read(&self.db)).await, 7, "{case}");
            assert_eq!(self.in_time(case, node.read_strict(&self.db)).await, 7, "{case}");
        }
        assert_eq!(self.b.cache.stats().lock_waits, waited, "{case}: the load lock was left behind");
        let hits = self.a.cache.stats().hits_local;
        assert_eq!(self.a.read(&self.db).await, 7, "{case}");
        assert_eq!(self.a.cache.stats().hits_local, hits + 1, "{case}: and is cached again");
    }
}

/// Polls `read` `polls` times, letting others run in between, and drops it. Returns whether it came to its end.
async fn dropped_after<F: Future>(polls: usize, clock: &Clock, read: F) -> bool {
    let mut read = Box::pin(read);
    for _ in 0..polls {
        if poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_ready())).await {
            return true;
        }
        tokio::task::yield_now().await;
        clock.advance(STEP);
    }
    false
}

/// Cancels a read at each of its awaits, each time in a world of its own. Returns how many there were.
async fn at_each_await<W, R>(case: &str, world: W, read: R) -> usize
where
    W: AsyncFn() -> World,
    R: AsyncFn(&World),
{
    for polls in 0..POLLS_MAX {
        let world = world().await;
        world.a.memory.yield_at_every_call();
        let ended = dropped_after(polls, &world.clock, read(&world)).await;
        world.assert_clean(&format!("{case}, dropped after {polls} polls")).await;
        if ended {
            return polls;
        }
    }
    panic!("{case}: no end after {POLLS_MAX} polls");
}

/// A loader that awaits.
async fn query(db: &Database) -> Result<i64, String> {
    tokio::task::yield_now().await;
    let value = db.query().await;
    tokio::task::yield_now().await;
    value
}

/// A read by the policy, of the row whose writes the checks are about.
async fn get(world: &World, policy: &PolicyOverride) {
    let _value = world.a.cache.get_or_load_with("row", [ROW], policy, || query(&world.db)).await;
}

fn remote_only() -> PolicyOverride {
    PolicyOverride { tier: Some(TierChoice::Remote), ..PolicyOverride::NONE }
}

#[tokio::test]
async fn a_miss() {
    let plain = async || World::new(|builder| builder).await;
    for (case, policy) in [("bounded", PolicyOverride::NONE), ("strict", STRICT), ("remote only", remote_only())] {
        let polls = at_each_await(case, plain, async |world| get(world, &policy).await).await;
        assert!(polls > 8, "{case}: fetch, capture, load and store have awaits: {polls}");
    }
}

#[tokio::test]
async fn a_hit_that_has_to_be_proven() {
    let touched = async || {
        let world = World::new(|builder| builder).await;
        world.b.read(&world.db).await;
        world.a.read(&world.db).await;
        world.a.memory.cut_bus();
        world.run(Duration::from_millis(700)).await;
        world
    };
    for (case, policy) in [("bounded", PolicyOverride::NONE), ("strict", STRICT), ("remote only", remote_only())] {
        let polls = at_each_await(case, touched, async |world| get(world, &policy).await).await;
        assert!(polls > 2, "{case}: {polls}");
    }
}

#[tokio::test]
async fn while_another_process_loads() {
    let held = async || {
        let mut world = World::new(|builder| builder).await;
        let b = Arc::clone(&world.b);
        world.hold(&b, "row");
        settle().await;
        world
    };
    for (case, policy) in [("bounded", PolicyOverride::NONE), ("strict", STRICT)] {
        let policy = PolicyOverride { lock_wait: Some(Duration::from_millis(40)), ..policy };
        let polls = at_each_await(case, held, async |world| get(world, &policy).await).await;
        assert!(polls > 20, "{case}: looks for what the other loads again and again: {polls}");
    }
}

#[tokio::test]
async fn while_a_write_is_in_flight() {
    let pending = async || {
        let mut world = World::new(|builder| builder).await;
        let (b, gate) = (Arc::clone(&world.b), Arc::clone(&world.gate));
        world.others.push(tokio::spawn(async move {
            let intent = b.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
            let _opened = gate.acquire().await;
            let _done = intent.finish().await;
        }));
        settle().await;
        // One load runs already, so that the read has to wait for its turn.
        let a = Arc::clone(&world.a);
        world.hold(&a, "row");
        settle().await;
        world
    };
    for (case, policy) in [("bounded", PolicyOverride::NONE), ("strict", STRICT)] {
        let read = async |world: &World| {
            let opened = async {
                world.clock.sleep(8 * STEP).await;
                world.gate.close();
            };
            futures_util::future::join(get(world, &policy), opened).await;
        };
        let polls = at_each_await(case, pending, read).await;
        assert!(polls > 8, "{case}: {polls}");
    }
}

#[tokio::test]
async fn while_another_caller_loads_or_all_places_are_taken() {
    for key in ["row", "other"] {
        let held = async || {
            let mut world = World::new(|builder| builder.loads_in_flight_max(1)).await;
            let a = Arc::clone(&world.a);
            world.hold(&a, key);
            settle().await;
            world
        };
        for (case, policy) in [("bounded", PolicyOverride::NONE), ("strict", STRICT)] {
            let read = async |world: &World| {
                let opened = async {
                    world.clock.sleep(12 * STEP).await;
                    world.gate.close();
                };
                futures_util::future::join(get(world, &policy), opened).await;
            };
            at_each_await(&format!("{case}, behind {key}"), held, read).await;
        }
    }
}

#[tokio::test]
async fn a_load_within_a_load() {
    let one_place = async || World::new(|builder| builder.loads_in_flight_max(1)).await;
    let nested = async |world: &World| {
        let inner = async || world.a.cache.get_or_load("row", [ROW], || query(&world.db)).await;
        let _value = world.a.cache.get_or_load("outer", [ROW], inner).await;
    };
    let polls = at_each_await("nested", one_place, nested).await;
    assert!(polls > 12, "{polls}");
}

#[tokio::test]
async fn early_refreshes_and_stale_answers() {
    let early = PolicyOverride { ttl: Some(100 * SECOND), refresh_ahead: Some(0.5), ..PolicyOverride::NONE };
    let slow = PolicyOverride {
        ttl: Some(10 * SECOND),
        stale_if_error: Some(100 * SECOND),
        soft_timeout: Some(3 * STEP),
        ..PolicyOverride::NONE
    };
    for (case, policy) in [
        ("in front", early),
        ("in front, remote only", PolicyOverride { tier: Some(TierChoice::Remote), ..early }),
        ("slow", slow),
    ] {
        let due = async || {
            let world = World::new(|builder| builder.ttl(100 * SECOND)).await;
            world.a.cache.get_or_load_with("row", [ROW], &policy, || world.db.query()).await.unwrap();
            world.clock.advance(60 * SECOND);
            settle().await;
            world.a.wait_for_lease().await;
            world
        };
        let read = async |world: &World| {
            let load = async || {
                world.clock.sleep(5 * STEP).await;
                query(&world.db).await
            };
            let _value = world.a.cache.get_or_load_with("row", [ROW], &policy, load).await;
        };
        let polls = at_each_await(case, due, read).await;
        assert!(polls > 5, "{case}: {polls}");
    }
}

#[tokio::test]
async fn a_refresh_by_hand_and_one_in_the_background() {
    let filled = async || {
        let world = World::new(|builder| builder).await;
        world.a.read(&world.db).await;
        world
    };
    let read = || Read::<i64, String>::new(&DIRECT, "kv:row", Some(Wire::<i64>::SERDE));
    let deps = || {
        let mut deps = Deps::new();
        deps.push(Tag::named(ROW));
        deps
    };
    let by_hand = async |world: &World| {
        let _value = world.a.cache.refresh(read(), deps, |_| query(&world.db)).await;
    };
    let polls = at_each_await("by hand", filled, by_hand).await;
    assert!(polls > 5, "{polls}");
    let due = async || {
        let world = World::new(|builder| builder.refresh_ahead(0.5)).await;
        world.a.read(&world.db).await;
        world.run(Duration::from_millis(100)).await;
        world.clock.advance(200 * SECOND);
        settle().await;
        world
    };
    let once = async |world: &World| world.a.cache.refresh_once(read(), deps, |_| query(&world.db)).await;
    let polls = at_each_await("in the background", due, once).await;
    assert!(polls > 5, "{polls}");
}
