//! Rows that the database refuses.

use harness::Backend;
use sea_orm::{ConnectionTrait, EntityTrait};
use sea_orm_cache::{Operation, RetryOutcome};

use super::{
    World,
    world::{named, row, tally},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_row_becomes_a_dead_letter_and_its_neighbours_are_written() {
    for backend in Backend::ALL {
        let world = World::on(backend).await;
        let tallies = world.patient().shards(1).build().await.unwrap();
        tallies.upsert(named(0, "taken")).await.unwrap();
        tallies.flush().await.unwrap();
        for id in 1..100 {
            // Another row has the name: on MySQL an upsert would change that one.
            let put = if id == 37 { named(id, "taken") } else { row(id, 1) };
            tallies.upsert(put).await.unwrap();
        }
        tallies.flush().await.unwrap();
        let rows = world.rows().await;
        assert_eq!(rows.len(), 99, "{backend:?}");
        assert_eq!(rows[0], named(0, "taken"), "{backend:?}");
        assert!(rows.iter().all(|row| row.id != 37), "{backend:?}");
        let letters = tallies.dead_letters(10).await.unwrap();
        assert_eq!(letters.len(), 1, "{backend:?}");
        assert_eq!(letters[0].key.as_ref().ok(), Some(&37));
        assert!(matches!(&letters[0].operation, Ok(Operation::Put(model)) if *model == named(37, "taken")));
        assert!(!letters[0].error.is_empty() && !letters[0].superseded);
        let stats = tallies.stats();
        assert!(stats.buried == 1 && stats.splits >= 5 && stats.retries == 0, "{backend:?}: {stats:?}");
        assert_eq!(world.recorder.count("DeadLetter"), 1);
        assert_eq!(tallies.get(37).await.unwrap(), None, "what is given up is not pending");

        // The way is made free, and it is tried again.
        assert_eq!(tallies.retry(letters[0].id).await.unwrap(), RetryOutcome::Accepted);
        tallies.upsert(row(0, 0)).await.unwrap();
        tallies.flush().await.unwrap();
        assert_eq!(tallies.dead_letters(10).await.unwrap().len(), 1, "{backend:?}: the name was still taken");
        let again = tallies.dead_letters(10).await.unwrap()[0].id;
        assert_eq!(tallies.retry(again).await.unwrap(), RetryOutcome::Accepted);
        tallies.flush().await.unwrap();
        assert_eq!(tallies.dead_letters(10).await.unwrap().len(), 0, "{backend:?}");
        assert_eq!(world.rows().await[37], named(37, "taken"), "{backend:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_increment_out_of_range_is_refused_and_the_others_count() {
    for backend in [Backend::Postgres, Backend::MariaDb] {
        let world = World::on(backend).await;
        let tallies = world.patient().shards(1).build().await.unwrap();
        tallies.upsert(row(1, 1)).await.unwrap();
        tallies.increment(1, tally::Column::Small, 5).await.unwrap();
        tallies.increment(1, tally::Column::Small, i64::from(i32::MAX)).await.unwrap();
        tallies.increment(1, tally::Column::N, 1).await.unwrap();
        tallies.flush().await.unwrap();
        assert_eq!(world.rows().await, [tally::Model { small: 5, ..row(1, 2) }], "{backend:?}");
        let letters = tallies.dead_letters(10).await.unwrap();
        assert_eq!(letters.len(), 1, "{backend:?}");
        assert!(matches!(letters[0].operation, Ok(Operation::Increment { column: tally::Column::Small, .. })));
    }
}

#[tokio::test]
async fn a_dead_letter_does_not_come_back_over_a_newer_operation() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().shards(1).build().await.unwrap();
    tallies.upsert(named(1, "taken")).await.unwrap();
    tallies.upsert(named(2, "taken")).await.unwrap();
    tallies.flush().await.unwrap();
    assert_eq!(world.rows().await, [named(1, "taken")]);
    tallies.upsert(row(2, 5)).await.unwrap();
    let letters = tallies.dead_letters(10).await.unwrap();
    assert!(letters[0].superseded, "a later put was accepted");
    assert_eq!(tallies.retry(letters[0].id).await.unwrap(), RetryOutcome::Superseded);
    tallies.flush().await.unwrap();
    assert_eq!(world.rows().await, [named(1, "taken"), row(2, 5)]);
    assert!(tallies.drop_dead_letter(letters[0].id).await.unwrap());
    assert!(!tallies.drop_dead_letter(letters[0].id).await.unwrap(), "it is gone");
    assert_eq!(tallies.retry(letters[0].id).await.unwrap(), RetryOutcome::Unknown);
}

#[tokio::test]
async fn a_missing_table_is_not_the_rows_fault() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().shards(1).build().await.unwrap();
    world.plain.execute_unprepared("ALTER TABLE tally RENAME TO hidden").await.unwrap();
    tallies.upsert(row(1, 1)).await.unwrap();
    let flushing = tokio::spawn({
        let tallies = tallies.clone();
        async move { tallies.flush().await }
    });
    super::flushing::until(async || tallies.stats().retries > 0).await;
    world.plain.execute_unprepared("ALTER TABLE hidden RENAME TO tally").await.unwrap();
    super::flushing::until(async || {
        world.clock.advance(std::time::Duration::from_millis(10));
        flushing.is_finished()
    })
    .await;
    flushing.await.unwrap().unwrap();
    assert_eq!(tally::Entity::find().all(&world.plain).await.unwrap(), [row(1, 1)]);
    assert!(world.recorder.count("FlushFailed") > 0);
    assert_eq!(tallies.dead_letters(1).await.unwrap().len(), 0);
}
