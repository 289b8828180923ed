//! Early refresh, stale answers and timeouts as arguments of a function.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sea_orm::{DbErr, EntityTrait};
use sea_orm_cache::{Cache, CachedConnection, Clock, cached};

use super::world::{User, World, user};

/// Counts the calls of a body, and lets it fail or stand still.
#[derive(Clone, Default)]
struct Body(Arc<State>);

#[derive(Default)]
struct State {
    calls: AtomicUsize,
    fails: AtomicBool,
    stands: AtomicBool,
}

impl Body {
    async fn run(&self, db: &CachedConnection, id: i32) -> Result<Option<user::Model>, DbErr> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        if self.0.fails.load(Ordering::SeqCst) {
            return Err(DbErr::Custom("down".into()));
        }
        if self.0.stands.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        User::find_by_id(id).one(db).await
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// Waits until the body was called so often.
    async fn called(&self, times: usize) {
        until(|| self.calls() >= times).await;
    }
}

async fn until(is: impl Fn() -> bool) {
    let waiting = async {
        while !is() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes to pass");
}

const SECOND: Duration = Duration::from_secs(1);

async fn world() -> (World, Clock, Body) {
    let clock = Clock::manual();
    (World::with(Cache::builder().clock(clock.clone())).await, clock, Body::default())
}

/// With an argument of every kind that can be kept.
#[cached(ttl = 100, jitter = 0, refresh_ahead = 0.8, invalidate_on = User(id), skip(body))]
async fn ahead(
    db: &CachedConnection,
    id: i32,
    text: &str,
    list: &[u8],
    owned: String,
    body: &Body,
) -> Result<Option<user::Model>, DbErr> {
    assert_eq!((text, list, owned.as_str()), ("text", &[1_u8, 2][..], "owned"));
    drop(owned);
    body.run(db, id).await
}

#[tokio::test]
async fn refresh_ahead_loads_in_the_background_once() {
    let (world, clock, body) = world().await;
    let read = || ahead(&world.db, 1, "text", &[1, 2], "owned".into(), &body);
    world.loads(read()).await.unwrap();
    clock.advance(79 * SECOND);
    world.hits(read()).await.unwrap();
    assert_eq!(world.cache.stats().refreshes, 0);
    clock.advance(2 * SECOND);
    world.hits(read()).await.unwrap();
    world.hits(read()).await.unwrap();
    until(|| world.cache.stats().fills == 2).await;
    assert_eq!((body.calls(), world.events("Refresh").len(), world.events("Load").len()), (2, 1, 2));
    clock.advance(79 * SECOND);
    world.hits(read()).await.unwrap();
    assert_eq!((body.calls(), world.cache.stats().refreshes), (2, 1), "its TTL began anew");
}

#[tokio::test]
async fn a_refresh_in_the_background_is_no_part_of_the_callers_request() {
    let (world, clock, body) = world().await;
    let read = || ahead(&world.db, 1, "text", &[1, 2], "owned".into(), &body);
    read().await.unwrap();
    clock.advance(90 * SECOND);
    let request = async {
        world.hits(read()).await.unwrap();
        until(|| world.cache.stats().fills == 2).await;
        world.hits(read()).await.unwrap();
    };
    world.cache.scope(request).await;
    assert_eq!((body.calls(), world.cache.stats().hits_scope), (2, 1));
}

#[derive(Clone)]
struct Repository {
    db: CachedConnection,
    body: Body,
}

impl Repository {
    #[cached(cache = self.db, ttl = 100, jitter = 0, xfetch_beta = 100.0, invalidate_on = User(id))]
    async fn find(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        self.body.run(&self.db, id).await
    }

    #[cached(cache = self.db, ttl = 100, jitter = 0, refresh_ahead = 0.5, background = false, invalidate_on = User(id))]
    async fn in_front(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        self.body.run(&self.db, id).await
    }

    #[cached(cache = self.db, background = true, invalidate_on = User(id))]
    async fn by_the_caches_policy(&self, id: i32) -> Result<Option<user::Model>, DbErr> {
        self.body.run(&self.db, id).await
    }
}

#[tokio::test]
async fn methods_refresh_through_a_copy_of_self() {
    let clock = Clock::manual();
    let cache = Cache::builder().clock(clock.clone()).ttl(100 * SECOND).jitter(0.0).refresh_ahead(0.5);
    let world = World::with(cache).await;
    let users = Repository { db: world.db.clone(), body: Body::default() };
    world.loads(users.by_the_caches_policy(1)).await.unwrap();
    world.loads(users.in_front(1)).await.unwrap();
    world.loads(users.find(1)).await.unwrap();
    clock.advance(60 * SECOND);
    world.loads(users.in_front(1)).await.unwrap();
    world.hits(users.in_front(1)).await.unwrap();
    assert_eq!(users.body.calls(), 4, "the caller has refreshed in front");
    world.hits(users.by_the_caches_policy(1)).await.unwrap();
    until(|| world.cache.stats().fills == 5).await;
    assert_eq!((users.body.calls(), world.cache.stats().refreshes), (5, 2));
}

#[cached(ttl = 100, jitter = 0, stale_while_revalidate = "1m", invalidate_on = User(id), skip(body))]
async fn revalidated(db: &CachedConnection, id: i32, body: Body) -> Result<Option<user::Model>, DbErr> {
    body.run(db, id).await
}

#[tokio::test]
async fn an_expired_entry_answers_while_it_is_revalidated() {
    let (world, clock, body) = world().await;
    let read = || revalidated(&world.db, 1, body.clone());
    world.loads(read()).await.unwrap();
    clock.advance(110 * SECOND);
    world.hits(read()).await.unwrap();
    until(|| world.cache.stats().fills == 2).await;
    assert_eq!((body.calls(), world.events("StaleServed").len()), (2, 1));
    clock.advance(90 * SECOND);
    world.hits(read()).await.unwrap();
    assert_eq!((body.calls(), world.events("StaleServed").len()), (2, 1), "fresh again");
    clock.advance(200 * SECOND);
    world.loads(read()).await.unwrap();
    assert_eq!(world.events("StaleServed").len(), 1, "past the window");
}

#[cached(
    ttl = 100,
    jitter = 0,
    stale_if_error = "5m",
    soft_timeout = "100ms",
    background = true,
    invalidate_on = User(id),
    skip(body)
)]
async fn patient(db: &CachedConnection, id: i32, body: &Body) -> Result<Option<user::Model>, DbErr> {
    body.run(db, id).await
}

#[tokio::test]
async fn an_expired_entry_answers_for_a_body_that_fails() {
    let (world, clock, body) = world().await;
    let read = || patient(&world.db, 1, &body);
    read().await.unwrap();
    clock.advance(110 * SECOND);
    body.0.fails.store(true, Ordering::SeqCst);
    assert!(world.hits(read()).await.unwrap().is_some());
    assert_eq!((body.calls(), world.cache.stats().stale_served), (2, 1));
    world.rename(1, "new").await;
    assert!(read().await.is_err(), "what was made stale never answers");
}

#[tokio::test]
async fn an_expired_entry_answers_for_a_body_that_is_slow() {
    let (world, clock, body) = world().await;
    let read = || patient(&world.db, 1, &body);
    read().await.unwrap();
    clock.advance(110 * SECOND);
    body.0.stands.store(true, Ordering::SeqCst);
    let (answer, ()) = tokio::join!(read(), async {
        body.called(2).await;
        body.0.stands.store(false, Ordering::SeqCst);
        clock.advance(Duration::from_millis(101));
    });
    assert!(answer.unwrap().is_some());
    until(|| world.cache.stats().fills == 2).await;
    assert_eq!((body.calls(), world.events("StaleServed").len()), (3, 1), "made again in the background");
}

#[cached(hard_timeout = "2s", invalidate_on = User(id), skip(body))]
async fn limited(db: &CachedConnection, id: i32, body: &Body) -> Result<Option<user::Model>, DbErr> {
    body.run(db, id).await
}

/// An error of its own, made from the cache's.
#[derive(Debug)]
struct Own(String);

impl From<sea_orm_cache::Error> for Own {
    fn from(error: sea_orm_cache::Error) -> Self {
        Self(error.to_string())
    }
}

#[cached(hard_timeout = 2, invalidate_on = User(id), skip(body))]
async fn limited_own(db: &CachedConnection, id: i32, body: &Body) -> Result<Option<user::Model>, Own> {
    body.run(db, id).await.map_err(|error| Own(error.to_string()))
}

#[tokio::test]
async fn a_body_that_passes_its_hard_timeout_is_an_error_of_the_functions_own_type() {
    let (world, clock, body) = world().await;
    body.0.stands.store(true, Ordering::SeqCst);
    let late = async |times| {
        body.called(times).await;
        clock.advance(3 * SECOND);
    };
    let (database, ()) = tokio::join!(limited(&world.db, 1, &body), late(1));
    assert!(matches!(database, Err(DbErr::Custom(text)) if text.contains("hard timeout of 2s")));
    let (own, ()) = tokio::join!(limited_own(&world.db, 1, &body), late(2));
    assert!(own.unwrap_err().0.contains("hard timeout"));
    assert_eq!((world.cache.stats().load_errors, world.cache.stats().fills), (2, 0));
}
