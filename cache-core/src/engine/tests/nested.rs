//! Values made of cached values, and what else a load may hand on without knowing.

use super::*;
use crate::{
    engine::call::{DIRECT, Deps, Read},
    envelope::Wire,
    memory::{Call, Point},
};

static SWR: PolicyOverride = PolicyOverride {
    ttl: Some(Duration::from_secs(10)),
    stale_while_revalidate: Some(Duration::from_secs(1_000)),
    ..PolicyOverride::NONE
};
static LONG: PolicyOverride = PolicyOverride { ttl: Some(Duration::from_secs(10_000)), ..PolicyOverride::NONE };

fn read<'a>(key: &'a str, policy: &'a PolicyOverride) -> Read<'a, i64, String> {
    Read { policy, ..Read::new(&DIRECT, key, Some(Wire::<i64>::SERDE)) }
}

fn row_deps() -> Deps {
    let mut deps = Deps::new();
    deps.push(Tag::named(ROW));
    deps
}

#[tokio::test]
async fn an_auto_tagged_load_depends_on_what_a_stale_value_within_it_depends_on() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let background = || -> futures_util::future::BoxFuture<'static, ()> { Box::pin(async {}) };
    let inner = async || {
        let read = Read { background: Some(&background), ..read("inner", &SWR) };
        a.cache.read(read, row_deps, |_| db.query()).await
    };
    assert_eq!(inner().await, Ok(0));
    clock.advance(20 * SECOND);
    settle().await;
    a.wait_for_lease().await;
    let outer = async || a.cache.read(read("outer", &LONG), Deps::auto, |_| inner()).await;
    assert_eq!(outer().await, Ok(0));
    a.write(&db, 1).await;
    assert_eq!(outer().await, Ok(1), "own finished write");
}

#[tokio::test]
async fn a_declared_load_does_not_store_an_older_nested_value_under_newer_versions() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let inner_deps = || {
        let mut deps = Deps::new();
        deps.push(Tag::row("user", &["7"]));
        deps
    };
    let outer_deps = || {
        let mut deps = Deps::new();
        deps.push(Tag::table("user"));
        deps
    };
    let inner = async || b.cache.read(read("inner", &LONG), inner_deps, |_| db.query()).await;
    let outer = async || b.cache.read(read("outer", &LONG), outer_deps, |_| inner()).await;
    assert_eq!(inner().await, Ok(0));
    b.memory.pause_bus();
    let mut intent = a.cache.begin_write(vec![Tag::table("user"), Tag::row("user", &["7"])]).await.unwrap();
    intent.hold(async { db.set(1) }).await.unwrap();
    assert!(intent.finish().await.is_done());
    assert_eq!(outer().await, Ok(0), "one bus delivery behind is allowed");
    b.memory.resume_bus();
    settle().await;
    clock.advance(60 * SECOND);
    settle().await;
    b.wait_for_lease().await;
    assert_eq!(inner().await, Ok(1));
    assert_eq!(outer().await, Ok(1), "a minute after delivery");
}

#[tokio::test]
async fn a_removal_missed_while_cut_off_does_not_resurface_when_its_tags_are_verified_by_others() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    assert_eq!(b.cache.get_or_load("other", [ROW], || db.query()).await, Ok(0));
    b.memory.cut_bus();
    assert!(a.cache.remove("row").await.unwrap());
    for _ in 0..20 {
        settle().await;
        clock.advance(Duration::from_millis(100));
    }
    settle().await;
    b.wait_for_lease().await;
    assert_eq!(b.cache.get::<i64>("other").await, Some(0));
    assert_eq!(b.cache.get::<i64>("row").await, None, "removed");
}

#[tokio::test]
async fn a_load_that_nobody_can_watch_is_not_shared_after_a_write() {
    let (store, clock, db) = shared();
    let a = Arc::new(Node::on(&store, &clock).await);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let outer = {
        let (a, db, gate) = (Arc::clone(&a), db.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = async |_| {
                let never = |_: &i64| false;
                let inner = Read { when: Some(&never), ..read("inner", &LONG) };
                let old = a.cache.read(inner, row_deps, |_| db.query()).await;
                let _opened = gate.acquire().await;
                old
            };
            a.cache.read(read("outer", &LONG), Deps::auto, load).await
        })
    };
    settle().await;
    a.write(&db, 1).await;
    let late = {
        let (a, db) = (Arc::clone(&a), db.clone());
        tokio::spawn(async move { a.cache.read(read("outer", &LONG), Deps::auto, |_| db.query()).await })
    };
    settle().await;
    gate.close();
    assert_eq!(outer.await.unwrap(), Ok(0), "began before");
    assert_eq!(late.await.unwrap(), Ok(1), "began after this node's own finished write");
}

#[tokio::test]
async fn an_endless_ttl_is_kept_within_bounds() {
    let (store, clock, _) = shared();
    let a = Node::on(&store, &clock).await;
    a.cache.put("k", 1_i64, [ROW], Duration::MAX).await;
    let wild = PolicyOverride { jitter: Some(7.0), xfetch_beta: Some(f64::INFINITY), ..PolicyOverride::NONE };
    let load = async || Ok::<_, String>(2_i64);
    assert_eq!(a.cache.get_or_load_with("wild", [ROW], &wild, load).await, Ok(2));
    assert_eq!(a.cache.get::<i64>("k").await, Some(1));
}

#[tokio::test]
async fn a_stale_answer_for_an_error_is_not_shared_with_strict_readers_who_came_after_a_write() {
    static GRACE: PolicyOverride = PolicyOverride {
        ttl: Some(Duration::from_secs(10)),
        stale_if_error: Some(Duration::from_secs(30)),
        consistency: Some(Consistency::Strict),
        ..PolicyOverride::NONE
    };
    let (store, clock, db) = shared();
    let (a, b) = (Arc::new(Node::on(&store, &clock).await), Node::on(&store, &clock).await);
    assert_eq!(a.cache.read(read("row", &GRACE), row_deps, |_| db.query()).await, Ok(0));
    clock.advance(15 * SECOND);
    settle().await;
    let held = a.memory.hold(Call::Capture, Point::Before);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let first = {
        let (a, gate) = (Arc::clone(&a), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = async |_| {
                let _opened = gate.acquire().await;
                Err::<i64, _>("slow statement failed".to_owned())
            };
            a.cache.read(read("row", &GRACE), row_deps, load).await
        })
    };
    held.reached().await;
    b.write(&db, 1).await;
    held.open();
    settle().await;
    let second = {
        let (a, db) = (Arc::clone(&a), db.clone());
        tokio::spawn(async move { a.cache.read(read("row", &GRACE), row_deps, |_| db.query()).await })
    };
    settle().await;
    gate.close();
    let first = first.await.unwrap();
    assert!(first.is_err(), "never an invalidated value, not even for an error");
    assert_eq!(second.await.unwrap(), Ok(1), "strict, and began after the write had finished");
}

#[tokio::test]
async fn replicas_are_waited_for_also_after_a_begin_that_failed() {
    let (store, clock, db) = shared();
    let a = Node::built(&store, &clock, |builder| builder.settle(3 * SECOND)).await;
    let b = Node::on(&store, &clock).await;
    a.memory.fail(Call::Begin, 1);
    a.write(&db, 1).await;
    db.set(0); // the replica lags
    b.read(&db).await;
    db.set(1); // and catches up
    clock.advance(60 * SECOND);
    settle().await;
    assert_eq!(b.read(&db).await, 1);
}

#[tokio::test]
async fn a_look_at_the_tiers_is_not_shared_after_an_own_write() {
    let (store, clock, db) = shared();
    let a = Arc::new(Node::on(&store, &clock).await);
    let b = Node::on(&store, &clock).await;
    b.read(&db).await;
    assert_eq!(a.cache.get_or_load("other", [ROW], || db.query()).await, Ok(0));
    let held = a.memory.hold(Call::Fetch, Point::After);
    let first = {
        let (a, db) = (Arc::clone(&a), db.clone());
        tokio::spawn(async move { a.read(&db).await })
    };
    held.reached().await;
    let flight = a.cache.engine().flights.len();
    a.write(&db, 1).await;
    let joined = matches!(
        a.cache.engine().flights.join_or_lead("kv:row", clock.now(), crate::engine::flight::Flight::is_untouched),
        crate::engine::flight::Role::Join(_)
    );
    held.open();
    let _ = first.await;
    assert_eq!(flight, 1);
    assert!(!joined, "a flight that looked before the write may be joined after it");
}

#[tokio::test]
async fn a_value_remembered_by_a_request_is_not_stored_as_a_part_of_a_newer_one() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let inner = async || a.cache.read(read("inner", &LONG), row_deps, |_| db.query()).await;
    let outer = async || a.cache.read(read("outer", &LONG), row_deps, |_| inner()).await;
    a.cache
        .scope(async {
            assert_eq!(inner().await, Ok(0));
            b.write(&db, 1).await;
            let _repeatable = outer().await;
        })
        .await;
    settle().await;
    assert_eq!(inner().await, Ok(1));
    assert_eq!(outer().await, Ok(1), "another request, after the delivery");
}

#[tokio::test]
async fn a_strict_load_is_not_made_of_older_values() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let inner = async || b.cache.read(read("inner", &LONG), row_deps, |_| db.query()).await;
    assert_eq!(inner().await, Ok(0));
    b.memory.pause_bus();
    a.write(&db, 1).await;
    let outer = b.cache.read(read("outer", &STRICT), Deps::new, |_| inner()).await;
    assert_eq!(outer, Ok(1));
}

#[tokio::test]
async fn refreshes_that_store_nothing_come_in_growing_pauses() {
    static AHEAD: PolicyOverride =
        PolicyOverride { ttl: Some(Duration::from_secs(100)), refresh_ahead: Some(0.5), ..PolicyOverride::NONE };
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let background = || -> futures_util::future::BoxFuture<'static, ()> { Box::pin(async {}) };
    let get = async || {
        let read = Read { background: Some(&background), ..read("row", &AHEAD) };
        a.cache.read(read, row_deps, |_| db.query()).await.unwrap()
    };
    get().await;
    clock.advance(60 * SECOND);
    settle().await;
    a.wait_for_lease().await;
    for _ in 0..50 {
        get().await;
        settle().await;
    }
    assert_eq!(a.cache.stats().refreshes, 1);
    clock.advance(Duration::from_millis(100));
    get().await;
    settle().await;
    assert_eq!(a.cache.stats().refreshes, 2);
}

#[tokio::test]
async fn a_tag_written_often_in_an_outage_waits_once() {
    let (store, clock, db) = shared();
    let a = Node::built(&store, &clock, |builder| builder.deferred_tags_max(10)).await;
    a.memory.fail_all();
    for value in 0..100 {
        db.set(value);
        let _deferred = a.cache.invalidate([ROW]).await;
    }
    assert_eq!(a.cache.stats().deferred_tags, 1);
}

#[tokio::test]
async fn closing_lands_the_invalidation_of_a_write_that_was_cancelled() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    a.memory.fail(Call::Begin, 1);
    a.memory.fail(Call::End, 1);
    let intent = a.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
    db.set(1);
    drop(intent);
    let closing = tokio::spawn({
        let cache = a.cache.clone();
        async move { cache.close().await }
    });
    while !closing.is_finished() {
        settle().await;
        clock.advance(Duration::from_millis(10));
    }
    assert!(closing.await.unwrap().is_ok());
    assert_eq!(b.read(&db).await, 1);
}
