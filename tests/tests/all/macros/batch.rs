//! `#[cached(batch = ids)]`: one call answers for many ids.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use harness::{RedisServer, unique};
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, TransactionTrait};
use sea_orm_cache::{
    __testing::{MemoryStore, RemoteTier, connect},
    Cache, CachedConnection, Clock, RedisSettings, cached,
};

use super::{
    counted::{Counted, Trips},
    world::{Post, User, World, post, user},
};

/// The ids that each call of a body was handed.
#[derive(Default)]
struct Log(Mutex<Vec<Vec<i32>>>);

impl Log {
    fn note(&self, ids: &[i32]) {
        self.0.lock().unwrap().push(ids.to_vec());
    }

    /// Since the last look.
    fn take(&self) -> Vec<Vec<i32>> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn find(db: &CachedConnection, ids: &[i32]) -> Result<Vec<user::Model>, DbErr> {
    User::find().filter(user::Column::Id.is_in(ids.iter().copied())).all(db).await
}

#[cached(ttl = "5m", batch = ids, invalidate_on = User(ids), skip(log))]
async fn users(db: &CachedConnection, ids: &[i32], log: &Log) -> Result<HashMap<i32, user::Model>, DbErr> {
    log.note(ids);
    Ok(find(db, ids).await?.into_iter().map(|user| (user.id, user)).collect())
}

/// In Redis only, so that every read asks it.
#[cached(batch = ids, invalidate_on = User(ids), tier = "remote", skip(log))]
async fn remote_users(db: &CachedConnection, ids: &[i32], log: &Log) -> Result<HashMap<i32, user::Model>, DbErr> {
    log.note(ids);
    Ok(find(db, ids).await?.into_iter().map(|user| (user.id, user)).collect())
}

/// A list of its own, an argument that is moved, and a sorted map.
#[cached(batch = ids, invalidate_on = User(ids), tags = ["greeting:{greeting}:{ids}"])]
async fn greetings(db: &CachedConnection, greeting: String, mut ids: Vec<i32>) -> Result<BTreeMap<i32, String>, DbErr> {
    ids.sort_unstable();
    let found = find(db, &ids).await?;
    let greet = move |name: &str| format!("{greeting}, {name}");
    Ok(found.into_iter().map(|user| (user.id, greet(&user.name))).collect())
}

/// All posts of each author: what is not in the map is known to be missing as well.
#[expect(clippy::ptr_arg, reason = "this form is taken, too")]
#[cached(batch = authors, invalidate_on = Post(author_id = authors), when = |posts| posts.len() < 3)]
async fn posts_of(db: &CachedConnection, authors: &Vec<i32>) -> Result<HashMap<i32, Vec<post::Model>>, DbErr> {
    let mut all: HashMap<i32, Vec<post::Model>> = HashMap::new();
    for post in Post::find().filter(post::Column::AuthorId.is_in(authors.iter().copied())).all(db).await? {
        all.entry(post.author_id).or_default().push(post);
    }
    Ok(all)
}

/// Without dependencies of its own: those of the statements.
#[cached(batch = ids, name = "by_statements", key = "{ids}")]
async fn by_statements(db: &CachedConnection, ids: &[i32]) -> Result<HashMap<i32, String>, DbErr> {
    Ok(find(db, ids).await?.into_iter().map(|user| (user.id, user.name)).collect())
}

struct Repository {
    db: CachedConnection,
    suffix: String,
}

impl Repository {
    #[cached(cache = self.db, batch = ids, key = "{self.suffix}:{ids}", invalidate_on = User(ids))]
    async fn names(&self, ids: &[i32]) -> Result<HashMap<i32, String>, DbErr> {
        let found = find(&self.db, ids).await?;
        Ok(found.into_iter().map(|user| (user.id, format!("{}{}", user.name, self.suffix))).collect())
    }
}

fn ids(map: &HashMap<i32, user::Model>) -> Vec<i32> {
    let mut ids: Vec<i32> = map.keys().copied().collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn one_call_of_the_body_loads_what_is_missing() {
    let (world, log) = (World::new().await, Log::default());
    let first = world.loads(users(&world.db, &[2, 9, 1, 2], &log)).await.unwrap();
    assert_eq!((ids(&first), log.take()), (vec![1, 2], vec![vec![2, 9, 1]]));
    let again = world.hits(users(&world.db, &[1, 2, 9], &log)).await.unwrap();
    assert_eq!(again, first);
    let more = world.loads(users(&world.db, &[3, 2, 1], &log)).await.unwrap();
    assert_eq!((ids(&more), log.take()), (vec![1, 2, 3], vec![vec![3]]));
    assert!(world.hits(users(&world.db, &[], &log)).await.unwrap().is_empty());
    let stats = world.cache.stats();
    assert_eq!((stats.loads, stats.misses, stats.fills, stats.hits_local), (2, 4, 4, 5));
    assert_eq!((world.events("Load").len(), world.events("Hit").len()), (2, 5));
}

#[tokio::test]
async fn a_write_makes_stale_the_entry_of_its_row_only() {
    let (world, log) = (World::new().await, Log::default());
    users(&world.db, &[1, 2, 3, 4], &log).await.unwrap();
    log.take();
    world.rename(2, "new").await;
    let found = world.loads(users(&world.db, &[1, 2, 3, 4], &log)).await.unwrap();
    assert_eq!((found[&2].name.as_str(), log.take()), ("new", vec![vec![2]]));
    let born = user::ActiveModel { id: Set(4), name: Set("born".into()) };
    User::insert(born).exec(&world.db).await.unwrap();
    let found = world.loads(users(&world.db, &[1, 2, 3, 4], &log)).await.unwrap();
    assert_eq!((found[&4].name.as_str(), log.take()), ("born", vec![vec![4]]), "an absent row depends on births");
}

#[tokio::test]
async fn the_companions_work_on_many_ids() {
    let (world, log) = (World::new().await, Log::default());
    assert!(users::key(7).ends_with("users:v1:[7]"));
    users(&world.db, &[1, 2, 9], &log).await.unwrap();
    assert_eq!(ids(&world.hits(users::peek_many(&world.cache, &[1, 3, 9])).await), [1]);
    users::invalidate_many(&world.db, &[1, 9]).await.unwrap();
    log.take();
    world.loads(users(&world.db, &[1, 2, 9], &log)).await.unwrap();
    assert_eq!(log.take(), [[1, 9]]);
    world.loads(users::refresh_many(&world.db, &[1, 2], &log)).await.unwrap();
    assert_eq!(log.take(), [[1, 2]]);
    world.hits(users(&world.db, &[1, 2], &log)).await.unwrap();
}

#[tokio::test]
async fn many_entries_of_a_function_of_one_id_are_removed_at_once() {
    #[cached(invalidate_on = User(id))]
    async fn name(db: &CachedConnection, id: i32, upper: bool) -> Result<Option<String>, DbErr> {
        let name = User::find_by_id(id).one(db).await?.map(|user| user.name);
        Ok(if upper { name.map(|name| name.to_uppercase()) } else { name })
    }
    let world = World::new().await;
    for id in 1..=3 {
        name(&world.db, id, false).await.unwrap();
    }
    name::invalidate_many(&world.db, vec![(1, false), (2, false), (3, true)]).await.unwrap();
    world.loads(name(&world.db, 1, false)).await.unwrap();
    world.loads(name(&world.db, 2, false)).await.unwrap();
    world.hits(name(&world.db, 3, false)).await.unwrap();
}

#[tokio::test]
async fn lists_of_any_form_and_other_arguments_are_part_of_the_key() {
    let world = World::new().await;
    let hello = || greetings(&world.db, "Hello".into(), vec![3, 1]);
    assert_eq!(world.loads(hello()).await.unwrap()[&3], "Hello, user-3");
    world.hits(hello()).await.unwrap();
    assert_eq!(world.loads(greetings(&world.db, "Bye".into(), vec![1])).await.unwrap()[&1], "Bye, user-1");
    assert!(world.cache.invalidate(["greeting:Hello:1"]).await.is_done());
    assert_eq!(world.loads(hello()).await.unwrap().len(), 2);
    world.hits(greetings(&world.db, "Bye".into(), vec![1])).await.unwrap();
    let repository = Repository { db: world.db.clone(), suffix: "!".into() };
    assert_eq!(world.loads(repository.names(&[1, 2])).await.unwrap()[&2], "user-2!");
    assert_eq!(world.hits(repository.names_peek_many(&[1, 2, 3])).await.len(), 2);
    let loud = Repository { db: world.db.clone(), suffix: "!!".into() };
    assert_eq!(world.loads(loud.names(&[1])).await.unwrap()[&1], "user-1!!");
}

#[tokio::test]
async fn a_value_may_be_a_list_and_a_condition_is_about_each() {
    let world = World::new().await;
    let authors = vec![1, 2, 7];
    assert_eq!(world.loads(posts_of(&world.db, &authors)).await.unwrap().len(), 2);
    world.hits(posts_of(&world.db, &authors)).await.unwrap();
    world.retitle(20, "new").await;
    let stale = world.loads(posts_of(&world.db, &authors)).await.unwrap();
    assert_eq!((stale[&2].len(), world.cache.stats().fills), (2, 4));
    let third = post::ActiveModel { id: Set(23), author_id: Set(2), title: Set("third".into()) };
    Post::insert(third).exec(&world.db).await.unwrap();
    assert_eq!(world.loads(posts_of(&world.db, &authors)).await.unwrap()[&2].len(), 3);
    assert_eq!(world.loads(posts_of(&world.db, &authors)).await.unwrap()[&2].len(), 3, "the condition says no");
    assert_eq!(world.events("FillRefused").len(), 2);
}

#[tokio::test]
async fn without_dependencies_each_depends_on_what_the_statements_read() {
    let world = World::new().await;
    world.loads(by_statements(&world.db, &[1, 2])).await.unwrap();
    world.hits(by_statements(&world.db, &[2, 1])).await.unwrap();
    world.rename(3, "other").await;
    world.hits(by_statements(&world.db, &[1, 2])).await.unwrap();
    world.rename(1, "new").await;
    assert_eq!(world.loads(by_statements(&world.db, &[1, 2])).await.unwrap()[&1], "new");
}

#[tokio::test]
async fn inside_a_transaction_the_body_gets_the_ids_as_they_are() {
    #[cached(batch = ids, invalidate_on = User(ids), connection = db, skip(log))]
    async fn users_in(
        db: &sea_orm_cache::CachedTransaction,
        ids: &[i32],
        log: &Log,
    ) -> Result<HashMap<i32, String>, DbErr> {
        log.note(ids);
        let found = User::find().filter(user::Column::Id.is_in(ids.iter().copied())).all(db).await?;
        Ok(found.into_iter().map(|user| (user.id, user.name)).collect())
    }
    let (world, log) = (World::new().await, Log::default());
    let txn = world.db.begin().await.unwrap();
    for _ in 0..2 {
        assert_eq!(users_in(&txn, &[2, 2, 9], &log).await.unwrap().len(), 1);
    }
    txn.commit().await.unwrap();
    assert_eq!(log.take(), [[2, 2, 9], [2, 2, 9]]);
    assert_eq!((world.cache.stats().bypasses, world.cache.stats().fills), (2, 0));
}

/// A read of three ids costs Redis one round trip, whether they are there or not.
async fn round_trips(tier: Arc<dyn RemoteTier>, bus: Arc<dyn sea_orm_cache::__testing::Bus>) {
    let (trips, log) = (Arc::new(Trips::default()), Log::default());
    let counted = Counted { tier, trips: Arc::clone(&trips) };
    let world = World::with(Cache::builder().ports(Arc::new(counted), bus)).await;
    let read = |ids: &'static [i32]| remote_users(&world.db, ids, &log);
    let first = world.loads(read(&[1, 2, 9])).await.unwrap();
    assert_eq!((ids(&first), trips.so_far()), (vec![1, 2], [1, 1, 1]));
    assert_eq!(world.hits(read(&[9, 2, 1])).await.unwrap(), first);
    assert_eq!((trips.so_far(), world.cache.stats().hits_remote), ([2, 1, 1], 3));
    world.rename(2, "new").await;
    let before = trips.so_far();
    assert_eq!(world.loads(read(&[1, 2, 3])).await.unwrap()[&2].name, "new");
    let after = trips.so_far();
    assert_eq!([after[0] - before[0], after[1] - before[1], after[2] - before[2]], [1, 1, 1]);
    assert_eq!(log.take(), [vec![1, 2, 9], vec![2, 3]]);
}

#[tokio::test]
async fn many_ids_cost_one_round_trip_of_each_kind_in_process_memory() {
    let store = MemoryStore::shared(Clock::system());
    round_trips(store.tier(), store.bus()).await;
}

#[tokio::test]
async fn many_ids_cost_one_round_trip_of_each_kind_on_redis() {
    let patience = Duration::from_secs(20);
    let settings = RedisSettings::new(RedisServer::shared().url())
        .with_namespace(unique("batch"))
        .with_deadlines(patience, patience, patience);
    let (tier, bus) = connect(&settings, &Clock::system()).unwrap();
    round_trips(tier, bus).await;
}

#[tokio::test]
async fn a_batch_can_be_spawned() {
    let (world, log) = (World::new().await, Arc::new(Log::default()));
    let (db, ids) = (world.db.clone(), vec![1, 2]);
    let shared = Arc::clone(&log);
    let task = tokio::spawn(async move {
        greetings(&db, "Hello".into(), ids.clone()).await?;
        users(&db, &ids, &shared).await
    });
    assert_eq!((task.await.unwrap().unwrap().len(), log.take()), (2, vec![vec![1, 2]]));
}
