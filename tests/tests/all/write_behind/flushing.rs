//! When flushes happen, and what becomes of the cache and of those who wait.

use std::time::Duration;

use harness::Backend;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use sea_orm_cache::{Backpressure, ErrorKind, Tag};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use super::{
    World,
    world::{row, tally},
};

#[tokio::test]
async fn a_full_batch_is_flushed_and_a_smaller_one_waits_for_its_time() {
    let world = World::on(Backend::Sqlite).await;
    let tallies =
        world.patient().shards(1).batch_size(10).flush_interval(Duration::from_secs(5)).build().await.unwrap();
    for id in 0..10 {
        tallies.upsert(row(id, 1)).await.unwrap();
    }
    until(async || world.rows().await.len() == 10).await;
    tallies.upsert(row(10, 1)).await.unwrap();
    world.clock.advance(Duration::from_millis(4_990));
    settle().await;
    assert_eq!(world.rows().await.len(), 10, "flushed before its time");
    world.clock.advance(Duration::from_millis(20));
    until(async || tallies.stats().batches == 2).await;
    assert_eq!(world.rows().await.len(), 11);
}

#[tokio::test]
async fn entries_that_depend_on_the_rows_are_stale_once_they_are_flushed() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().build().await.unwrap();
    let read = async || -> Result<Vec<tally::Model>, DbErr> {
        let load = async || tally::Entity::find().all(&world.plain).await;
        world.cache.get_or_load("tallies", [Tag::table("tally")], load).await
    };
    assert_eq!(read().await.unwrap(), []);
    tallies.upsert(row(1, 1)).await.unwrap();
    assert_eq!(read().await.unwrap(), [], "what the database says is not stale before it says otherwise");
    let hits = world.cache.stats().hits_local;
    assert_eq!(hits, 1);
    tallies.flush().await.unwrap();
    assert_eq!(read().await.unwrap(), [row(1, 1)]);
    assert_eq!(world.cache.stats().hits_local, hits);
}

#[tokio::test]
async fn close_drains_and_nothing_is_accepted_afterwards() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().build().await.unwrap();
    for id in 0..100 {
        tallies.upsert(row(id, 1)).await.unwrap();
    }
    tallies.close().await.unwrap();
    assert_eq!(world.rows().await.len(), 100);
    let late = tallies.upsert(row(100, 1)).await.map_err(|error| error.kind());
    assert_eq!(late, Err(ErrorKind::Closed));
}

#[tokio::test]
async fn what_is_in_memory_only_is_flushed_after_the_last_handle_is_dropped() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().build().await.unwrap();
    tallies.upsert(row(1, 1)).await.unwrap();
    drop(tallies);
    until(async || world.rows().await.len() == 1).await;
}

#[tokio::test]
async fn a_full_journal_refuses_or_makes_wait() {
    let world = World::on(Backend::Sqlite).await;
    // Without the table nothing can be flushed.
    world.db.execute_unprepared("ALTER TABLE tally RENAME TO hidden").await.unwrap();
    let full = world.patient().shards(1).backlog_max(3).backpressure(Backpressure::Fail).build().await.unwrap();
    for id in 0..3 {
        full.upsert(row(id, 1)).await.unwrap();
    }
    assert_eq!(full.upsert(row(3, 1)).await.map_err(|error| error.kind()), Err(ErrorKind::Full));
    assert_eq!((full.stats().accepted, full.stats().refused), (3, 1));

    let patience = Duration::from_secs(2);
    let waits = world.patient().name("waits").shards(1).backlog_max(3).backpressure(Backpressure::Wait(patience));
    let waits = waits.build().await.unwrap();
    for id in 10..13 {
        waits.upsert(row(id, 1)).await.unwrap();
    }
    let fourth = tokio::spawn({
        let waits = waits.clone();
        async move { waits.upsert(row(13, 1)).await }
    });
    until(async || waits.stats().retries > 0).await;
    assert!(!fourth.is_finished(), "there is no room, and it does not wait");
    world.db.execute_unprepared("ALTER TABLE hidden RENAME TO tally").await.unwrap();
    until(async || {
        world.clock.advance(Duration::from_millis(10));
        fourth.is_finished()
    })
    .await;
    fourth.await.unwrap().unwrap();
    waits.flush().await.unwrap();
    full.flush().await.unwrap();
    assert_eq!(world.rows().await.len(), 7);
    assert_eq!(full.stats().buried + waits.stats().buried, 0);

    world.db.execute_unprepared("ALTER TABLE tally RENAME TO hidden").await.unwrap();
    for id in 20..23 {
        waits.upsert(row(id, 1)).await.unwrap();
    }
    let fourth = tokio::spawn(async move { waits.upsert(row(23, 1)).await.map_err(|error| error.kind()) });
    until(async || {
        world.clock.advance(Duration::from_millis(10));
        fourth.is_finished()
    })
    .await;
    assert_eq!(fourth.await.unwrap(), Err(ErrorKind::Full));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_positions_may_come_from_a_migration_on_every_database() {
    for backend in Backend::ALL {
        let world = World::on(backend).await;
        let manager = SchemaManager::new(&world.plain);
        sea_orm_cache::CreateCacheWriteBehind.up(&manager).await.unwrap();
        sea_orm_cache::create_write_behind_table(&world.plain).await.unwrap();
        let tallies = world.patient().build().await.unwrap();
        tallies.upsert(row(1, 1)).await.unwrap();
        tallies.flush().await.unwrap();
        assert!(positions(&world).await > 0, "{backend:?}");
        tallies.close().await.unwrap();
        assert_eq!(
            positions(&world).await,
            0,
            "{backend:?}: a journal in memory leaves nothing behind when it is closed"
        );
        sea_orm_cache::CreateCacheWriteBehind.down(&manager).await.unwrap();
        assert!(world.plain.execute_unprepared("SELECT * FROM cache_write_behind").await.is_err(), "{backend:?}");
    }
}

async fn positions(world: &World) -> usize {
    let sql = "SELECT journal FROM cache_write_behind";
    let statement = sea_orm::Statement::from_string(world.plain.get_database_backend(), sql);
    world.plain.query_all_raw(statement).await.unwrap().len()
}

#[tokio::test]
async fn nobody_waits_for_a_cache_that_is_closed() {
    let world = World::on(Backend::Sqlite).await;
    let patience = Duration::from_secs(3_600);
    let tallies = world
        .patient()
        .shards(1)
        .backlog_max(1)
        .batch_size(1)
        .backpressure(Backpressure::Wait(patience))
        .build()
        .await
        .unwrap();
    world.plain.execute_unprepared("ALTER TABLE tally RENAME TO hidden").await.unwrap();
    tallies.upsert(row(1, 1)).await.unwrap();
    let waiting = tokio::spawn({
        let tallies = tallies.clone();
        async move { tallies.upsert(row(2, 1)).await.map_err(|error| error.kind()) }
    });
    until(async || tallies.stats().retries > 0).await;
    assert!(!waiting.is_finished());
    world.cache.close().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Err(ErrorKind::Closed));
    assert_eq!(tallies.upsert(row(3, 1)).await.map_err(|error| error.kind()), Err(ErrorKind::Closed));
}

/// Waits until the condition holds. The databases work on threads of their own, so that real time has to pass.
pub(super) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(tokio::time::Instant::now() < patience, "it does not come true");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Lets other tasks run for a while.
pub(super) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
