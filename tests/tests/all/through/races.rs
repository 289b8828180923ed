//! The classic races of write-through, each in process memory, on Redis, and with the rule that prevents it left out.

use std::time::Duration;

use harness::Backend;
use sea_orm::{ActiveModelTrait, ConnectionTrait, TransactionTrait};
use sea_orm_cache::{
    __testing::{Call, MemoryStore, Mutation, Point},
    Clock,
};

use super::world::{On, World, new_member, rename};

/// No test waits longer than this for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

async fn patiently<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not take that long")
}

/// A has committed "first", and is about to say so; meanwhile B commits "second", and says so. Returns what is read then.
async fn two_writers(on: On, mutation: Option<Mutation>) -> ([String; 5], (u64, u64)) {
    let world = World::on(on, mutation).await;
    assert_eq!(world.names(1).await, ["ann"; 5]);
    world.a.ends.arm();
    patiently(async {
        let first = rename(&world.a.db, 1, "first");
        let second = async {
            world.a.ends.reached().await;
            rename(&world.b.db, 1, "second").await;
            world.a.ends.open();
        };
        tokio::join!(first, second)
    })
    .await;
    assert!(world.b.stored().0 == 0, "an overlapped write stores nothing either");
    (world.names(1).await, world.a.stored())
}

#[tokio::test]
async fn two_writers_overlap_and_neither_stores_in_memory() {
    assert_eq!(two_writers(On::Memory, None).await, (["second"; 5].map(String::from), (0, 1)));
}

#[tokio::test]
async fn two_writers_overlap_and_neither_stores_on_redis() {
    assert_eq!(two_writers(On::Redis, None).await, (["second"; 5].map(String::from), (0, 1)));
}

#[tokio::test]
async fn two_writers_overlap_and_a_stored_value_would_be_old() {
    for on in [On::Memory, On::Redis] {
        let (names, _) = two_writers(on, Some(Mutation::WriteThroughContested)).await;
        assert_eq!(names[1], "first", "{on:?}: a strict read is stale");
        assert_eq!(names[4], "second");
    }
}

/// A has committed a row, B changes every row by raw SQL before A has ended: B's write does not name A's row.
async fn raw_update(on: On) {
    let world = World::on(on, None).await;
    for new in [false, true] {
        world.a.ends.arm();
        let saved = patiently(async {
            let first = async {
                if new {
                    new_member("new").insert(&world.a.db).await.unwrap()
                } else {
                    rename(&world.a.db, 1, "first").await
                }
            };
            let second = async {
                world.a.ends.reached().await;
                world.b.db.execute_unprepared("UPDATE through_member SET name = 'raw'").await.unwrap();
                world.a.ends.open();
            };
            tokio::join!(first, second).0
        })
        .await;
        assert_eq!(world.names(saved.id).await, ["raw"; 5], "{on:?}");
    }
    // Stored under a version that is dead by then, or not at all.
    assert_eq!(world.a.stored().0 + world.a.stored().1, 2, "{on:?}");
}

#[tokio::test]
async fn a_raw_update_of_every_row_overtakes_a_save_in_memory() {
    raw_update(On::Memory).await;
}

#[tokio::test]
async fn a_raw_update_of_every_row_overtakes_a_save_on_redis() {
    raw_update(On::Redis).await;
}

/// B changes the row that A has inserted, whose key A's tags do not name, before A has captured the row's version.
#[tokio::test]
async fn an_update_between_an_insert_and_the_capture_of_its_row_is_noticed() {
    let store = MemoryStore::shared(Clock::system());
    let (one, two) = (store.node(), store.node());
    let over = ((one.tier(), one.bus()), (two.tier(), two.bus()));
    let world = World::over(Backend::Sqlite, over.0, over.1, |builder| builder).await;
    // So that nothing but the new row's own version has to be asked for.
    rename(&world.a.db, 2, "warm").await;
    assert_eq!(world.names(2).await, ["warm"; 5]);
    let capture = one.hold(Call::Capture, Point::Before);
    patiently(async {
        let insert = new_member("first").insert(&world.a.db);
        let update = async {
            capture.reached().await;
            rename(&world.b.db, 3, "second").await;
            capture.open();
        };
        let (saved, ()) = tokio::join!(insert, update);
        assert_eq!(saved.unwrap().id, 3);
    })
    .await;
    assert_eq!((world.a.stored(), world.a.refusals("Contested")), ((1, 1), 1), "{:?}", world.a.events.all());
    assert_eq!(world.names(3).await, ["second"; 5]);
}

/// A commits, and dies before it has ended its intent.
async fn crash(in_transaction: bool) {
    let clock = Clock::manual();
    let store = MemoryStore::shared(clock.clone());
    let (one, two) = (store.node(), store.node());
    let over = ((one.tier(), one.bus()), (two.tier(), two.bus()));
    let (lease, set) = (Duration::from_secs(5), clock.clone());
    let world =
        World::over(Backend::Sqlite, over.0, over.1, |builder| builder.clock(set.clone()).intent_lease(lease)).await;
    assert_eq!(world.b.member(1).await.unwrap().name, "ann");
    world.a.ends.arm();
    let save = async {
        if in_transaction {
            let txn = world.a.db.begin().await.unwrap();
            rename(&txn, 1, "committed").await;
            txn.commit().await.unwrap();
        } else {
            rename(&world.a.db, 1, "committed").await;
        }
    };
    patiently(async {
        tokio::select! {
            () = save => panic!("its end is held"),
            () = world.a.ends.reached() => one.fail_all(),
        }
    })
    .await;
    // Pending: the database answers, and nothing is kept.
    for _ in 0..2 {
        let (statements, read) = world.statements(world.b.member(1)).await;
        assert_eq!((statements, read.unwrap().name.as_str()), (1, "committed"));
    }
    clock.advance(lease);
    assert_eq!(world.b.member(1).await.unwrap().name, "committed");
    let (statements, read) = world.statements(world.b.member(1)).await;
    assert_eq!(
        (statements, read.unwrap().name.as_str()),
        (0, "committed"),
        "the lease has ended, and it is cached again"
    );
    assert_eq!(world.a.stored().0, 0);
}

#[tokio::test]
async fn a_writer_that_dies_between_its_commit_and_its_end_leaves_nothing_stale() {
    crash(false).await;
    crash(true).await;
}
