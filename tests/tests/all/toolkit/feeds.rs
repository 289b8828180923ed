//! Feeds.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use sea_orm_cache::{
    Cache,
    toolkit::{Feed, FeedCursor, FeedItem, FeedPage},
};

use super::World;

const NOBODY: &[&str] = &[];

fn feed(cache: &Cache) -> Feed {
    Feed::builder(cache, "home").capacity(50).large_above(5).batch(3).build().expect("the settings are good")
}

fn item(id: u64, author: &str) -> FeedItem {
    FeedItem::new(id.to_string(), author, id as f64)
}

fn ids(page: &FeedPage) -> Vec<u64> {
    page.items.iter().map(|item| item.id.parse().expect("ids are numbers")).collect()
}

async fn load(feed: &Feed, reader: &str, items: Vec<FeedItem>) -> FeedPage {
    feed.page(reader, NOBODY, None, 20, async || Ok::<_, String>(items)).await.expect("the loader succeeds")
}

/// A page that must come from the store.
async fn warm(feed: &Feed, reader: &str) -> Vec<u64> {
    let page = feed.read(reader, NOBODY, None, 50).await.expect("a feed can be read");
    assert!(page.warm, "{reader} has no feed");
    ids(&page)
}

/// All pages, of `count` each.
async fn all_pages(feed: &Feed, reader: &str, large: &[&str], count: usize) -> (Vec<u64>, Option<FeedCursor>) {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..200 {
        let page = feed.read(reader, large, after.as_ref(), count).await.expect("a feed can be read");
        assert!(page.items.len() <= count);
        all.extend(ids(&page));
        match page.next {
            Some(next) => after = Some(next.to_string().parse().expect("a cursor survives its text")),
            None => return (all, page.beyond),
        }
    }
    panic!("the pages have no end: {all:?}");
}

pub(super) async fn an_item_is_once_in_each_feed_that_is_there(world: &World) {
    let (own, other) = (feed(&world.cache), feed(&world.other));
    load(&own, "ann", vec![item(1, "joe")]).await;
    load(&own, "bob", vec![]).await;
    for publisher in [&own, &other, &own] {
        let published = publisher.publish(&item(2, "joe"), &["ann", "bob", "cold"]).await.expect("it can be published");
        assert_eq!((published.feeds, published.merged_at_read), (2, false));
    }
    assert_eq!(warm(&other, "ann").await, [2, 1]);
    assert_eq!(warm(&other, "bob").await, [2]);
    let cold = own.read("cold", NOBODY, None, 20).await.expect("a feed can be read");
    assert_eq!((cold.warm, cold.items.len()), (false, 0), "one item does not make a feed");
    assert_eq!(ids(&load(&own, "cold", vec![item(2, "joe"), item(1, "joe")]).await), [2, 1]);
}

pub(super) async fn one_of_many_readers_loads_a_cold_feed(world: &World) {
    let patient =
        |cache| Feed::builder(cache, "home").load_wait(Duration::from_secs(3_600)).build().expect("good settings");
    let (own, other) = (patient(&world.cache), patient(&world.other));
    let loads = AtomicUsize::new(0);
    let read = async |at: usize| {
        let feed = if at.is_multiple_of(2) { &own } else { &other };
        let load = async || {
            loads.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, String>((1..=9).map(|id| item(id, "joe")).collect())
        };
        feed.page("ann", NOBODY, None, 5, load).await.expect("the loader succeeds")
    };
    // Those that wait look again when the clock moves.
    let moving = async {
        loop {
            world.move_clocks(Duration::from_millis(25));
            tokio::task::yield_now().await;
        }
    };
    let reading = join_all((0..16).map(read));
    let pages = tokio::select! { pages = reading => pages, () = moving => Vec::new() };
    assert_eq!(pages.len(), 16);
    for page in pages {
        assert_eq!(ids(&page), [9, 8, 7, 6, 5]);
        assert!(page.warm && page.next.is_some());
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

pub(super) async fn what_is_published_during_a_load_is_not_lost(world: &World) {
    let (own, other) = (feed(&world.cache), feed(&world.other));
    let load = async || {
        // The loader has read the database; then another node commits and publishes.
        let published = other.publish(&item(3, "joe"), &["ann"]).await.expect("it can be published");
        assert_eq!(published.feeds, 1, "a feed that is being loaded takes what comes");
        Ok::<_, String>(vec![item(2, "joe"), item(1, "joe")])
    };
    let page = own.page("ann", NOBODY, None, 20, load).await.expect("the loader succeeds");
    assert_eq!(ids(&page), [3, 2, 1]);
    assert_eq!(warm(&other, "ann").await, [3, 2, 1]);
}

pub(super) async fn what_is_deleted_during_a_load_does_not_come_back(world: &World) {
    let (own, other) = (feed(&world.cache), feed(&world.other));
    let load = async || {
        other.delete(&item(2, "joe"), &["ann"]).await.expect("it can be deleted");
        other.unfollow("ann", "eve").await.expect("she can be unfollowed");
        Ok::<_, String>(vec![item(4, "eve"), item(3, "eva"), item(2, "joe"), item(1, "joe")])
    };
    let page = own.page("ann", NOBODY, None, 20, load).await.expect("the loader succeeds");
    assert_eq!(ids(&page), [3, 1]);
    // Afterwards nothing is held against them.
    other.publish(&item(2, "joe"), &["ann"]).await.expect("it can be published");
    assert_eq!(warm(&other, "ann").await, [3, 2, 1]);
}

pub(super) async fn a_load_that_took_too_long_stores_nothing(world: &World) {
    let lease = Duration::from_millis(30);
    let hasty = Feed::builder(&world.cache, "home").load_lease(lease).build().expect("the settings are good");
    let load = async || {
        world.pass(lease * 2).await;
        Ok::<_, String>(vec![item(1, "joe")])
    };
    let page = hasty.page("ann", NOBODY, None, 20, load).await.expect("the loader succeeds");
    assert_eq!((ids(&page), page.warm), (vec![1], false), "the caller has what was loaded");
    let after = hasty.read("ann", NOBODY, None, 20).await.expect("a feed can be read");
    assert!(!after.warm, "but another may have begun to load since");
    assert_eq!(ids(&load_again(&feed(&world.other)).await), [7]);
}

async fn load_again(feed: &Feed) -> FeedPage {
    load(feed, "ann", vec![item(7, "joe")]).await
}

pub(super) async fn a_feed_keeps_its_newest_items(world: &World) {
    let own = feed(&world.cache);
    load(&own, "ann", vec![]).await;
    for id in 1..=60 {
        own.publish(&item(id, "joe"), &["ann"]).await.expect("it can be published");
    }
    let (all, beyond) = all_pages(&own, "ann", NOBODY, 7).await;
    assert_eq!(all, (11..=60).rev().collect::<Vec<_>>());
    assert_eq!(beyond.and_then(|cursor| cursor.item()), Some(item(11, "joe")), "the rest is in the database");
    own.publish(&item(5, "joe"), &["ann"]).await.expect("an old item can be published");
    assert_eq!(warm(&own, "ann").await.last(), Some(&11));
    // A whole feed has no rest, and one loaded to the brim may have.
    load(&own, "bob", (1..50).map(|id| item(id, "joe")).collect()).await;
    assert_eq!(all_pages(&own, "bob", NOBODY, 50).await, ((1..50).rev().collect(), None));
    load(&own, "eve", (1..=70).map(|id| item(id, "joe")).collect()).await;
    let (all, beyond) = all_pages(&own, "eve", NOBODY, 20).await;
    assert_eq!((all, beyond.is_some()), ((21..=70).rev().collect(), true));
}

pub(super) async fn pages_through_ties_have_no_gap_and_no_duplicate(world: &World) {
    let own = feed(&world.cache);
    // Five scores, ten items each.
    let items: Vec<FeedItem> =
        (0..50).map(|id| FeedItem::new(id.to_string(), "joe", f64::from(id % 5) - 2.0)).collect();
    load(&own, "ann", items.clone()).await;
    let (whole, _) = all_pages(&own, "ann", NOBODY, 50).await;
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 50);
    assert!(whole.windows(2).all(|pair| pair[0] % 5 >= pair[1] % 5), "high scores first: {whole:?}");
    for count in [1, 3, 7, 10, 49] {
        assert_eq!(all_pages(&own, "ann", NOBODY, count).await.0, whole, "pages of {count}");
    }
    // The loader's own pages are the same.
    let cold = own.page("cold", NOBODY, None, 50, async || Ok::<_, String>(items)).await.expect("the loader succeeds");
    assert_eq!(ids(&cold), whole);
}

pub(super) async fn what_comes_and_goes_between_pages_hides_nothing_else(world: &World) {
    let own = feed(&world.cache);
    load(&own, "ann", (1..=30).map(|id| item(id, "joe")).collect()).await;
    let first = own.read("ann", NOBODY, None, 10).await.expect("a feed can be read");
    assert_eq!(ids(&first), (21..=30).rev().collect::<Vec<_>>());
    own.publish(&item(99, "joe"), &["ann"]).await.expect("it can be published");
    // The cursor's own item goes, and one of the next page.
    own.delete(&item(21, "joe"), &["ann"]).await.expect("it can be deleted");
    own.delete(&item(15, "joe"), &["ann"]).await.expect("it can be deleted");
    let second = own.read("ann", NOBODY, first.next.as_ref(), 10).await.expect("a feed can be read");
    assert_eq!(ids(&second), [20, 19, 18, 17, 16, 14, 13, 12, 11, 10]);
}

pub(super) async fn unfollowing_takes_one_authors_items_away(world: &World) {
    let own = feed(&world.cache);
    load(&own, "ann", vec![item(1, "joe"), item(2, "jo"), item(3, "joe"), item(4, "joel"), item(5, "j")]).await;
    assert_eq!(own.unfollow("ann", "joe").await.expect("he can be unfollowed"), 2);
    assert_eq!(warm(&own, "ann").await, [5, 4, 2]);
    assert_eq!(own.unfollow("ann", "joe").await.expect("twice is no error"), 0);
    assert_eq!(own.unfollow("cold", "joe").await.expect("it is no error"), 0);
}

pub(super) async fn following_brings_an_authors_recent_items(world: &World) {
    let (own, other) = (feed(&world.cache), feed(&world.other));
    for id in [1, 3, 5] {
        other.publish(&item(id, "joe"), NOBODY).await.expect("it can be published");
    }
    load(&own, "ann", vec![item(2, "eve"), item(4, "eve")]).await;
    assert_eq!(own.follow("ann", "joe").await.expect("he can be followed"), 3);
    assert_eq!(own.follow("ann", "joe").await.expect("twice is no error"), 3);
    assert_eq!(own.follow("ann", "nobody").await.expect("it is no error"), 0);
    assert_eq!(own.follow("cold", "joe").await.expect("it is no error"), 0);
    assert_eq!(warm(&own, "ann").await, [5, 4, 3, 2, 1]);
    assert!(own.add("ann", &[item(6, "new"), item(4, "eve")]).await.expect("items can be added"));
    assert_eq!(warm(&own, "ann").await, [6, 5, 4, 3, 2, 1]);
}

pub(super) async fn large_authors_are_merged_when_read(world: &World) {
    let (own, other) = (feed(&world.cache), feed(&world.other));
    let many = ["ann", "b", "c", "d", "e", "f"];
    // The feed was loaded with what the star had written until then.
    load(&own, "ann", vec![item(1, "star"), item(2, "joe")]).await;
    for id in [3, 5, 7] {
        let published = other.publish(&item(id, "star"), &many).await.expect("it can be published");
        assert_eq!((published.feeds, published.merged_at_read), (0, true));
    }
    other.publish_large(&item(1, "star")).await.expect("it can be published");
    other.publish(&item(4, "joe"), &["ann"]).await.expect("it can be published");
    assert!(own.is_large(6) && !own.is_large(5));
    assert_eq!(warm(&own, "ann").await, [4, 2, 1], "without naming the star");
    for count in [1, 2, 3, 6, 50] {
        assert_eq!(
            all_pages(&own, "ann", &["star", "silent"], count).await,
            (vec![7, 5, 4, 3, 2, 1], None),
            "pages of {count}"
        );
    }
    other.delete(&item(5, "star"), NOBODY).await.expect("it can be deleted");
    assert_eq!(all_pages(&own, "ann", &["star"], 2).await.0, [7, 4, 3, 2, 1]);
}

pub(super) async fn a_merged_feed_ends_where_a_list_was_cut(world: &World) {
    let own = feed(&world.cache);
    // The star has written 60 items, of which 50 are kept: below the 11th, the star's are missing.
    load(&own, "ann", vec![item(5, "joe"), item(20, "joe"), item(59, "joe")]).await;
    for id in 1..=60 {
        own.publish_large(&item(id * 10, "star")).await.expect("it can be published");
    }
    let (all, beyond) = all_pages(&own, "ann", &["star"], 8).await;
    let expected: Vec<u64> = (11..=60).rev().map(|id| id * 10).collect();
    assert_eq!(all, expected, "joe's are older than what is known of the star");
    assert_eq!(beyond.and_then(|cursor| cursor.item()), Some(item(110, "star")));
    let deep = own.read("ann", &["star"], Some(&item(110, "star").cursor()), 8).await.expect("a feed can be read");
    assert_eq!((deep.items.len(), deep.next, deep.beyond.is_some()), (0, None, true));
}

pub(super) async fn a_deleted_item_is_gone_everywhere(world: &World) {
    let (own, other) = (feed(&world.cache), feed(&world.other));
    let readers = ["a", "b", "c", "d", "e"];
    for reader in readers {
        load(&own, reader, vec![item(1, "joe")]).await;
    }
    own.publish(&item(2, "joe"), &readers).await.expect("it can be published");
    assert_eq!(other.delete(&item(2, "joe"), &readers).await.expect("it can be deleted"), 6, "and the author's list");
    assert_eq!(other.delete(&item(2, "joe"), &readers).await.expect("twice is no error"), 0);
    for reader in readers {
        assert_eq!(warm(&own, reader).await, [1]);
    }
}

pub(super) async fn a_feed_that_nobody_reads_ends(world: &World) {
    let ttl = Duration::from_millis(200);
    let brief = Feed::builder(&world.cache, "home").ttl(ttl).build().expect("the settings are good");
    load(&brief, "ann", vec![item(1, "joe")]).await;
    brief.publish(&item(2, "joe"), &["ann"]).await.expect("it can be published");
    world.pass(ttl * 2).await;
    let page = brief.read("ann", NOBODY, None, 20).await.expect("a feed can be read");
    assert!(!page.warm);
    assert_eq!(ids(&load(&feed(&world.cache), "ann", vec![item(3, "joe")]).await), [3]);
    brief.reset("ann").await.expect("a feed can be dropped");
    assert!(!brief.read("ann", NOBODY, None, 20).await.expect("a feed can be read").warm);
}

pub(super) async fn many_publishers_at_once_lose_nothing(world: &World) {
    let own = feed(&world.cache);
    let other = feed(&world.other);
    load(&own, "ann", vec![]).await;
    let publish = async |at: u64| {
        let publisher = if at.is_multiple_of(2) { &own } else { &other };
        publisher.publish(&item(at, &format!("author {}", at % 7)), &["ann"]).await.expect("it can be published");
    };
    join_all((1..=40).map(publish)).await;
    assert_eq!(warm(&own, "ann").await, (1..=40).rev().collect::<Vec<_>>());
}

pub(super) async fn a_fan_out_to_many_feeds_reaches_all_of_them(world: &World) {
    let own = Feed::builder(&world.cache, "wide").batch(16).build().expect("the settings are good");
    let readers: Vec<String> = (0..100).map(|at| format!("reader {at}")).collect();
    join_all(readers.iter().map(|reader| load(&own, reader, vec![]))).await;
    let published = own.publish(&item(1, "joe"), &readers).await.expect("it can be published");
    assert_eq!(published.feeds, 100);
    for reader in &readers {
        assert_eq!(warm(&own, reader).await, [1]);
    }
    let publishes = world.cache.toolkit_counts().into_iter().find(|count| count.operation == "feed.push");
    assert_eq!(publishes.map(|count| (count.calls, count.errors)), Some((7, 0)), "seven batches");
}
