//! A Redis that refuses: what it refuses is reported, and this node serves nothing that was to be made stale.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use harness::{Recorder, RedisServer, unique};
use sea_orm_cache::{Cache, Invalidation};

/// Waits for something that the background work brings about.
async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not happen within 10 s");
}

#[tokio::test]
async fn an_invalidation_that_redis_refuses_is_not_reported_as_done_and_lands_when_it_may() {
    let server = RedisServer::start();
    let namespace = unique("refused");
    let url = server.acl_user("teller", &["~*", "&*", "+@all", "-del", "-unlink"]);
    let recorder = Recorder::new();
    let build = |url: String| Cache::builder().redis(url).namespace(&namespace).listener(recorder.listener());
    let here = build(url).build().await.unwrap();
    let there = build(server.url()).build().await.unwrap();

    let row = AtomicU64::new(1);
    let read = async |cache: &Cache| {
        let load = async || Ok::<_, Infallible>(row.load(Ordering::SeqCst));
        cache.get_or_load("row", ["row"], load).await.unwrap()
    };
    assert_eq!((read(&here).await, read(&there).await), (1, 1));

    row.store(2, Ordering::SeqCst);
    assert_eq!(here.invalidate(["row"]).await, Invalidation::Deferred);
    assert!(recorder.count("Deferred") >= 1);
    assert_eq!(read(&here).await, 2, "no read on this node serves what was to be made stale");
    assert_eq!(here.stats().deferred_tags, 1);

    server.command(&["ACL", "SETUSER", "teller", "+del", "+unlink"]);
    until("the retry", async || here.stats().deferred_tags == 0).await;
    until("the news on the other node", async || read(&there).await == 2).await;
    assert!(recorder.count("Landed") >= 1);
}

#[tokio::test]
async fn a_redis_that_is_down_at_the_start_is_used_when_it_is_up() {
    let server = RedisServer::start();
    server.kill();
    let cache = Cache::builder().redis(server.url()).namespace(unique("late")).build().await.unwrap();
    let loads = AtomicU64::new(0);
    let read = async || {
        let load = async || Ok::<_, Infallible>(loads.fetch_add(1, Ordering::SeqCst));
        cache.get_or_load("row", ["row"], load).await.unwrap();
    };
    read().await;
    server.restart();
    until("a fill through Redis", async || {
        read().await;
        cache.stats().fills > 0
    })
    .await;
    let before = loads.load(Ordering::SeqCst);
    until("a hit", async || {
        read().await;
        cache.stats().hits_local > 0
    })
    .await;
    assert!(loads.load(Ordering::SeqCst) <= before + 1);
}
