//! Early refresh, stale answers, timeouts, the load lock, and what shields the database during an outage.

use super::*;
use crate::{
    engine::call::{DIRECT, Deps, Read},
    envelope::Wire,
    error::Error,
    memory::{Call, Point},
};

/// A policy with what a test is about.
fn policy(set: impl FnOnce(&mut PolicyOverride)) -> PolicyOverride {
    let mut policy = PolicyOverride { ttl: Some(100 * SECOND), ..PolicyOverride::NONE };
    set(&mut policy);
    policy
}

impl Node {
    async fn read_by(&self, db: &Database, policy: &PolicyOverride) -> Result<i64, String> {
        self.cache.get_or_load_with("row", [ROW], policy, || db.query()).await
    }

    /// A read that can be repeated in the background, as generated code makes it.
    async fn read_in_background(&self, db: &Database, policy: &'static PolicyOverride) -> i64 {
        let (cache, copy) = (self.cache.clone(), db.clone());
        let background = move || -> futures_util::future::BoxFuture<'static, ()> {
            let (cache, db) = (cache.clone(), copy.clone());
            Box::pin(async move {
                let read = Read { policy, ..Read::new(&DIRECT, "kv:row", Some(Wire::<i64>::SERDE)) };
                cache.refresh_once(read, deps, |_| async move { db.query().await }).await;
            })
        };
        let read = Read {
            policy,
            background: Some(&background),
            ..Read::<i64, String>::new(&DIRECT, "kv:row", Some(Wire::<i64>::SERDE))
        };
        self.cache.read(read, deps, |_| db.query()).await.unwrap()
    }
}

fn deps() -> Deps {
    let mut deps = Deps::new();
    deps.push(Tag::named(ROW));
    deps
}

static AHEAD: PolicyOverride =
    PolicyOverride { ttl: Some(Duration::from_secs(100)), refresh_ahead: Some(0.8), ..PolicyOverride::NONE };

#[tokio::test]
async fn refresh_ahead_happens_in_the_background_once_per_cluster() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.read_in_background(&db, &AHEAD).await;
    b.read_in_background(&db, &AHEAD).await;
    db.set(1);
    clock.advance(79 * SECOND);
    settle().await;
    a.read_in_background(&db, &AHEAD).await;
    settle().await;
    assert_eq!(db.queries(), 1);
    clock.advance(SECOND);
    settle().await;
    let served = (a.read_in_background(&db, &AHEAD).await, b.read_in_background(&db, &AHEAD).await);
    assert_eq!(served, (0, 0), "served from memory while one refresh runs");
    settle().await;
    assert_eq!(db.queries(), 2, "one refresher");
    assert_eq!(a.read_in_background(&db, &AHEAD).await + b.cache.stats().refreshes as i64, 2);
}

#[tokio::test]
async fn without_a_background_a_caller_refreshes_in_front() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let ahead = policy(|policy| policy.refresh_ahead = Some(0.5));
    a.read_by(&db, &ahead).await.unwrap();
    db.set(1);
    clock.advance(50 * SECOND);
    settle().await;
    assert_eq!(a.read_by(&db, &ahead).await, Ok(1));
    assert_eq!((a.cache.stats().refreshes, db.queries()), (1, 2));
}

#[tokio::test]
async fn xfetch_refreshes_earlier_the_slower_the_load() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let xfetch = policy(|policy| policy.xfetch_beta = Some(1.0));
    let slow = async || {
        let value = db.query().await;
        clock.advance(5 * SECOND);
        value
    };
    let read = async || a.cache.get_or_load_with("row", [ROW], &xfetch, slow).await.unwrap();
    read().await;
    // With a load of 5 s, P(refresh at t before the end) = exp(-t / 5 s): e^-18 at 90 s, and almost certain within 100 draws at 5 s.
    clock.advance(10 * SECOND);
    settle().await;
    for _ in 0..100 {
        read().await;
    }
    assert_eq!(db.queries(), 1);
    clock.advance(85 * SECOND);
    settle().await;
    for _ in 0..100 {
        read().await;
    }
    assert!(db.queries() >= 2, "100 draws at probability 1/e");
}

#[tokio::test]
async fn an_expired_entry_answers_while_it_is_revalidated() {
    static WINDOW: PolicyOverride = PolicyOverride {
        ttl: Some(Duration::from_secs(100)),
        stale_while_revalidate: Some(Duration::from_secs(10)),
        ..PolicyOverride::NONE
    };
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    a.read_in_background(&db, &WINDOW).await;
    db.set(1);
    clock.advance(105 * SECOND);
    settle().await;
    assert_eq!(a.read_in_background(&db, &WINDOW).await, 0);
    settle().await;
    assert_eq!(a.read_in_background(&db, &WINDOW).await, 1);
    assert_eq!(a.cache.stats().stale_served, 1);
    a.write(&db, 2).await;
    assert_eq!(a.read_in_background(&db, &WINDOW).await, 2, "never an invalidated one");
}

#[tokio::test]
async fn an_expired_entry_answers_for_a_loader_that_fails_or_is_slow_but_never_an_invalidated_one() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let grace = policy(|policy| {
        policy.stale_if_error = Some(60 * SECOND);
        policy.soft_timeout = Some(SECOND);
    });
    let failing = async || Err::<i64, _>("down".to_owned());
    let slow = async || {
        clock.advance(2 * SECOND);
        std::future::pending::<Result<i64, String>>().await
    };
    a.read_by(&db, &grace).await.unwrap();
    clock.advance(110 * SECOND);
    settle().await;
    assert_eq!(a.cache.get_or_load_with("row", [ROW], &grace, failing).await, Ok(0));
    settle().await;
    assert_eq!(a.cache.get_or_load_with("row", [ROW], &grace, slow).await, Ok(0));
    assert_eq!((a.cache.stats().stale_served, a.cache.stats().load_errors), (2, 2));
    a.write(&db, 1).await;
    settle().await;
    let failed = a.cache.get_or_load_with("row", [ROW], &grace, failing).await;
    assert_eq!(failed, Err("down".to_owned()));
}

#[tokio::test]
async fn a_loader_past_its_hard_timeout_is_an_error() {
    let (store, clock, _) = shared();
    let a = Node::on(&store, &clock).await;
    let read = Read {
        hard_timeout: Some((SECOND, |error: Error| error.to_string())),
        ..Read::<i64, String>::new(&DIRECT, "kv:row", Some(Wire::<i64>::SERDE))
    };
    let loader = async |_| {
        clock.advance(2 * SECOND);
        std::future::pending::<Result<i64, String>>().await
    };
    let error = a.cache.read(read, deps, loader).await.unwrap_err();
    assert!(error.contains("hard timeout"), "{error}");
}

/// Starts a read whose loader waits for the gate, or for ever.
fn held(
    node: &Arc<Node>,
    db: &Database,
    gate: &Arc<tokio::sync::Semaphore>,
) -> tokio::task::JoinHandle<Result<i64, String>> {
    let (node, db, gate) = (Arc::clone(node), db.clone(), Arc::clone(gate));
    tokio::spawn(async move {
        let load = async || {
            let _opened = gate.acquire().await;
            db.query().await
        };
        node.cache.get_or_load("row", [ROW], load).await
    })
}

#[tokio::test]
async fn one_process_loads_for_all() {
    let (store, clock, db) = shared();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let nodes: Vec<_> = [Node::on(&store, &clock).await, Node::on(&store, &clock).await].map(Arc::new).into();
    let readers: Vec<_> = nodes.iter().map(|node| held(node, &db, &gate)).collect();
    settle().await;
    gate.close();
    for _ in 0..20 {
        settle().await;
        clock.advance(Duration::from_millis(20));
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Ok(0));
    }
    assert_eq!(db.queries(), 1);
    assert_eq!(nodes.iter().map(|node| node.cache.stats().lock_waits).sum::<u64>(), 1);
}

#[tokio::test]
async fn a_cancelled_leader_gives_its_lock_back() {
    let (store, clock, db) = shared();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (a, b) = (Arc::new(Node::on(&store, &clock).await), Node::on(&store, &clock).await);
    let leader = held(&a, &db, &gate);
    settle().await;
    leader.abort();
    settle().await;
    assert_eq!(b.read(&db).await, 0);
    assert_eq!(b.cache.stats().lock_waits, 0);
}

#[tokio::test]
async fn a_dead_leader_delays_nobody_beyond_lock_wait() {
    let (store, clock, db) = shared();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (a, b) = (Arc::new(Node::on(&store, &clock).await), Arc::new(Node::on(&store, &clock).await));
    let _dead = held(&a, &db, &gate);
    settle().await;
    let waiter = {
        let (b, db) = (Arc::clone(&b), db.clone());
        tokio::spawn(async move { b.read(&db).await })
    };
    let begun = clock.now();
    while !waiter.is_finished() {
        settle().await;
        clock.advance(Duration::from_millis(10));
    }
    assert_eq!(waiter.await.unwrap(), 0);
    assert!(clock.now().since(begun) < 2 * SECOND);
}

#[tokio::test]
async fn after_a_leader_has_died_one_of_those_who_wait_loads_for_all() {
    let (store, clock, db) = shared();
    let (gate, open) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(tokio::sync::Semaphore::new(1)));
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Arc::new(Node::on(&store, &clock).await));
    }
    let _dead = held(&nodes[0], &db, &gate);
    settle().await;
    nodes[0].memory.fail_all();
    let waiters: Vec<_> = nodes[1..].iter().map(|node| held(node, &db, &open)).collect();
    let begun = clock.now();
    while !waiters.iter().all(tokio::task::JoinHandle::is_finished) {
        settle().await;
        clock.advance(Duration::from_millis(10));
    }
    assert!(clock.now().since(begun) < SECOND, "nobody waited until it gave up");
    assert_eq!(db.queries(), 1);
}

#[tokio::test]
async fn whoever_gets_the_lock_late_looks_again_before_it_loads() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Arc::new(Node::on(&store, &clock).await));
    let held_up = b.memory.hold(Call::Capture, Point::Before);
    let late = {
        let (b, db) = (Arc::clone(&b), db.clone());
        tokio::spawn(async move { b.read(&db).await })
    };
    settle().await;
    a.read(&db).await;
    clock.advance(Duration::from_millis(50));
    drop(held_up);
    assert_eq!(late.await.unwrap(), 0);
    assert_eq!(db.queries(), 1, "the other node had loaded and given the lock back");
    assert_eq!((b.cache.stats().hits_remote, b.cache.stats().loads), (1, 0));
    db.set(1);
    assert!(a.cache.invalidate([ROW]).await.is_done());
    assert_eq!(a.read(&db).await, 1, "the lock was given back");
    assert_eq!(a.cache.stats().lock_waits, 0);
}

#[tokio::test]
async fn a_load_keeps_its_lock_for_as_long_as_it_takes() {
    let (store, clock, db) = shared();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let patient = |builder: crate::cache::CacheBuilder| builder.lock(true, 60 * SECOND);
    let (a, b) = (Node::built(&store, &clock, patient).await, Node::built(&store, &clock, patient).await);
    let (a, b) = (Arc::new(a), Arc::new(b));
    let leader = held(&a, &db, &gate);
    settle().await;
    let waiter = held(&b, &db, &gate);
    // Several times as long as a lock lasts that nobody renews.
    for _ in 0..500 {
        settle().await;
        clock.advance(Duration::from_millis(100));
    }
    gate.close();
    for _ in 0..20 {
        settle().await;
        clock.advance(Duration::from_millis(20));
    }
    assert_eq!((leader.await.unwrap(), waiter.await.unwrap()), (Ok(0), Ok(0)));
    assert_eq!(db.queries(), 1);
}

#[tokio::test]
async fn readers_share_the_next_load_while_a_write_is_in_flight() {
    let (store, clock, db) = shared();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let a = Arc::new(Node::on(&store, &clock).await);
    let intent = a.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
    let first = held(&a, &db, &gate);
    settle().await;
    let others: Vec<_> = (0..50).map(|_| held(&a, &db, &gate)).collect();
    settle().await;
    gate.close();
    assert_eq!(first.await.unwrap(), Ok(0));
    for other in others {
        assert_eq!(other.await.unwrap(), Ok(0));
    }
    assert_eq!(db.queries(), 2, "the load that ran is not joined, the next one is shared by all");
    drop(intent);
}

#[tokio::test]
async fn during_an_outage_process_memory_shields_the_database_for_a_moment() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    a.memory.fail_all();
    for _ in 0..100 {
        a.read(&db).await;
    }
    assert_eq!(db.queries(), 1);
    assert_eq!(a.cache.stats().hits_degraded, 99);
    a.write_in_an_outage(&db, 1).await;
    assert_eq!(a.read(&db).await, 1, "own writes are seen");
    db.set(2);
    clock.advance(SECOND);
    assert_eq!(a.read(&db).await, 2, "and nothing is older than degraded_ttl");
}

#[tokio::test]
async fn a_remote_tier_that_is_back_is_used_within_a_second() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    a.memory.fail_all();
    for _ in 0..20 {
        a.read_strict(&db).await;
    }
    assert_eq!(a.heard("Breaker { open: true }"), 1);
    let errors = a.cache.stats().remote_errors;
    a.memory.heal();
    a.read_strict(&db).await;
    assert!(a.cache.stats().remote_errors > errors, "the breaker is still open");
    clock.advance(Duration::from_millis(600));
    settle().await;
    a.read_strict(&db).await;
    a.read_strict(&db).await;
    assert_eq!(a.heard("Breaker { open: false }"), 1);
    assert!(a.cache.stats().hits_local > 0);
}

impl Node {
    async fn write_in_an_outage(&self, db: &Database, value: i64) {
        let mut intent = self.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
        intent.hold(async { db.set(value) }).await.unwrap();
        assert!(!intent.finish().await.is_done());
    }
}

static AHEAD_REMOTE: PolicyOverride = PolicyOverride { tier: Some(crate::policy::TierChoice::Remote), ..AHEAD };
static AHEAD_STRICT: PolicyOverride = PolicyOverride { consistency: Some(Consistency::Strict), ..AHEAD };

#[tokio::test]
async fn what_only_the_remote_tier_has_is_refreshed_early_as_well() {
    for policy in [&AHEAD_REMOTE, &AHEAD_STRICT] {
        let (store, clock, db) = shared();
        let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
        a.read_in_background(&db, policy).await;
        db.set(1);
        clock.advance(79 * SECOND);
        settle().await;
        assert_eq!(b.read_in_background(&db, policy).await, 0);
        settle().await;
        assert_eq!(db.queries(), 1, "not due");
        clock.advance(SECOND);
        settle().await;
        for node in [&a, &b, &a] {
            assert_eq!(node.read_in_background(&db, policy).await, 0, "in the background");
        }
        settle().await;
        assert_eq!(db.queries(), 2, "one refresher");
        assert_eq!((a.read_in_background(&db, policy).await, b.read_in_background(&db, policy).await), (1, 1));
        clock.advance(81 * SECOND);
        settle().await;
        a.read_in_background(&db, policy).await;
        settle().await;
        assert_eq!(db.queries(), 3, "a refresh that has stored its value is not followed by a pause");
    }
}

#[tokio::test]
async fn what_only_the_remote_tier_has_is_refreshed_in_front_without_a_background() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    a.read_by(&db, &AHEAD_REMOTE).await.unwrap();
    db.set(1);
    clock.advance(80 * SECOND);
    settle().await;
    assert_eq!(a.read_by(&db, &AHEAD_REMOTE).await, Ok(1));
    let stats = a.cache.stats();
    assert_eq!((stats.refreshes, stats.hits_remote, stats.misses, db.queries()), (1, 1, 1, 2));
}

#[tokio::test]
async fn background_refreshes_are_bounded_and_stop_when_the_cache_is_closed() {
    let (store, clock, _) = shared();
    let a = Node::on(&store, &clock).await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let running = Arc::new(AtomicU64::new(0));
    /// Counts those that run.
    struct Runs(Arc<AtomicU64>);
    impl Drop for Runs {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let background = || -> futures_util::future::BoxFuture<'static, ()> {
        let (gate, running) = (Arc::clone(&gate), Arc::clone(&running));
        Box::pin(async move {
            running.fetch_add(1, Ordering::SeqCst);
            let _runs = Runs(running);
            let _opened = gate.acquire().await;
        })
    };
    for round in 0..2 {
        for n in 0..100 {
            let key = format!("kv:{n}");
            let read = Read {
                policy: &AHEAD,
                background: Some(&background),
                ..Read::<i64, String>::new(&DIRECT, &key, Some(Wire::<i64>::SERDE))
            };
            a.cache.read(read, deps, async |_| Ok(n)).await.unwrap();
        }
        if round == 0 {
            clock.advance(80 * SECOND);
            settle().await;
            a.wait_for_lease().await;
        }
    }
    settle().await;
    assert_eq!((running.load(Ordering::SeqCst), a.cache.stats().refreshes), (64, 64));
    a.cache.close().await.unwrap();
    assert_eq!(running.load(Ordering::SeqCst), 0);
}
