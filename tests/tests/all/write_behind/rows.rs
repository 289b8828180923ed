//! What the rows are after a flush.

use std::collections::BTreeMap;

use harness::Backend;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::EntityTrait;
use sea_orm_cache::WriteBehind;

use super::{
    World,
    world::{named, row, tally},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_and_delete_end_as_written_on_every_database() {
    for backend in Backend::ALL {
        let world = World::on(backend).await;
        let tallies = world.patient().build().await.unwrap();
        tallies.upsert(row(1, 1)).await.unwrap();
        tallies.delete(1).await.unwrap();
        tallies.upsert(row(1, 3)).await.unwrap();
        tallies.upsert(row(2, 1)).await.unwrap();
        tallies.delete(2).await.unwrap();
        tallies.upsert(row(3, 1)).await.unwrap();
        tallies.upsert(row(3, 2)).await.unwrap();
        assert_eq!(world.rows().await, [], "{backend:?}: flushed too early");
        assert_eq!(tallies.pending().await.unwrap(), 7);
        tallies.flush().await.unwrap();
        assert_eq!(world.rows().await, [row(1, 3), row(3, 2)], "{backend:?}");
        assert_eq!(tallies.pending().await.unwrap(), 0);
        let stats = tallies.stats();
        assert_eq!(
            (stats.accepted, stats.written, stats.rows),
            (7, 7, 3),
            "{backend:?}: coalesced to one operation per row"
        );
        // Rows that are there are replaced.
        tallies.upsert(named(1, "one")).await.unwrap();
        tallies.delete(3).await.unwrap();
        tallies.delete(77).await.unwrap();
        tallies.flush().await.unwrap();
        assert_eq!(world.rows().await, [named(1, "one")], "{backend:?}");
        tallies.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_are_merged_and_stay_behind_their_put_on_every_database() {
    for backend in Backend::ALL {
        let world = World::on(backend).await;
        let tallies = world.patient().build().await.unwrap();
        tally::Entity::insert_many(
            [row(1, 10), row(2, 20), row(3, 30)].map(sea_orm::IntoActiveModel::into_active_model),
        )
        .exec(&world.plain)
        .await
        .unwrap();
        for _ in 0..50 {
            tallies.increment(1, tally::Column::N, 2).await.unwrap();
            tallies.increment(2, tally::Column::Small, 1).await.unwrap();
        }
        tallies.increment(2, tally::Column::N, -25).await.unwrap();
        tallies.upsert(row(3, 100)).await.unwrap();
        tallies.increment(3, tally::Column::N, 11).await.unwrap();
        tallies.increment(4, tally::Column::N, 1).await.unwrap();
        tallies.delete(5).await.unwrap();
        tallies.increment(5, tally::Column::N, 1).await.unwrap();
        tallies.flush().await.unwrap();
        let second = tally::Model { small: 50, ..row(2, -5) };
        assert_eq!(world.rows().await, [row(1, 110), second, row(3, 111)], "{backend:?}");
        assert_eq!(tallies.stats().buried, 0);
        tallies.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_sequence_of_operations_ends_as_if_each_had_been_run_at_once() {
    for (backend, seed) in Backend::ALL.into_iter().zip(100_u64..) {
        let world = World::on(backend).await;
        let tallies = world.patient().batch_size(7).build().await.unwrap();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut model = BTreeMap::new();
        for step in 0..400 {
            operate(&tallies, &mut model, &mut rng).await;
            if rng.random_bool(0.02) {
                tallies.flush().await.unwrap();
                let expected: Vec<_> = model.values().cloned().collect();
                assert_eq!(world.rows().await, expected, "{backend:?}, seed {seed}, step {step}");
            }
            let id = rng.random_range(0..12);
            if rng.random_bool(0.2) {
                assert_eq!(
                    tallies.get(id).await.unwrap().as_ref(),
                    model.get(&id),
                    "{backend:?}, seed {seed}, step {step}"
                );
            }
        }
        tallies.close().await.unwrap();
        assert_eq!(world.rows().await, model.into_values().collect::<Vec<_>>(), "{backend:?}, seed {seed}");
    }
}

async fn operate(tallies: &WriteBehind<tally::Entity>, model: &mut BTreeMap<i32, tally::Model>, rng: &mut StdRng) {
    let id = rng.random_range(0..12);
    let n = rng.random_range(-100..100);
    match rng.random_range(0..10) {
        0..3 => {
            let put = row(id, n);
            tallies.upsert(put.clone()).await.unwrap();
            model.insert(id, put);
        }
        3..5 => {
            tallies.delete(id).await.unwrap();
            model.remove(&id);
        }
        5..8 => {
            tallies.increment(id, tally::Column::N, n).await.unwrap();
            if let Some(row) = model.get_mut(&id) {
                row.n += n;
            }
        }
        _ => {
            tallies.increment(id, tally::Column::Small, 1).await.unwrap();
            if let Some(row) = model.get_mut(&id) {
                row.small += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unique_value_may_move_to_another_row_within_a_batch() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().shards(1).build().await.unwrap();
    tallies.upsert(named(1, "it")).await.unwrap();
    tallies.flush().await.unwrap();
    tallies.upsert(row(1, 0)).await.unwrap();
    tallies.upsert(named(2, "it")).await.unwrap();
    tallies.flush().await.unwrap();
    assert_eq!(world.rows().await, [row(1, 0), named(2, "it")]);
    tallies.delete(2).await.unwrap();
    tallies.upsert(named(1, "it")).await.unwrap();
    tallies.flush().await.unwrap();
    assert_eq!(world.rows().await, [named(1, "it")]);
    assert_eq!((tallies.stats().buried, tallies.stats().batches), (0, 3));
}
