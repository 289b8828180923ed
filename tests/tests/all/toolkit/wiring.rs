//! The toolkit of a cache: whose store it uses, what a fault looks like, which settings it refuses.

use std::time::Duration;

use futures_util::StreamExt;
use harness::{RedisServer, unique};
use sea_orm_cache::{
    Cache, ErrorKind,
    toolkit::{
        Algorithm, Counters, EventId, Events, Feed, FeedItem, Leaderboard, Lock, RateLimiter, RecentList, Register,
        Sessions, UniqueVisitors, Window,
    },
};

use super::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caches_on_one_redis_and_namespace_share_what_others_do_not() {
    let server = RedisServer::shared();
    let of = async |namespace: &str| {
        let builder = Cache::builder().redis(server.url()).namespace(namespace);
        let patience = Duration::from_secs(20);
        builder.deadlines(patience, patience, patience).build().await.expect("the settings are good")
    };
    let namespace = unique("shop");
    let (one, two, stranger) = (of(&namespace).await, of(&namespace).await, of(&unique("other")).await);
    let sessions = |cache| Sessions::builder(cache).build().expect("the settings are good");
    let id = sessions(&one).create("joe").await.expect("it can be created");
    assert!(sessions(&two).load(&id).await.expect("it can be read").is_some());
    assert!(sessions(&stranger).load(&id).await.expect("it can be read").is_none());
    let counts = two.toolkit_counts();
    assert_eq!(counts.iter().map(|count| (count.operation, count.calls)).collect::<Vec<_>>(), [("sessions.load", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_down_is_an_error_in_time_and_a_feed_asks_the_loader() {
    let server = RedisServer::start();
    let cache = Cache::builder().redis(server.url()).build().await.expect("the settings are good");
    let sessions = Sessions::builder(&cache).build().expect("the settings are good");
    let feed = Feed::builder(&cache, "home").build().expect("the settings are good");
    server.pause();
    let begun = std::time::Instant::now();
    let error = sessions.create("joe").await.expect_err("Redis does not answer");
    assert!(error.is_remote(), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let load = async || Ok::<_, String>(vec![FeedItem::new("1", "joe", 1.0), FeedItem::new("2", "joe", 2.0)]);
    let page = feed.page("ann", &[] as &[&str], None, 1, load).await.expect("the loader succeeds");
    assert_eq!((page.items.len(), page.warm), (1, false));
    let rest = feed.page("ann", &[] as &[&str], page.next.as_ref(), 5, load).await.expect("the loader succeeds");
    assert_eq!((rest.items.first().map(|item| item.id.as_str()), rest.next), (Some("1"), None));
    let counts = cache.toolkit_counts();
    let errors = |operation| counts.iter().find(|count| count.operation == operation).map(|count| count.errors);
    assert_eq!((errors("sessions.create"), errors("feed.read")), (Some(1), Some(2)));
    assert!(cache.stats().remote_errors >= 3);
    server.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_may_not_wait_asks_and_one_that_lost_its_connection_goes_on() {
    let server = RedisServer::start();
    for (user, may_wait) in [("asks", "-xread"), ("waits", "+xread")] {
        let url = server.acl_user(user, &["~*", "&*", "+@all", may_wait]);
        let cache = Cache::builder().redis(url).namespace(user).build().await.expect("the settings are good");
        let events = Events::builder(&cache, "posts").poll(Duration::from_millis(5)).build().expect("they are good");
        let mut tail = Box::pin(events.tail("s", EventId::START));
        let mut next = async |number: u32| loop {
            // A failure is an item; the stream goes on.
            match tail.next().await.expect("a tail has no end") {
                Ok(event) => return assert_eq!(event.json::<u32>().expect("events are numbers"), number),
                Err(error) => assert!(error.is_remote(), "{error}"),
            }
        };
        let append = async |number: u32| while events.append("s", &number).await.is_err() {};
        append(1).await;
        next(1).await;
        let appending = async {
            if user == "waits" {
                while !blocks(&server) {
                    tokio::task::yield_now().await;
                }
            }
            server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            append(2).await;
        };
        futures_util::future::join(next(2), appending).await;
    }
}

/// Whether a client waits for the server.
fn blocks(server: &RedisServer) -> bool {
    let clients: String = redis::from_redis_value(server.command(&["INFO", "clients"])).expect("it is text");
    clients.lines().any(|line| line == "blocked_clients:1")
}

#[tokio::test]
async fn each_wrong_setting_is_named() {
    let world = World::memory().await;
    let cache = &world.cache;
    let zero = Duration::ZERO;
    let second = Duration::from_secs(1);
    let limiter = || RateLimiter::builder(cache, "a");
    let feed = || Feed::builder(cache, "a");
    let sessions = || Sessions::builder(cache);
    let cases = [
        ("name", RateLimiter::builder(cache, "").build().err()),
        ("name", RateLimiter::builder(cache, "a:b").build().err()),
        ("limit", limiter().limit(0, second).build().err()),
        ("window", limiter().limit(1, zero).build().err()),
        ("window", limiter().limit(1, Duration::MAX).build().err()),
        ("limit", limiter().limit(10_001, second).algorithm(Algorithm::SlidingLog).build().err()),
        ("burst", limiter().burst(2).build().err()),
        ("burst", limiter().burst(0).algorithm(Algorithm::Gcra).build().err()),
        ("limit", limiter().limit(1_000_001, second).algorithm(Algorithm::Gcra).build().err()),
        ("name", Sessions::builder(cache).name("x y").build().err()),
        ("idle", sessions().idle(zero).build().err()),
        ("absolute", sessions().absolute(zero).build().err()),
        ("per_user_max", sessions().per_user_max(0).build().err()),
        ("name", Feed::builder(cache, "{}").build().err()),
        ("capacity", feed().capacity(0).build().err()),
        ("batch", feed().batch(0).build().err()),
        ("ttl", feed().ttl(zero).build().err()),
        ("load_lease", feed().load_lease(zero).build().err()),
        ("name", Leaderboard::builder(cache, "").build().err()),
        ("keep", Leaderboard::builder(cache, "a").keep(2).build().err()),
        ("members_max", Leaderboard::builder(cache, "a").members_max(0).build().err()),
        ("length_max", Events::builder(cache, "a").length_max(0).build().err()),
        ("poll", Events::builder(cache, "a").poll(zero).build().err()),
        ("idle", Events::builder(cache, "a").idle(zero).build().err()),
        ("ttl", Lock::new(cache, "a", zero).err()),
        ("ttl", Register::new(cache, "a", zero).err()),
        ("ttl", Counters::new(cache, "a", zero).err()),
        ("ttl", UniqueVisitors::new(cache, "a", Window::Daily, zero).err()),
        ("ttl", RecentList::new(cache, "a", 1, zero).err()),
        ("length_max", RecentList::new(cache, "a", 0, second).err()),
    ];
    for (name, error) in cases {
        let error = error.unwrap_or_else(|| panic!("a wrong {name} was taken"));
        assert_eq!(error.kind(), ErrorKind::Setting);
        assert!(error.to_string().starts_with(name), "{name}: {error}");
    }
}
