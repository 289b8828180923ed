//! Hits, misses, times to live and sharing.

use super::*;
use crate::memory::Call;

#[tokio::test]
async fn one_process_needs_no_redis() {
    let (clock, db) = (Clock::manual(), Database::default());
    let cache = Cache::builder().clock(clock.clone()).jitter(0.0).build().await.unwrap();
    let read = async || cache.get_or_load("row", [ROW], || db.query()).await.unwrap();
    assert_eq!((read().await, read().await, db.queries()), (0, 0, 1));
    db.set(1);
    assert!(cache.invalidate([ROW]).await.is_done());
    assert_eq!((read().await, read().await, db.queries()), (1, 1, 2));
    let stats = cache.stats();
    assert_eq!((stats.hits_local, stats.misses, stats.loads, stats.hits_remote), (2, 2, 2, 0));
}

#[tokio::test]
async fn a_remote_hit_fills_the_local_tier() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.read(&db).await;
    assert_eq!((b.read(&db).await, b.read(&db).await), (0, 0));
    assert_eq!(db.queries(), 1);
    let stats = b.cache.stats();
    assert_eq!((stats.hits_remote, stats.hits_local), (1, 1));
}

#[tokio::test]
async fn a_write_on_one_node_is_read_on_the_other() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.read(&db).await;
    b.read(&db).await;
    a.write(&db, 1).await;
    assert_eq!((a.read(&db).await, b.read(&db).await), (1, 1));
    assert_eq!(db.queries(), 2, "the second reader found what the first had filled");
}

#[tokio::test]
async fn a_copy_that_was_made_stale_is_replaced_in_one_round_trip() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.read(&db).await;
    b.read(&db).await;
    clock.advance(Duration::from_millis(1));
    a.write(&db, 1).await;
    a.read(&db).await;
    let before = b.memory.calls(Call::Fetch);
    assert_eq!(b.read(&db).await, 1);
    assert_eq!(b.memory.calls(Call::Fetch) - before, 1, "the entry comes with the state of the tag");
    assert_eq!((db.queries(), b.cache.stats().hits_remote), (2, 2));
}

#[tokio::test]
async fn a_strict_read_does_not_wait_for_the_bus() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    b.memory.pause_bus();
    a.write(&db, 1).await;
    assert_eq!(b.read(&db).await, 0, "a bounded read is one delivery behind");
    assert_eq!(b.read_strict(&db).await, 1);
    b.memory.resume_bus();
    assert_eq!(b.read(&db).await, 1);
}

#[tokio::test]
async fn a_node_that_is_cut_off_trusts_its_memory_for_the_lease_only() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    b.memory.pause_bus();
    a.write(&db, 1).await;
    clock.advance(SECOND - Duration::from_millis(1));
    assert_eq!(b.read(&db).await, 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(b.read(&db).await, 1, "the lease has run out: every read asks");
}

#[tokio::test]
async fn a_lost_subscription_makes_every_tag_unverified() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    b.memory.pause_bus();
    a.write(&db, 1).await;
    b.memory.cut_bus();
    settle().await;
    b.memory.resume_bus();
    assert_eq!(b.read(&db).await, 1);
    assert_eq!(b.heard("BusLost"), 1);
}

#[tokio::test]
async fn entries_end_with_their_ttl() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    a.read(&db).await;
    let left = a.cache.ttl("row").await.unwrap().unwrap();
    assert_eq!(left, Duration::from_secs(300));
    clock.advance(Duration::from_secs(299));
    settle().await;
    a.read(&db).await;
    assert_eq!(db.queries(), 1);
    clock.advance(SECOND);
    a.read(&db).await;
    assert_eq!(db.queries(), 2);
}

#[tokio::test]
async fn concurrent_callers_share_one_load() {
    let (store, clock, db) = shared();
    let a = Arc::new(Node::on(&store, &clock).await);
    let slow = Arc::new(tokio::sync::Semaphore::new(0));
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let (a, db, slow) = (Arc::clone(&a), db.clone(), Arc::clone(&slow));
            tokio::spawn(async move {
                let load = async || {
                    let _opened = slow.acquire().await;
                    db.query().await
                };
                a.cache.get_or_load("row", [ROW], load).await
            })
        })
        .collect();
    settle().await;
    slow.close();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Ok(0));
    }
    assert_eq!(db.queries(), 1);
    assert_eq!(a.cache.stats().joined, 99);
}

#[tokio::test]
async fn a_cancelled_leader_leaves_the_load_to_the_next() {
    let (store, clock, db) = shared();
    let a = Arc::new(Node::on(&store, &clock).await);
    let leader = {
        let a = Arc::clone(&a);
        tokio::spawn(
            async move { a.cache.get_or_load("row", [ROW], std::future::pending::<Result<i64, String>>).await },
        )
    };
    settle().await;
    let follower = {
        let (a, db) = (Arc::clone(&a), db.clone());
        tokio::spawn(async move { a.read(&db).await })
    };
    settle().await;
    assert!(!follower.is_finished());
    leader.abort();
    assert_eq!(follower.await.unwrap(), 0);
}

#[tokio::test]
async fn an_error_is_returned_and_not_stored() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let failed: Result<i64, String> = a.cache.get_or_load("row", [ROW], || async { Err("down".to_owned()) }).await;
    assert_eq!(failed, Err("down".to_owned()));
    assert_eq!(a.read(&db).await, 0);
    assert_eq!(a.cache.stats().load_errors, 1);
}

#[tokio::test]
async fn a_removed_key_is_gone_on_every_node() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.read(&db).await;
    b.read(&db).await;
    assert!(a.cache.remove("row").await.unwrap());
    assert_eq!((a.cache.get::<i64>("row").await, b.cache.get::<i64>("row").await), (None, None));
}

#[tokio::test]
async fn a_removal_missed_by_a_cut_off_node_is_made_up_for() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    b.read(&db).await;
    b.memory.pause_bus();
    a.cache.remove("row").await.unwrap();
    b.memory.cut_bus();
    settle().await;
    b.memory.resume_bus();
    clock.advance(SECOND);
    settle().await;
    b.wait_for_lease().await;
    assert_eq!(b.cache.get::<i64>("row").await, None);
}

#[tokio::test]
async fn clear_makes_everything_stale_everywhere() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.read(&db).await;
    b.cache.put("other", 5, ["x"], SECOND).await;
    assert_eq!(a.cache.get::<i32>("other").await, Some(5));
    assert!(a.cache.clear().await.is_done());
    assert_eq!((a.cache.get::<i64>("row").await, b.cache.get::<i32>("other").await), (None, None));
}

#[tokio::test]
async fn unreadable_bytes_are_a_miss_an_event_and_a_removal() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    let tier = a.memory.tier();
    let junk = crate::ports::StoreRequest { key: "kv:row", bytes: b"junk", ttl: 60 * SECOND, unlock: None };
    tier.store(&[junk]).await.unwrap();
    assert_eq!(a.cache.get::<i64>("row").await, None);
    assert_eq!(a.heard("Poisoned"), 1);
    assert_eq!(tier.fetch(&["kv:row"], &[]).await.unwrap().entries, [None]);
    assert_eq!(a.read(&db).await, 0);
}

#[tokio::test]
async fn explain_names_the_tag_that_made_an_entry_stale() {
    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    a.read(&db).await;
    assert!(a.cache.explain("kv:row").await.unwrap().is_valid());
    a.write(&db, 1).await;
    clock.advance(SECOND);
    let why = a.cache.explain("kv:row").await.unwrap();
    assert!(!why.is_valid());
    let text = why.to_string();
    assert!(text.contains("#row: Stale (changed 1s ago)"), "{text}");
}

#[tokio::test]
async fn a_purge_removes_what_matches_on_every_node_and_says_how_far_it_is() {
    let (store, clock, _) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    let load = async |key: String| a.cache.get_or_load(&key, ["x"], || async { Ok::<_, String>(1) }).await;
    let keys = (0..2_500).map(|n| format!("old:{n}")).chain(["new:1".to_owned()]);
    let (mut warmed, mut steps) = (0, 0);
    let concurrency = std::num::NonZeroUsize::new(8).unwrap();
    assert_eq!(a.cache.warm(keys, concurrency, load, |done| warmed = done).await, 0);
    assert_eq!(warmed, 2_501);
    assert_eq!(b.cache.get::<i32>("old:7").await, Some(1));
    let done = a.cache.purge("kv:old:*", |_| steps += 1).await.unwrap();
    assert_eq!((done.removed, done.steps), (2_500, steps));
    assert_eq!((a.cache.get::<i32>("old:7").await, b.cache.get::<i32>("old:7").await), (None, None));
    assert_eq!(b.cache.get::<i32>("new:1").await, Some(1));
    assert_eq!(a.cache.remove_many(["new:1", "old:7"]).await.unwrap(), 1);
    assert_eq!(b.cache.get::<i32>("new:1").await, None);
}

#[tokio::test]
async fn within_a_request_a_key_is_asked_once_and_own_writes_are_seen() {
    let (store, clock, db) = shared();
    let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
    a.cache
        .scope(async {
            assert_eq!(a.read(&db).await, 0);
            b.write(&db, 1).await;
            assert_eq!(a.read(&db).await, 0, "all parts of a page agree");
            assert_eq!(a.read_strict(&db).await, 1, "a strict read asks");
            a.write(&db, 2).await;
            assert_eq!(a.read(&db).await, 2, "own writes are seen");
        })
        .await;
    assert_eq!(a.cache.stats().hits_scope, 1);
    assert_eq!(a.read(&db).await, 2);
}

#[tokio::test]
async fn without_a_remote_tier_what_is_meant_for_it_is_kept_in_memory() {
    let db = Database::default();
    let remote = PolicyOverride { tier: Some(crate::policy::TierChoice::Remote), ..PolicyOverride::NONE };
    let cache = Cache::builder().build().await.unwrap();
    for _ in 0..2 {
        cache.get_or_load_with("row", [ROW], &remote, || db.query()).await.unwrap();
    }
    assert_eq!(db.queries(), 1);

    let (store, clock, db) = shared();
    let a = Node::on(&store, &clock).await;
    for _ in 0..2 {
        a.cache.get_or_load_with("row", [ROW], &remote, || db.query()).await.unwrap();
    }
    let stats = a.cache.stats();
    assert_eq!((db.queries(), stats.hits_remote, stats.hits_local), (1, 1, 0));
}
