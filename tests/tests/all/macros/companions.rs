//! The companions of a cached function.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sea_orm::{DbErr, EntityTrait, PaginatorTrait};
use sea_orm_cache::{CachedConnection, cached};
use serde::Serialize;

use super::world::{User, World, user};

#[cached(invalidate_on = User(id))]
async fn find_user(db: &CachedConnection, id: i32) -> Result<Option<user::Model>, DbErr> {
    User::find_by_id(id).one(db).await
}

#[tokio::test]
async fn peek_never_loads() {
    let world = World::new().await;
    assert_eq!(world.hits(find_user::peek(&world.db, 1)).await, None);
    let found = find_user(&world.db, 1).await.unwrap();
    assert_eq!(world.hits(find_user::peek(&world.db, 1)).await, Some(found.clone()));
    assert_eq!(world.hits(find_user::peek(&world.cache, 1)).await, Some(found));
    world.rename(1, "stale").await;
    assert_eq!(world.hits(find_user::peek(&world.db, 1)).await, None);
}

#[tokio::test]
async fn invalidate_removes_one_entry() {
    let world = World::new().await;
    for id in [1, 2] {
        find_user(&world.db, id).await.unwrap();
    }
    find_user::invalidate(&world.cache, 1).await.unwrap();
    world.loads(find_user(&world.db, 1)).await.unwrap();
    world.hits(find_user(&world.db, 2)).await.unwrap();
}

#[cached(invalidate_on = User)]
async fn outer(db: &CachedConnection) -> Result<u64, DbErr> {
    inner(db).await
}

#[cached(invalidate_on = User)]
async fn inner(db: &CachedConnection) -> Result<u64, DbErr> {
    User::find().count(db).await
}

#[tokio::test]
async fn refresh_loads_whatever_is_cached_and_stores() {
    let world = World::new().await;
    world.loads(find_user(&world.db, 1)).await.unwrap();
    world.loads(find_user::refresh(&world.db, 1)).await.unwrap();
    world.hits(find_user(&world.db, 1)).await.unwrap();
    world.loads(outer(&world.db)).await.unwrap();
    world.hits(outer::refresh(&world.db)).await.unwrap();
    assert_eq!(
        world.events("Load").len(),
        5,
        "the function's own body ran, and no other's: find twice, outer twice, inner once"
    );
}

#[derive(Clone, Debug, Serialize)]
enum Order {
    Newest,
    Oldest(u8),
    Between { from: i64, to: Option<i64> },
}

/// Stores nothing, so that the key it uses is told in an event.
#[cached(when = |_| false, tags = ["never"])]
async fn keyed(
    db: &CachedConnection,
    id: i64,
    name: &str,
    maybe: Option<String>,
    list: Vec<(u8, char)>,
    order: &Order,
    map: BTreeMap<String, f64>,
) -> Result<usize, DbErr> {
    let _ = (db, name, maybe, list, order, map);
    Ok(usize::from(id > 0))
}

#[cached(when = |_| false, tags = ["never"], key = "{name}/{id}")]
async fn keyed_by_text(db: &CachedConnection, id: i64, name: &str) -> Result<i64, DbErr> {
    let _ = (db, name);
    Ok(id)
}

fn orders() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Newest),
        any::<u8>().prop_map(Order::Oldest),
        (any::<i64>(), any::<Option<i64>>()).prop_map(|(from, to)| Order::Between { from, to }),
    ]
}

#[test]
fn the_key_of_the_companion_is_the_key_that_is_used() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    proptest!(ProptestConfig::with_cases(64), |(
        id in any::<i64>(), name in ".{0,12}", maybe in any::<Option<String>>(),
        list in proptest::collection::vec(any::<(u8, char)>(), 0..4), order in orders(),
        map in proptest::collection::btree_map(".{0,4}", any::<f64>(), 0..3),
    )| {
        let before = world.events("FillRefused").len();
        runtime.block_on(keyed(&world.db, id, &name, maybe.clone(), list.clone(), &order, map.clone())).unwrap();
        runtime.block_on(keyed_by_text(&world.db, id, &name)).unwrap();
        let events = world.events("FillRefused");
        let [first, second] = &events[before..] else { panic!("two values were not stored: {events:?}") };
        let key = keyed::key(id, &name, maybe, list, &order, map);
        prop_assert!(first.contains(&format!("key: {key:?}")), "{first} is not about {key}");
        let key = keyed_by_text::key(id, &name);
        prop_assert!(second.contains(&format!("key: {key:?}")), "{second} is not about {key}");
    });
}

#[test]
fn own_keys_keep_different_arguments_apart() {
    proptest!(|(a in (any::<i64>(), "[a/:%0-9-]{0,4}"), b in (any::<i64>(), "[a/:%0-9-]{0,4}"))| {
        prop_assert_eq!(a == b, keyed_by_text::key(a.0, &a.1) == keyed_by_text::key(b.0, &b.1));
    });
}
