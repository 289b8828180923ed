//! What `get` sees.

use harness::Backend;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel};

use super::{
    World,
    world::{row, tally},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_sees_what_is_pending_on_top_of_what_is_stored() {
    for backend in Backend::ALL {
        let world = World::on(backend).await;
        let tallies = world.patient().build().await.unwrap();
        row(1, 10).into_active_model().insert(&world.plain).await.unwrap();
        assert_eq!(tallies.get(1).await.unwrap(), Some(row(1, 10)));
        tallies.increment(1, tally::Column::N, 5).await.unwrap();
        assert_eq!(tallies.get(1).await.unwrap(), Some(row(1, 15)), "{backend:?}");
        tallies.delete(1).await.unwrap();
        assert_eq!(tallies.get(1).await.unwrap(), None, "{backend:?}: the row is there, and to be deleted");
        tallies.upsert(row(1, 7)).await.unwrap();
        tallies.increment(1, tally::Column::N, 1).await.unwrap();
        assert_eq!(tallies.get(1).await.unwrap(), Some(row(1, 8)));
        tallies.increment(2, tally::Column::N, 1).await.unwrap();
        assert_eq!(tallies.get(2).await.unwrap(), None, "an increment makes no row");
        tallies.flush().await.unwrap();
        assert_eq!(tallies.get(1).await.unwrap(), Some(row(1, 8)), "{backend:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_count_only_grows_for_one_who_reads_while_it_is_flushed() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let world = World::on(backend).await;
        let tallies = world.patient().batch_size(5).build().await.unwrap();
        row(1, 0).into_active_model().insert(&world.plain).await.unwrap();
        let writer = tokio::spawn({
            let tallies = tallies.clone();
            async move {
                for _ in 0..300 {
                    tallies.increment(1, tally::Column::N, 1).await.unwrap();
                }
            }
        });
        let (mut seen, mut reads) = (0, 0);
        while !writer.is_finished() || reads < 20 {
            let now = tallies.get(1).await.unwrap().unwrap().n;
            assert!(now >= seen, "{backend:?}: {seen} was seen before {now}");
            (seen, reads) = (now, reads + 1);
        }
        assert_eq!(tallies.get(1).await.unwrap(), Some(row(1, 300)), "{backend:?}");
        tallies.flush().await.unwrap();
        assert_eq!(tally::Entity::find_by_id(1).one(&world.plain).await.unwrap(), Some(row(1, 300)));
        assert!(tallies.stats().batches > 10, "{:?}", tallies.stats());
    }
}

#[tokio::test]
async fn a_pending_value_is_seen_while_the_database_fails() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().build().await.unwrap();
    tallies.upsert(row(1, 1)).await.unwrap();
    world.plain.execute_unprepared("DROP TABLE tally").await.unwrap();
    assert_eq!(tallies.get(1).await.unwrap(), Some(row(1, 1)));
    let error = tallies.get(2).await.unwrap_err();
    assert_eq!(error.kind(), sea_orm_cache::ErrorKind::Database, "{error}");
}
