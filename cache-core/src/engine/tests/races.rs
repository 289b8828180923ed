//! The classic races: whoever loaded before a write must not be served after it.

use super::*;
use crate::memory::{Call, Point};

#[tokio::test]
async fn a_load_that_a_write_overtakes_is_not_served_afterwards() {
    let (store, clock, db) = shared();
    let a = Arc::new(Node::on(&store, &clock).await);
    let b = Node::on(&store, &clock).await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let reader = {
        let (a, db, gate) = (Arc::clone(&a), db.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = async || {
                let old = db.query().await;
                let _opened = gate.acquire().await;
                old
            };
            a.cache.get_or_load("row", [ROW], load).await
        })
    };
    settle().await;
    b.write(&db, 1).await;
    // Whoever comes now must not be given the load that began before.
    assert_eq!(a.read(&db).await, 1, "joined across an invalidation");
    gate.close();
    assert_eq!(reader.await.unwrap(), Ok(0), "the first reader began before the write");
    assert_eq!((a.read(&db).await, b.read(&db).await), (1, 1), "the overtaken load was stored over the newer one");
    assert_eq!(a.heard("FillRefused"), 1);
}

#[tokio::test]
async fn a_remote_to_local_copy_during_an_invalidation_is_not_served_afterwards() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let b = Arc::new(Node::on(&store, &clock).await);
    a.read(&db).await;
    let gate = b.memory.hold(Call::Fetch, Point::After);
    let reader = {
        let (b, db) = (Arc::clone(&b), db.clone());
        tokio::spawn(async move { b.read(&db).await })
    };
    gate.reached().await;
    a.write(&db, 1).await;
    gate.open();
    assert_eq!(reader.await.unwrap(), 0, "the reader began before the write");
    assert_eq!(b.read(&db).await, 1, "the old value was planted in the local tier");
}

#[tokio::test]
async fn readers_do_not_fill_while_a_write_is_in_flight() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let intent = a.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
    assert_eq!((a.read(&db).await, b.read(&db).await), (0, 0));
    db.set(1);
    assert_eq!((a.read(&db).await, b.read(&db).await), (1, 1), "nothing was filled");
    assert!(intent.finish().await.is_done());
    assert_eq!((a.read(&db).await, b.read(&db).await, db.queries()), (1, 1, 5));
}

#[tokio::test]
async fn a_writer_that_dies_after_the_commit_loses_no_invalidation() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    let intent = a.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
    db.set(1);
    std::mem::forget(intent);
    assert_eq!(b.read(&db).await, 1, "pending: the database answers");
    clock.advance(6 * SECOND);
    assert_eq!((b.read(&db).await, b.read(&db).await), (1, 1));
    assert_eq!(db.queries(), 3, "after the lease the tag is absent, and fills work again");
}

#[tokio::test]
async fn a_cancelled_write_counts_as_committed() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    let intent = a.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
    db.set(1);
    drop(intent);
    settle().await;
    assert_eq!((a.read(&db).await, b.read(&db).await), (1, 1));
    assert_eq!(db.queries(), 2, "the intent was ended in the background");
}

#[tokio::test]
async fn a_commit_waits_until_its_intent_is_known_to_hold() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let mut intent = a.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
    clock.advance(10 * SECOND);
    settle().await;
    b.read(&db).await;
    let during = intent.hold(async { (db.set(1), b.read(&db).await).1 }).await.unwrap();
    assert_eq!(during, 1, "begun anew before the commit: what was filled meanwhile is not served");
    assert!(intent.finish().await.is_done());
    settle().await;
    assert_eq!(b.read(&db).await, 1);
}

#[tokio::test]
async fn strict_readers_share_a_load_that_began_under_the_versions_they_saw() {
    let (store, clock, db) = shared();
    let a = Arc::new(Node::on(&store, &clock).await);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let (a, db, gate) = (Arc::clone(&a), db.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                let load = async || {
                    let _opened = gate.acquire().await;
                    db.query().await
                };
                a.cache.get_or_load_with("row", [ROW], &STRICT, load).await
            })
        })
        .collect();
    settle().await;
    gate.close();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Ok(0));
    }
    assert_eq!(db.queries(), 1);
}

#[tokio::test]
async fn replicas_are_waited_for() {
    let (store, clock, db) = shared();
    let a = Node::built(&store, &clock, |builder| builder.settle(3 * SECOND)).await;
    let b = Node::on(&store, &clock).await;
    b.read(&db).await;
    a.write(&db, 1).await;
    // A replica still answers with the old row.
    db.set(0);
    b.read(&db).await;
    db.set(1);
    assert_eq!(b.read(&db).await, 1, "the old row was not stored");
    settle().await;
    clock.advance(3 * SECOND);
    settle().await;
    let before = db.queries();
    b.read(&db).await;
    b.read(&db).await;
    assert_eq!(db.queries(), before + 1, "settled: fills work again");
}
