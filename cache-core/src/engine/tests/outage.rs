//! The remote tier fails: reads go on, and no invalidation is lost.

use super::*;
use crate::{
    engine::{Invalidation, WhenRemoteIsDown},
    error::ErrorKind,
    memory::Call,
};

#[tokio::test]
async fn reads_go_on_from_the_database() {
    let (store, clock, db) = shared();
    let a = Node::built(&store, &clock, |builder| builder.degraded_ttl(Duration::ZERO)).await;
    a.memory.fail_all();
    assert_eq!((a.read(&db).await, a.read(&db).await, db.queries()), (0, 0, 2));
    assert!(a.cache.stats().remote_errors > 0);
    a.memory.heal();
    clock.advance(SECOND);
    settle().await;
    a.read(&db).await;
    a.read(&db).await;
    assert_eq!(db.queries(), 3);
}

#[tokio::test]
async fn an_invalidation_that_cannot_be_told_says_so_and_lands_later() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.read(&db).await;
    b.read(&db).await;
    a.memory.fail_all();
    db.set(1);
    assert_eq!(a.cache.invalidate([ROW]).await, Invalidation::Deferred);
    assert_eq!(a.cache.stats().deferred_tags, 1);
    assert_eq!(a.read(&db).await, 1, "this node serves nothing that was to be made stale");
    a.memory.heal();
    assert_eq!(a.read(&db).await, 1);
    for _ in 0..20 {
        clock.advance(Duration::from_millis(100));
        settle().await;
    }
    assert_eq!(a.cache.stats().deferred_tags, 0);
    assert_eq!((a.heard("Deferred"), a.heard("Landed")), (1, 1));
    assert_eq!(b.read(&db).await, 1);
}

#[tokio::test]
async fn a_write_during_an_outage_is_refused_if_so_set() {
    let (store, clock, _) = shared();
    let a = Node::built(&store, &clock, |builder| builder.when_remote_is_down(WhenRemoteIsDown::Refuse)).await;
    a.memory.fail(Call::Begin, 1);
    let refused = a.cache.begin_write(vec![Tag::named(ROW)]).await.err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::Unreachable));
    assert!(a.cache.begin_write(vec![Tag::named(ROW)]).await.is_ok());
}

#[tokio::test]
async fn too_many_waiting_tags_collapse_and_nothing_is_lost() {
    let (store, clock, db) = shared();
    let a = Node::built(&store, &clock, |builder| builder.deferred_tags_max(10)).await;
    let b = Node::on(&store, &clock).await;
    b.read(&db).await;
    a.memory.fail(Call::End, u32::MAX);
    db.set(1);
    for n in 0..20 {
        let _deferred = a.cache.invalidate([format!("other{n}")]).await;
    }
    assert_eq!(a.cache.invalidate([ROW]).await, Invalidation::Deferred);
    assert!(a.cache.stats().deferred_tags <= 11);
    a.memory.heal();
    for _ in 0..20 {
        clock.advance(Duration::from_millis(100));
        settle().await;
    }
    assert_eq!(a.cache.stats().deferred_tags, 0);
    assert_eq!(b.read(&db).await, 1);
}

#[tokio::test]
async fn closing_reports_invalidations_that_could_not_land() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    a.read(&db).await;
    a.memory.fail_all();
    let _deferred = a.cache.invalidate([ROW]).await;
    let closing = {
        let cache = a.cache.clone();
        tokio::spawn(async move { cache.close().await })
    };
    for _ in 0..600 {
        clock.advance(Duration::from_millis(10));
        tokio::task::yield_now().await;
    }
    assert_eq!(closing.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn dropping_the_last_clone_ends_the_background_work() {
    let (store, clock, _) = shared();
    let a = Node::on(&store, &clock).await;
    let weak = Arc::downgrade(a.cache.engine());
    drop(a);
    settle().await;
    assert_eq!(weak.strong_count(), 0);
}
