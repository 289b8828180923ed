//! `#[cached]` on free functions: arguments, results, dependencies.

use std::{sync::Arc, time::Duration};

use harness::RedisServer;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder};
use sea_orm_cache::{Cache, CachedConnection, cached};
use serde::{Serialize, de::DeserializeOwned};

use super::world::{Membership, Post, User, World, membership, post, user};

type DbResult<T> = Result<T, DbErr>;

const TTL: Duration = Duration::from_secs(60);

#[cached(ttl = 300, invalidate_on = "User")]
async fn all_users(db: &CachedConnection) -> Result<Vec<user::Model>, DbErr> {
    User::find().order_by_asc(user::Column::Id).all(db).await
}

#[cached(ttl = "5m", invalidate_on = User(id))]
async fn find_user(db: &CachedConnection, id: i32) -> Result<Option<user::Model>, DbErr> {
    User::find_by_id(id).one(db).await
}

#[cached(ttl = 60, invalidate_on = [Post(author_id = author), "User(author)"])]
async fn posts_of(db: &CachedConnection, author: i32) -> DbResult<Arc<Vec<post::Model>>> {
    Post::find().filter(post::Column::AuthorId.eq(author)).all(db).await.map(Arc::new)
}

#[cached(ttl = TTL, invalidate_on = Membership(user, team))]
async fn role(db: &CachedConnection, user: i32, team: &str) -> DbResult<Option<String>> {
    let found = Membership::find_by_id((user, team.to_owned())).one(db).await?;
    let Some(found) = found else { return Ok(None) };
    Ok(Some(found.role))
}

#[cached(tags = ["feed:{reader.id}", "feeds"])]
async fn feed(db: &CachedConnection, reader: &user::Model, #[allow(unused)] limit: u64) -> DbResult<u64> {
    let _ = limit;
    Post::find().filter(post::Column::AuthorId.ne(reader.id)).count(db).await
}

#[cached]
async fn titles(db: &CachedConnection, author: i32) -> DbResult<Vec<String>> {
    let posts = Post::find().filter(post::Column::AuthorId.eq(author)).all(db).await?;
    Ok(posts.into_iter().map(|post| post.title).collect())
}

#[tokio::test]
async fn a_function_on_a_table_reloads_after_any_write_to_it() {
    let world = World::new().await;
    assert_eq!(world.loads(all_users(&world.db)).await.unwrap().len(), 3);
    assert_eq!(world.hits(all_users(&world.db)).await.unwrap().len(), 3);
    world.rename(2, "renamed").await;
    assert_eq!(world.loads(all_users(&world.db)).await.unwrap()[1].name, "renamed");
    world.retitle(10, "another table").await;
    world.hits(all_users(&world.db)).await.unwrap();
}

#[tokio::test]
async fn a_function_on_a_row_reloads_after_writes_to_that_row_only() {
    let world = World::new().await;
    for id in 1..=2 {
        assert_eq!(world.loads(find_user(&world.db, id)).await.unwrap().unwrap().id, id);
    }
    world.rename(2, "renamed").await;
    world.hits(find_user(&world.db, 1)).await.unwrap();
    assert_eq!(world.loads(find_user(&world.db, 2)).await.unwrap().unwrap().name, "renamed");
}

#[tokio::test]
async fn absence_is_cached_until_the_row_appears() {
    let world = World::new().await;
    assert_eq!(world.loads(find_user(&world.db, 9)).await.unwrap(), None);
    assert_eq!(world.hits(find_user(&world.db, 9)).await.unwrap(), None);
    let born = user::ActiveModel { id: sea_orm::Set(9), name: sea_orm::Set("nine".into()) };
    User::insert(born).exec(&world.db).await.unwrap();
    assert_eq!(world.loads(find_user(&world.db, 9)).await.unwrap().unwrap().name, "nine");
}

#[tokio::test]
async fn a_function_on_an_index_value_reloads_after_writes_to_its_rows_only() {
    let world = World::new().await;
    for author in [1, 2] {
        assert_eq!(world.loads(posts_of(&world.db, author)).await.unwrap().len(), 2);
    }
    world.retitle(20, "new").await;
    let first = world.hits(posts_of(&world.db, 1)).await.unwrap();
    let again = world.hits(posts_of(&world.db, 1)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "what is shared is not cloned");
    assert_eq!(world.loads(posts_of(&world.db, 2)).await.unwrap()[0].title, "new");
    world.rename(1, "also named").await;
    world.loads(posts_of(&world.db, 1)).await.unwrap();
}

#[tokio::test]
async fn a_composite_key_names_one_row() {
    let world = World::new().await;
    assert_eq!(world.loads(role(&world.db, 1, "red")).await.unwrap().as_deref(), Some("lead"));
    assert_eq!(world.loads(role(&world.db, 1, "blue")).await.unwrap(), None);
    let blue = membership::ActiveModel {
        user_id: sea_orm::Set(1),
        team: sea_orm::Set("blue".into()),
        role: sea_orm::Set("guest".into()),
    };
    Membership::insert(blue).exec(&world.db).await.unwrap();
    assert_eq!(world.hits(role(&world.db, 1, "red")).await.unwrap().as_deref(), Some("lead"));
    assert_eq!(world.loads(role(&world.db, 1, "blue")).await.unwrap().as_deref(), Some("guest"));
}

#[tokio::test]
async fn a_free_tag_is_made_of_arguments_and_their_fields() {
    let world = World::new().await;
    let reader = |id| user::Model { id, name: "reader".into() };
    for id in [1, 2] {
        world.loads(feed(&world.db, &reader(id), 5)).await.unwrap();
    }
    assert!(world.cache.invalidate(["feed:1"]).await.is_done());
    world.hits(feed(&world.db, &reader(2), 5)).await.unwrap();
    world.loads(feed(&world.db, &reader(1), 5)).await.unwrap();
    assert!(world.cache.invalidate(["feeds"]).await.is_done());
    world.loads(feed(&world.db, &reader(2), 5)).await.unwrap();
    world.loads(feed(&world.db, &reader(2), 6)).await.unwrap();
}

#[tokio::test]
async fn without_declared_dependencies_the_statements_are_what_counts() {
    let world = World::new().await;
    assert_eq!(world.loads(titles(&world.db, 1)).await.unwrap().len(), 2);
    world.hits(titles(&world.db, 1)).await.unwrap();
    world.rename(2, "not read").await;
    world.hits(titles(&world.db, 1)).await.unwrap();
    world.retitle(10, "read").await;
    assert!(world.loads(titles(&world.db, 1)).await.unwrap().contains(&"read".to_owned()));
}

#[cached(key = "user:{id}", invalidate_on = User(id))]
async fn by_own_key(db: &CachedConnection, id: i32, trace: &str) -> DbResult<Option<user::Model>> {
    assert!(!trace.is_empty());
    User::find_by_id(id).one(db).await
}

#[cached(skip(trace), invalidate_on = User(id))]
async fn by_skipping(db: &CachedConnection, id: i32, trace: &str) -> DbResult<Option<user::Model>> {
    assert!(!trace.is_empty());
    User::find_by_id(id).one(db).await
}

#[tokio::test]
async fn what_is_left_out_of_the_key_does_not_matter() {
    let world = World::new().await;
    world.loads(by_own_key(&world.db, 1, "a")).await.unwrap();
    world.hits(by_own_key(&world.db, 1, "b")).await.unwrap();
    world.loads(by_own_key(&world.db, 2, "b")).await.unwrap();
    world.loads(by_skipping(&world.db, 1, "a")).await.unwrap();
    world.hits(by_skipping(&world.db, 1, "b")).await.unwrap();
    assert_eq!(by_own_key::key(1), "by_own_key:v1:user:1");
    assert_eq!(by_skipping::key(1), "by_skipping:v1:[1]");
}

#[cached(when = |user| user.as_ref().is_some_and(|user| user.id < limit), invalidate_on = User(id))]
async fn when_small(db: &CachedConnection, id: i32, limit: i32) -> DbResult<Option<user::Model>> {
    User::find_by_id(id).one(db).await
}

#[tokio::test]
async fn a_condition_decides_what_is_stored() {
    let world = World::new().await;
    world.loads(when_small(&world.db, 1, 2)).await.unwrap();
    world.hits(when_small(&world.db, 1, 2)).await.unwrap();
    world.loads(when_small(&world.db, 2, 2)).await.unwrap();
    world.loads(when_small(&world.db, 2, 2)).await.unwrap();
    assert_eq!(world.events("FillRefused").len(), 2);
}

/// Neither serialisable nor an error that can be cloned.
#[derive(Clone, Debug, PartialEq)]
struct Opaque(String);

#[derive(Debug)]
enum OwnError {
    Database(#[allow(dead_code)] DbErr),
    Missing,
}

impl From<DbErr> for OwnError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

#[cached(tier = "local", invalidate_on = User(id))]
async fn opaque(db: &CachedConnection, id: i32) -> Result<Opaque, OwnError> {
    let Some(user) = User::find_by_id(id).one(db).await? else {
        return Err(OwnError::Missing);
    };
    Ok(Opaque(user.name))
}

#[tokio::test]
async fn errors_are_returned_and_never_stored() {
    let world = World::new().await;
    for _ in 0..2 {
        assert!(matches!(world.loads(opaque(&world.db, 9)).await, Err(OwnError::Missing)));
    }
    assert_eq!(world.loads(opaque(&world.db, 1)).await.unwrap(), Opaque("user-1".into()));
    assert_eq!(world.hits(opaque(&world.db, 1)).await.unwrap(), Opaque("user-1".into()));
}

#[cached(
    name = "named",
    version = 7,
    codec = "json",
    consistency = "strict",
    jitter = 0.5,
    negative_ttl = "10s",
    ttl = 90
)]
async fn with_everything(db: &CachedConnection, id: i32) -> DbResult<Option<user::Model>> {
    User::find_by_id(id).one(db).await
}

#[cached(tier = "remote", codec = "postcard", jitter = 0, consistency = "bounded")]
async fn remote_only(db: &CachedConnection, id: i32) -> DbResult<Option<user::Model>> {
    User::find_by_id(id).one(db).await
}

#[tokio::test]
async fn name_and_version_are_in_the_key() {
    let world = World::new().await;
    world.loads(with_everything(&world.db, 1)).await.unwrap();
    world.hits(with_everything(&world.db, 1)).await.unwrap();
    assert_eq!(with_everything::key(1), "named:v7:[1]");
}

#[tokio::test]
async fn a_tier_can_be_left_out() {
    let redis = RedisServer::start();
    let world = World::with(Cache::builder().redis(redis.url())).await;
    world.loads(remote_only(&world.db, 1)).await.unwrap();
    world.hits(remote_only(&world.db, 1)).await.unwrap();
    assert_eq!(world.events("Hit").len(), 1);
    assert!(world.events("Hit").iter().all(|event| event.contains("Remote")));
    assert!(redis.keys().iter().any(|key| key.contains("remote_only:v1:[1]")), "{:?}", redis.keys());
    world.loads(opaque(&world.db, 1)).await.unwrap();
    world.hits(opaque(&world.db, 1)).await.unwrap();
    assert!(!redis.keys().iter().any(|key| key.contains("opaque")), "{:?}", redis.keys());
}

#[cached(invalidate_on = User)]
async fn by_name<'a, 'b>(db: &'a CachedConnection, name: &'b str, exact: bool) -> DbResult<Option<user::Model>>
where
    'a: 'b,
{
    let mut query = User::find();
    query =
        if exact { query.filter(user::Column::Name.eq(name)) } else { query.filter(user::Column::Name.contains(name)) };
    query.one(db).await
}

#[cached(invalidate_on = User)]
async fn by_owned_name(
    db: &CachedConnection,
    mut name: String,
    suffix: impl Into<String> + Serialize + Send,
) -> DbResult<Option<user::Model>> {
    name.push_str(&suffix.into());
    User::find().filter(user::Column::Name.eq(name)).one(db).await
}

#[cached(invalidate_on = User(name_id), tags = ["moved:{name}"])]
async fn moved_into_the_body(db: &CachedConnection, name: String, name_id: i32) -> DbResult<(String, i32)> {
    let found = User::find_by_id(name_id).one(db).await?;
    Ok((name, found.map_or(0, |user| user.id)))
}

#[cached(invalidate_on = User)]
async fn destructured(db: &CachedConnection, (low, high): (i32, i32), _: &str) -> DbResult<u64> {
    User::find().filter(user::Column::Id.between(low, high)).count(db).await
}

#[tokio::test]
async fn borrowed_owned_and_destructured_arguments_work() {
    let world = World::new().await;
    world.loads(by_name(&world.db, "user-1", true)).await.unwrap().unwrap();
    world.hits(by_name(&world.db, "user-1", true)).await.unwrap().unwrap();
    world.loads(by_name(&world.db, "user-1", false)).await.unwrap().unwrap();
    world.loads(by_owned_name(&world.db, "user".into(), "-2")).await.unwrap().unwrap();
    world.hits(by_owned_name(&world.db, "user".into(), "-2")).await.unwrap().unwrap();
    assert_eq!(world.loads(moved_into_the_body(&world.db, "x".into(), 2)).await.unwrap(), ("x".into(), 2));
    assert_eq!(world.hits(moved_into_the_body(&world.db, "x".into(), 2)).await.unwrap(), ("x".into(), 2));
    assert_eq!(world.loads(destructured(&world.db, (1, 2), "ignored")).await.unwrap(), 2);
    assert_eq!(world.hits(destructured(&world.db, (1, 2), "other")).await.unwrap(), 2);
    assert_eq!(world.loads(destructured(&world.db, (1, 3), "other")).await.unwrap(), 3);
}

#[cached(tags = ["counts"])]
async fn count_of<E: EntityTrait>(db: &CachedConnection) -> DbResult<u64>
where
    E::Model: Send + Sync,
{
    E::find().count(db).await
}

#[cached(invalidate_on = E)]
async fn first_of<E>(db: &CachedConnection, _marker: std::marker::PhantomData<E>) -> DbResult<Option<E::Model>>
where
    E: EntityTrait,
    E::Model: ModelTrait + Serialize + DeserializeOwned + Sync + 'static,
{
    E::find().one(db).await
}

#[cached(tags = ["counts"])]
async fn repeated<const N: usize>(db: &CachedConnection, word: &str) -> DbResult<String> {
    User::find().count(db).await?;
    Ok(word.repeat(N))
}

#[tokio::test]
async fn type_and_constant_parameters_take_part_in_the_key() {
    let world = World::new().await;
    assert_eq!(world.loads(count_of::<User>(&world.db)).await.unwrap(), 3);
    assert_eq!(world.loads(count_of::<Post>(&world.db)).await.unwrap(), 6);
    assert_eq!(world.hits(count_of::<User>(&world.db)).await.unwrap(), 3);
    assert_ne!(count_of::key::<User>(), count_of::key::<Post>());
    assert!(world.loads(first_of::<User>(&world.db, Default::default())).await.unwrap().is_some());
    assert!(world.hits(first_of::<User>(&world.db, Default::default())).await.unwrap().is_some());
    assert_eq!(world.loads(repeated::<2>(&world.db, "a")).await.unwrap(), "aa");
    assert_eq!(world.loads(repeated::<3>(&world.db, "a")).await.unwrap(), "aaa");
    assert_eq!(world.hits(repeated::<2>(&world.db, "a")).await.unwrap(), "aa");
}

#[tokio::test]
async fn the_futures_can_be_spawned() {
    let world = World::new().await;
    let db = world.db.clone();
    let spawned = tokio::spawn(async move {
        find_user(&db, 1).await?;
        posts_of(&db, 1).await?;
        role(&db, 1, "red").await?;
        titles(&db, 1).await?;
        by_name(&db, "user-1", true).await?;
        by_owned_name(&db, "user".into(), String::from("-2")).await?;
        moved_into_the_body(&db, "x".into(), 2).await?;
        destructured(&db, (1, 2), "").await?;
        count_of::<User>(&db).await?;
        repeated::<2>(&db, "a").await?;
        when_small(&db, 1, 2).await?;
        find_user::refresh(&db, 1).await?;
        find_user::peek(&db, 1).await;
        let _removed = find_user::invalidate(&db, 1).await;
        Ok::<_, DbErr>(())
    });
    spawned.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_function_inside_a_function_has_companions_too() {
    #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Local(u64);

    #[cached(invalidate_on = User)]
    async fn users(db: &CachedConnection) -> DbResult<Local> {
        User::find().count(db).await.map(Local)
    }

    let world = World::new().await;
    assert_eq!(world.loads(users(&world.db)).await.unwrap(), Local(3));
    assert_eq!(world.hits(users::peek(&world.db)).await, Some(Local(3)));
}

mod namesakes {
    pub(super) mod a {
        use super::super::*;
        #[cached(tags = ["x"])]
        pub(in super::super) async fn namesake(db: &CachedConnection, id: i32) -> DbResult<u64> {
            User::find().count(db).await.map(|count| count + u64::from(id.unsigned_abs()))
        }
    }
    pub(super) mod b {
        use super::super::*;
        #[cached(tags = ["x"])]
        pub(in super::super) async fn namesake(db: &CachedConnection, id: i32) -> DbResult<u64> {
            Post::find().count(db).await.map(|count| count + u64::from(id.unsigned_abs()))
        }
    }
}

#[tokio::test]
async fn functions_of_one_name_keep_entries_of_their_own() {
    use namesakes::{a, b};
    let world = World::new().await;
    assert_eq!(world.loads(a::namesake(&world.db, 0)).await.unwrap(), 3);
    assert_eq!(world.loads(b::namesake(&world.db, 0)).await.unwrap(), 6);
    assert_eq!(world.hits(a::namesake(&world.db, 0)).await.unwrap(), 3);
    assert_eq!(world.hits(b::namesake(&world.db, 0)).await.unwrap(), 6);
    assert_ne!(a::namesake::key(0), b::namesake::key(0));
}
