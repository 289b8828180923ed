//! `#[invalidates]`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use harness::RedisServer;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, TransactionTrait};
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, WhenRemoteIsDown, cached, invalidates};
use tokio::sync::Notify;

use super::world::{Post, User, World, post, user};

#[cached(invalidate_on = User(id))]
async fn find_user(db: &CachedConnection, id: i32) -> Result<Option<user::Model>, DbErr> {
    User::find_by_id(id).one(db).await
}

#[cached(invalidate_on = Post(author_id = author))]
async fn posts_of(db: &CachedConnection, author: i32) -> Result<u64, DbErr> {
    use sea_orm::{ColumnTrait, QueryFilter};
    Post::find().filter(post::Column::AuthorId.eq(author)).count(db).await
}

#[cached(tags = ["feed:{id}"])]
async fn feed(db: &CachedConnection, id: i32) -> Result<u64, DbErr> {
    let _ = id;
    Post::find().count(db).await
}

/// Writes where the wrapper does not see it.
async fn rename_behind(db: &DatabaseConnection, id: i32, name: &str) -> Result<(), DbErr> {
    db.execute_unprepared(&format!("UPDATE user SET name = '{name}' WHERE id = {id}")).await?;
    Ok(())
}

#[invalidates(User(id), "feed:{id}")]
async fn rename(db: &CachedConnection, id: i32, name: String) -> Result<String, DbErr> {
    rename_behind(db.inner(), id, &name).await?;
    if name.is_empty() {
        return Err(DbErr::Custom("empty".into()));
    }
    Ok(name)
}

#[invalidates(Post(author_id = author))]
async fn moved(cache: &Cache, author: i32) -> u8 {
    let _ = (cache, author);
    7
}

#[invalidates(User)]
async fn imported(cache: &Cache) {
    let _ = cache;
}

struct Service {
    cache: Cache,
}

impl Service {
    #[invalidates("feed:{id}", cache = self.cache)]
    async fn touch(&self, id: i32) {
        let _ = id;
    }
}

#[tokio::test]
async fn what_is_named_is_stale_afterwards_and_nothing_else() {
    let world = World::new().await;
    for id in [1, 2] {
        find_user(&world.db, id).await.unwrap();
        posts_of(&world.db, id).await.unwrap();
        feed(&world.db, id).await.unwrap();
    }
    assert_eq!(rename(&world.db, 1, "new".into()).await.unwrap(), "new");
    assert_eq!(world.loads(find_user(&world.db, 1)).await.unwrap().unwrap().name, "new");
    world.loads(feed(&world.db, 1)).await.unwrap();
    world.hits(find_user(&world.db, 2)).await.unwrap();
    world.hits(feed(&world.db, 2)).await.unwrap();
    // Posts are declared to depend on their users, by the value of their index column.
    world.loads(posts_of(&world.db, 1)).await.unwrap();
    world.hits(posts_of(&world.db, 2)).await.unwrap();
    assert_eq!(moved(&world.cache, 1).await, 7);
    world.loads(posts_of(&world.db, 1)).await.unwrap();
    world.hits(posts_of(&world.db, 2)).await.unwrap();
    world.hits(find_user(&world.db, 2)).await.unwrap();
    imported(&world.cache).await;
    world.loads(find_user(&world.db, 2)).await.unwrap();
    world.loads(posts_of(&world.db, 2)).await.unwrap();
    Service { cache: world.cache.clone() }.touch(2).await;
    world.loads(feed(&world.db, 2)).await.unwrap();
}

#[tokio::test]
async fn a_failed_body_counts_as_well() {
    let world = World::new().await;
    find_user(&world.db, 1).await.unwrap();
    rename(&world.db, 1, String::new()).await.unwrap_err();
    assert_eq!(world.loads(find_user(&world.db, 1)).await.unwrap().unwrap().name, "");
}

#[invalidates(User(id))]
async fn slowly(db: &CachedConnection, id: i32, written: Arc<Notify>, go_on: Arc<Notify>) -> Result<(), DbErr> {
    rename_behind(db.inner(), id, "slow").await?;
    written.notify_one();
    go_on.notified().await;
    Ok(())
}

#[tokio::test]
async fn nothing_is_stored_while_the_body_runs() {
    let world = World::new().await;
    let (written, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let write = tokio::spawn({
        let (db, written, go_on) = (world.db.clone(), Arc::clone(&written), Arc::clone(&go_on));
        async move { slowly(&db, 1, written, go_on).await }
    });
    written.notified().await;
    for _ in 0..2 {
        assert_eq!(world.loads(find_user(&world.db, 1)).await.unwrap().unwrap().name, "slow");
    }
    go_on.notify_one();
    write.await.unwrap().unwrap();
    world.loads(find_user(&world.db, 1)).await.unwrap();
    world.hits(find_user(&world.db, 1)).await.unwrap();
}

#[invalidates(User(id))]
async fn rename_in(txn: &CachedTransaction, id: i32) -> Result<(), DbErr> {
    let _ = (txn, id);
    Ok(())
}

#[invalidates(User(id))]
async fn rename_anywhere<C: ConnectionTrait>(db: &C, id: i32) -> Result<(), DbErr> {
    let _ = (db, id);
    Ok(())
}

#[tokio::test]
async fn in_a_transaction_it_takes_effect_at_the_commit() {
    let world = World::new().await;
    for generic in [false, true] {
        find_user(&world.db, 1).await.unwrap();
        for commit in [false, true] {
            let txn = world.db.begin().await.unwrap();
            if generic {
                rename_anywhere(&txn, 1).await.unwrap();
            } else {
                rename_in(&txn, 1).await.unwrap();
            }
            assert!(!txn.pending_tags().is_empty());
            world.hits(find_user(&world.db, 1)).await.unwrap();
            if commit {
                txn.commit().await.unwrap();
            } else {
                txn.rollback().await.unwrap();
            }
            if !commit {
                world.hits(find_user(&world.db, 1)).await.unwrap();
            }
        }
        world.loads(find_user(&world.db, 1)).await.unwrap();
    }
    rename_anywhere(&world.db, 1).await.unwrap();
    world.loads(find_user(&world.db, 1)).await.unwrap();
}

#[invalidates(User(id))]
async fn counted(db: &CachedConnection, id: i32, ran: &AtomicBool) -> Result<(), DbErr> {
    let _ = (db, id);
    ran.store(true, Ordering::Relaxed);
    Ok(())
}

#[tokio::test]
async fn a_refused_write_fails_before_its_body() {
    let redis = RedisServer::start();
    let builder = Cache::builder().redis(redis.url()).when_remote_is_down(WhenRemoteIsDown::Refuse);
    let world = World::with(builder).await;
    let ran = AtomicBool::new(false);
    counted(&world.db, 1, &ran).await.unwrap();
    assert!(ran.swap(false, Ordering::Relaxed));
    redis.kill();
    let refused = counted(&world.db, 1, &ran).await.unwrap_err().to_string();
    assert!(refused.contains("refused"), "{refused}");
    assert!(!ran.load(Ordering::Relaxed), "the body did not run");
}

#[tokio::test]
async fn a_body_that_is_dropped_on_its_way_counts_as_well() {
    let world = World::new().await;
    find_user(&world.db, 1).await.unwrap();
    let (written, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    {
        let write = std::pin::pin!(slowly(&world.db, 1, Arc::clone(&written), go_on));
        let heard = std::pin::pin!(written.notified());
        futures_util::future::select(write, heard).await;
    }
    assert_eq!(world.loads(find_user(&world.db, 1)).await.unwrap().unwrap().name, "slow");
}
