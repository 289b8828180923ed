//! What a thread has just read: it answers without the text of a key, and ends with everything that ends an entry.

use std::time::Duration;

use sea_orm::{DbErr, EntityTrait};
use sea_orm_cache::{Cache, CachedConnection, Clock, Tag, cached};

use super::world::{User, World, user};

#[cached(ttl = "5m", invalidate_on = User(id))]
async fn find_user(db: &CachedConnection, id: i32) -> Result<Option<user::Model>, DbErr> {
    User::find_by_id(id).one(db).await
}

/// Depends on what its body uses.
#[cached(ttl = "5m")]
async fn greeting(db: &CachedConnection, id: i32) -> Result<String, DbErr> {
    let user = find_user(db, id).await?;
    Ok(format!("Hello, {}", user.map_or_else(String::new, |user| user.name)))
}

/// The second read of an entry that is in process memory puts it at hand, the third finds it there.
async fn bring_to_hand(world: &World, id: i32) {
    world.loads(find_user(&world.db, id)).await.unwrap();
    for _ in 0..3 {
        world.hits(find_user(&world.db, id)).await.unwrap();
    }
}

#[tokio::test]
async fn everything_that_ends_an_entry_ends_it_at_hand() {
    let clock = Clock::manual();
    let world = World::with(Cache::builder().clock(clock.clone())).await;
    bring_to_hand(&world, 1).await;
    bring_to_hand(&world, 2).await;
    world.rename(1, "renamed").await;
    world.hits(find_user(&world.db, 2)).await.unwrap();
    assert_eq!(world.loads(find_user(&world.db, 1)).await.unwrap().unwrap().name, "renamed");

    bring_to_hand(&world, 3).await;
    assert!(world.cache.invalidate([Tag::row("user", &["3"])]).await.is_done());
    bring_to_hand(&world, 3).await;
    find_user::invalidate(&world.cache, 3).await.unwrap();
    bring_to_hand(&world, 3).await;
    world.cache.purge("*find_user*", |_| ()).await.unwrap();
    bring_to_hand(&world, 3).await;
    assert!(world.cache.clear().await.is_done());
    bring_to_hand(&world, 3).await;
    clock.advance(Duration::from_secs(301));
    bring_to_hand(&world, 3).await;
}

#[tokio::test]
async fn what_is_at_hand_counts_as_a_dependency_of_the_load_that_uses_it() {
    let world = World::new().await;
    bring_to_hand(&world, 1).await;
    let (statements, hello) = world.statements(greeting(&world.db, 1)).await;
    assert_eq!((statements, hello.unwrap().as_str()), (0, "Hello, user-1"), "the user was at hand");
    world.hits(greeting(&world.db, 1)).await.unwrap();
    world.rename(1, "renamed").await;
    assert_eq!(world.loads(greeting(&world.db, 1)).await.unwrap(), "Hello, renamed");
}

#[tokio::test]
async fn a_request_scope_remembers_what_is_at_hand() {
    let world = World::new().await;
    bring_to_hand(&world, 1).await;
    let before = world.cache.stats();
    world
        .cache
        .scope(async {
            find_user(&world.db, 1).await.unwrap();
            find_user(&world.db, 1).await.unwrap();
        })
        .await;
    let after = world.cache.stats();
    assert_eq!((after.hits_local - before.hits_local, after.hits_scope - before.hits_scope), (1, 1));
}

#[tokio::test]
async fn a_write_ends_what_every_thread_has_at_hand() {
    let world = World::new().await;
    bring_to_hand(&world, 1).await;
    let (runtime, db) = (tokio::runtime::Handle::current(), world.db.clone());
    let (ask, questions) = std::sync::mpsc::channel::<()>();
    let (answer, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let other = std::thread::spawn(move || {
        for () in questions {
            let name = runtime.block_on(async { find_user(&db, 1).await.unwrap().unwrap().name });
            answer.send(name).unwrap();
        }
    });
    let mut elsewhere = async || {
        ask.send(()).unwrap();
        answers.recv().await.unwrap()
    };
    for _ in 0..3 {
        assert_eq!(world.hits(elsewhere()).await, "user-1");
    }
    world.rename(1, "renamed").await;
    assert_eq!(world.loads(elsewhere()).await, "renamed");
    assert_eq!(world.hits(find_user(&world.db, 1)).await.unwrap().unwrap().name, "renamed");
    drop(ask);
    other.join().unwrap();
}
