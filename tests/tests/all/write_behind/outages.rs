//! The database or Redis stops under load.

use std::time::Duration;

use harness::{Backend, Flow, Proxy, Recorder, RedisServer, unique};
use sea_orm::Database;
use sea_orm_cache::{Backpressure, Cache, Clock, Fsync, WriteBehind, WriteBehindBuilder, WriteBehindJournal};

use super::{
    World,
    flushing::until,
    world::{row, tally},
};

async fn with_redis(url: &str) -> World {
    let (clock, recorder) = (Clock::system(), Recorder::new());
    let cache =
        Cache::builder().redis(url).namespace(unique("outage")).listener(recorder.listener()).build().await.unwrap();
    World::with(Backend::Postgres, cache, clock, recorder).await
}

fn eager(world: &World) -> WriteBehindBuilder<tally::Entity> {
    WriteBehind::builder(&world.db).batch_size(20).flush_interval(Duration::from_millis(10))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stops_under_load_gets_everything_when_it_is_back() {
    let database = Backend::Postgres.database();
    let (address, name) = database.url.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let proxy = Proxy::start(address.parse().unwrap()).await;
    let world = World::on(Backend::Postgres).await;
    // The same table, in another database, behind the proxy.
    let plain = database.connect().await;
    sea_orm::ConnectionTrait::execute(
        &plain,
        &sea_orm::Schema::new(sea_orm::DbBackend::Postgres).create_table_from_entity(tally::Entity),
    )
    .await
    .unwrap();
    let cache = Cache::builder().build().await.unwrap();
    let behind_proxy = format!("postgres://postgres@{}/{name}", proxy.address());
    let db = cache.wrap(Database::connect(&behind_proxy).await.unwrap());
    let tallies = WriteBehind::<tally::Entity>::builder(&db)
        .journal(WriteBehindJournal::Memory)
        .batch_size(20)
        .flush_interval(Duration::from_millis(10))
        .write_deadline(Duration::from_millis(300))
        .retry(Duration::from_millis(10), Duration::from_millis(100))
        .build()
        .await
        .unwrap();
    let writing = tokio::spawn({
        let tallies = tallies.clone();
        async move {
            for id in 0..2_000 {
                tallies.upsert(row(id % 200, 0)).await.unwrap();
                tallies.increment(id % 200, tally::Column::N, 1).await.unwrap();
            }
        }
    });
    until(async || tallies.stats().batches > 3).await;
    // Commits are on their way: the answers are lost, and nobody knows whether they took effect.
    proxy.replies(Flow::Hang);
    until(async || tallies.stats().retries > 0).await;
    proxy.refuse(true);
    writing.await.unwrap();
    let retries = tallies.stats().retries;
    until(async || tallies.stats().retries > retries).await;
    assert!(tallies.pending().await.unwrap() > 0);
    proxy.replies(Flow::Pass);
    proxy.refuse(false);
    tallies.flush().await.unwrap();
    let mut rows = <tally::Entity as sea_orm::EntityTrait>::find().all(&plain).await.unwrap();
    rows.sort_by_key(|row| row.id);
    assert_eq!(rows, (0..200).map(|id| row(id, 1)).collect::<Vec<_>>());
    assert_eq!(tallies.stats().buried, 0, "an outage is not the rows' fault");
    drop(world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_while_redis_stands_still() {
    let redis = RedisServer::start();
    let world = with_redis(&redis.url()).await;
    let fails = eager(&world).backpressure(Backpressure::Fail).build().await.unwrap();
    let waits = eager(&world).backpressure(Backpressure::Wait(Duration::from_secs(60))).build().await.unwrap();
    for id in 0..50 {
        fails.upsert(row(id, 1)).await.unwrap();
    }
    redis.pause();
    let error = fails.increment(1, tally::Column::N, 1_000).await.unwrap_err();
    assert!(error.is_remote(), "{error}");
    let waiting = tokio::spawn({
        let waits = waits.clone();
        async move {
            for id in 0..50 {
                waits.increment(id, tally::Column::N, 10).await?;
            }
            Ok::<_, sea_orm_cache::Error>(())
        }
    });
    until(async || world.recorder.count("FlushFailed") > 0).await;
    assert!(!waiting.is_finished());
    redis.resume();
    waiting.await.unwrap().unwrap();
    waits.flush().await.unwrap();
    let rows = world.rows().await;
    let sums: Vec<i64> = rows.iter().map(|row| row.n).collect();
    assert_eq!(sums.len(), 50);
    // The one that failed may have been accepted: nobody has heard.
    assert!(sums[1] == 11 || sums[1] == 1_011, "{}", sums[1]);
    assert!(sums.iter().enumerate().all(|(id, n)| id == 1 || *n == 11), "{sums:?}");
    for tallies in [fails, waits] {
        tallies.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_sees_what_is_pending_and_its_flush_covers_it() {
    let redis = RedisServer::shared();
    let world = with_redis(&redis.url()).await;
    let patient =
        || eager(&world).batch_size(1_000).flush_interval(Duration::from_secs(3_600)).lease(Duration::from_secs(1));
    let (here, there) = (patient().build().await.unwrap(), patient().build().await.unwrap());
    here.upsert(row(1, 1)).await.unwrap();
    assert_eq!(there.get(1).await.unwrap(), Some(row(1, 1)));
    there.increment(1, tally::Column::N, 2).await.unwrap();
    assert_eq!(here.get(1).await.unwrap(), Some(row(1, 3)));
    assert_eq!((here.pending().await.unwrap(), world.rows().await.len()), (2, 0));
    there.flush().await.unwrap();
    assert_eq!(world.rows().await, [row(1, 3)]);
    here.delete(1).await.unwrap();
    assert_eq!(there.get(1).await.unwrap(), None);
    here.close().await.unwrap();
    assert_eq!(world.rows().await, []);
    there.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_gives_back_what_its_process_had_accepted() {
    let place = tempfile::tempdir().unwrap();
    let world = World::on(Backend::Sqlite).await;
    let journal = WriteBehindJournal::File { directory: place.path().join("journal"), fsync: Fsync::Always };
    let first = world.patient().journal(journal.clone()).build().await.unwrap();
    for id in 0..10 {
        first.upsert(row(id, 1)).await.unwrap();
    }
    let error = world.patient().journal(journal.clone()).build().await.unwrap_err();
    assert!(error.to_string().contains("used by another process"), "{error}");
    first.flush().await.unwrap();
    first.increment(3, tally::Column::N, 5).await.unwrap();
    first.delete(4).await.unwrap();
    // Gone without a word; its tasks end in the background.
    drop(first);
    let mut again = None;
    until(async || {
        again = world.patient().journal(journal.clone()).build().await.ok();
        again.is_some()
    })
    .await;
    let again = again.unwrap();
    assert_eq!(again.pending().await.unwrap() + again.stats().written, 2);
    assert_eq!(again.get(3).await.unwrap(), Some(row(3, 6)));
    again.close().await.unwrap();
    let rows = world.rows().await;
    assert_eq!((rows.len(), rows[3].n), (9, 6));
    drop(again);

    // The last frame is torn, as by a power cut.
    let file = place.path().join("journal/journal");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&bytes[..], &[9, 0, 0, 0, 1, 2]].concat()).unwrap();
    let mut torn = None;
    until(async || {
        torn = world.patient().journal(journal.clone()).build().await.ok();
        torn.is_some()
    })
    .await;
    let torn = torn.unwrap();
    torn.increment(3, tally::Column::N, 1).await.unwrap();
    torn.close().await.unwrap();
    assert_eq!(world.rows().await[3].n, 7, "positions go on where they were");
}
