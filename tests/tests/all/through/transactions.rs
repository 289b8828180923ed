//! Saves inside transactions: stored at the outermost commit, or not at all.

use harness::Backend;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, TransactionTrait};

use super::world::{Member, World, new_member, rename};

const RETURNING: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

#[tokio::test]
async fn the_last_state_of_each_row_is_stored_at_the_outermost_commit_and_not_before() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        world.b.member(1).await;
        let txn = world.a.db.begin().await.unwrap();
        rename(&txn, 1, "an").await;
        let inner = txn.begin().await.unwrap();
        let saved = rename(&inner, 1, "anna").await;
        let new = new_member("eve").insert(&inner).await.unwrap();
        inner.commit().await.unwrap();
        assert_eq!(world.a.stored(), (0, 0), "{backend:?}: nothing is final yet");
        assert_eq!(world.b.member(1).await.unwrap().name, "ann");
        txn.commit().await.unwrap();
        assert_eq!(world.a.stored(), (2, 0), "{backend:?}: {:?}", world.a.events.all());
        for model in [saved, new] {
            let (statements, read) = world.statements(world.b.member(model.id)).await;
            assert_eq!((statements, read), (0, Some(model)), "{backend:?}");
        }
        assert_eq!(world.names(1).await, ["anna"; 5]);
    }
}

#[tokio::test]
async fn what_is_rolled_back_is_dropped() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        let txn = world.a.db.begin().await.unwrap();
        rename(&txn, 1, "undone").await;
        txn.rollback().await.unwrap();
        let txn = world.a.db.begin().await.unwrap();
        let inner = txn.begin().await.unwrap();
        rename(&inner, 1, "undone").await;
        inner.rollback().await.unwrap();
        let dropped = txn.begin().await.unwrap();
        rename(&dropped, 1, "undone").await;
        drop(dropped);
        rename(&txn, 2, "bert").await;
        txn.commit().await.unwrap();
        assert_eq!(world.a.stored(), (1, 0), "{backend:?}: {:?}", world.a.events.all());
        assert_eq!(world.names(1).await, ["ann"; 5]);
        assert_eq!(world.names(2).await, ["bert"; 5]);
    }
}

#[tokio::test]
async fn a_savepoint_of_raw_sql_that_is_rolled_back_takes_what_was_written_away() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        let txn = world.a.db.begin().await.unwrap();
        txn.execute_unprepared("SAVEPOINT here").await.unwrap();
        rename(&txn, 1, "undone").await;
        txn.execute_unprepared("/* back */ ROLLBACK TO SAVEPOINT here").await.unwrap();
        txn.commit().await.unwrap();
        assert_eq!(world.a.stored(), (0, 0), "{backend:?}");
        assert_eq!(world.names(1).await, ["ann"; 5]);
    }
}

#[tokio::test]
async fn later_writes_to_the_same_row_take_the_earlier_value_away() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        for later in [
            "UPDATE through_member SET name = 'raw' WHERE id = 1",
            "UPDATE through_member SET name = 'raw'",
            "DELETE FROM through_ticket; UPDATE through_member SET name = 'raw'",
        ] {
            let txn = world.a.db.begin().await.unwrap();
            rename(&txn, 1, "earlier").await;
            txn.execute_unprepared(later).await.unwrap();
            txn.commit().await.unwrap();
            assert_eq!(world.a.stored(), (0, 0), "{backend:?}: {later}");
            assert_eq!(world.names(1).await, ["raw"; 5], "{backend:?}: {later}");
        }
    }
}

/// PostgreSQL answers the COMMIT of a failed transaction as if all were well, and rolls it back.
#[tokio::test]
async fn a_transaction_in_which_a_statement_failed_stores_nothing() {
    for backend in RETURNING {
        let world = World::new(backend).await;
        let txn = world.a.db.begin().await.unwrap();
        rename(&txn, 1, "doubtful").await;
        txn.execute_unprepared("INSERT INTO nowhere VALUES (1)").await.unwrap_err();
        let _outcome = txn.commit().await;
        let txn = world.a.db.begin().await.unwrap();
        rename(&txn, 1, "doubtful").await;
        txn.inner().execute_unprepared("INSERT INTO nowhere VALUES (1)").await.unwrap_err();
        let _outcome = txn.commit().await;
        assert_eq!(world.a.stored(), (0, 0), "{backend:?}");
        let kept = Member::find_by_id(1).one(world.a.db.inner()).await.unwrap().unwrap().name;
        assert_eq!(world.names(1).await, [kept.as_str(); 5], "{backend:?}");
    }
}
