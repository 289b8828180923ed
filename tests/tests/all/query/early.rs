//! Early refresh and stale answers of queries, with a clock that the tests move.

use std::time::Duration;

use sea_orm::EntityTrait;
use sea_orm_cache::{Cache, CacheQuery, Clock, PolicyOverride};

use super::world::{Author, Book, World};

const SECOND: Duration = Duration::from_secs(1);

const STALE: PolicyOverride = PolicyOverride {
    ttl: Some(Duration::from_secs(100)),
    stale_while_revalidate: Some(Duration::from_secs(50)),
    ..PolicyOverride::NONE
};

const AHEAD: PolicyOverride =
    PolicyOverride { ttl: Some(Duration::from_secs(100)), refresh_ahead: Some(0.5), ..PolicyOverride::NONE };

/// Asks for the same in each form there is; returns how many queries that are.
async fn ask(world: &World, policy: PolicyOverride) -> u64 {
    let db = &world.db;
    Author::find_by_id(1).cached(policy).one(db).await.unwrap();
    Author::find().cached(policy).one(db).await.unwrap();
    Author::find().cached(policy).all(db).await.unwrap();
    Author::find().cached(policy).count(db).await.unwrap();
    Author::find().find_with_related(Book).cached(policy).all(db).await.unwrap();
    let pages = Author::find().cached(policy).paginate(db, 2);
    pages.fetch_page(0).await.unwrap();
    6
}

/// Waits until the background work has loaded so often.
async fn loaded(world: &World, times: u64) {
    let all = async {
        while world.cache.stats().fills < times {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(10 * SECOND, all).await.expect("the refreshes come to their end");
}

async fn world() -> (World, Clock) {
    let clock = Clock::manual();
    (World::with(Cache::builder().clock(clock.clone()).jitter(0.0)).await, clock)
}

#[tokio::test]
async fn expired_answers_of_every_form_are_served_and_loaded_anew_behind() {
    let (world, clock) = world().await;
    let forms = ask(&world, STALE).await;
    clock.advance(120 * SECOND);
    ask(&world, STALE).await;
    let stats = world.cache.stats();
    assert_eq!((stats.stale_served, stats.refreshes, stats.misses), (forms, forms, forms));
    loaded(&world, 2 * forms).await;
    world.hits(ask(&world, STALE)).await;
    assert_eq!(world.cache.stats().stale_served, forms, "fresh again");
}

#[tokio::test]
async fn answers_of_every_form_are_refreshed_ahead_of_their_end() {
    let (world, clock) = world().await;
    let forms = ask(&world, AHEAD).await;
    clock.advance(60 * SECOND);
    ask(&world, AHEAD).await;
    let stats = world.cache.stats();
    assert_eq!((stats.hits_local, stats.refreshes, stats.misses), (forms, forms, forms));
    loaded(&world, 2 * forms).await;
    clock.advance(45 * SECOND);
    world.hits(ask(&world, AHEAD)).await;
}

#[tokio::test]
async fn an_invalidated_answer_is_never_served_while_it_is_loaded_anew() {
    let (world, clock) = world().await;
    ask(&world, STALE).await;
    clock.advance(120 * SECOND);
    world.rename(1, "zoe").await;
    let author = Author::find_by_id(1).cached(STALE).one(&world.db).await.unwrap().unwrap();
    assert_eq!((author.name.as_str(), world.cache.stats().stale_served), ("zoe", 0));
}
