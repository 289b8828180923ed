//! The libraries that a user would pick instead, each set up as its documentation recommends.

use std::{convert::Infallible, hint::black_box, sync::Arc, time::Duration};

use cached::macros::{cached, concurrent_cached};
use harness::RedisServer;

use super::track::{KEYS, Track, text_keys};
use crate::model::{Model, row};

const CAPACITY: u64 = 100_000;
const TTL: Duration = Duration::from_secs(3_600);

pub(super) async fn enter(track: &mut Track) {
    memoized(track);
    foyer(track);
    hydracache(track).await;
    multi_tier_cache(track).await;
    oxcache(track).await;
    hitbox::enter(track).await;
}

/// `cached`: its README's async macro, with a size and a TTL; a value that is dear to clone goes into an `Arc`.
#[cached(max_size = 100_000, ttl_secs = 3600)]
async fn memoized_shared(id: i64) -> Arc<Model> {
    Arc::new(row(id))
}

#[cached(max_size = 100_000, ttl_secs = 3600)]
async fn memoized_cloned(id: i64) -> Model {
    row(id)
}

#[concurrent_cached(max_size = 100_000, ttl_secs = 3600)]
async fn memoized_concurrently(id: i64) -> Arc<Model> {
    Arc::new(row(id))
}

fn memoized(track: &mut Track) {
    track.enter("cached #[concurrent_cached], Arc<T>", async |id| _ = black_box(memoized_concurrently(id).await));
    track.enter("cached #[cached], Arc<T>", async |id| _ = black_box(memoized_shared(id).await));
    track.enter("cached #[cached], T", async |id| _ = black_box(memoized_cloned(id).await));
}

/// `foyer`: its cache in memory, which the crate `foyer` re-exports; it has no TTL.
fn foyer(track: &mut Track) {
    let keys = text_keys();
    let cache: foyer_memory::Cache<String, Arc<Model>> = foyer_memory::CacheBuilder::new(CAPACITY as usize).build();
    for id in 1..=KEYS {
        cache.insert(keys[id as usize].clone(), Arc::new(row(id)));
    }
    track.enter("foyer get, Arc<T>", async move |id| {
        black_box(Arc::clone(cache.get(keys[id as usize].as_str()).expect("it is there").value()));
    });
}

/// `hydracache`: `get_or_load` with a tag, as on its first page. Its capacity is in bytes; the default would not hold all rows.
async fn hydracache(track: &mut Track) {
    use ::hydracache::{CacheOptions, HydraCache};
    let cache = HydraCache::local().max_capacity(64 << 20).build();
    track.enter("hydracache get_or_load, T", async move |id| {
        let key = format!("article:{id}");
        let options = CacheOptions::new().ttl(TTL).tag("article");
        let load = move || async move { Ok::<_, Infallible>(row(id)) };
        let row: Model = cache.get_or_load(&key, options, load).await.expect("it is there");
        black_box(row);
    });
}

/// `multi-tier-cache`: its default, moka before Redis; hits are moka's.
async fn multi_tier_cache(track: &mut Track) {
    use ::multi_tier_cache::{CacheStrategy, CacheSystem};
    let redis = RedisServer::shared();
    let system = CacheSystem::with_redis_url(&redis.url()).await.expect("Redis answers");
    let manager = Arc::clone(system.cache_manager());
    track.enter("multi-tier-cache typed, T", async move |id| {
        let key = format!("article:{id}");
        let load = || async move { Ok(row(id)) };
        let row: Model =
            manager.get_or_compute_typed(&key, CacheStrategy::MediumTerm, load).await.expect("it is there");
        black_box(row);
    });
}

/// `oxcache`: its builder's default, moka.
async fn oxcache(track: &mut Track) {
    let cache: ::oxcache::Cache<String, Model> =
        ::oxcache::Cache::builder().capacity(CAPACITY).ttl(TTL).build().await.expect("its settings are good");
    let keys = text_keys();
    track.enter("oxcache get_or, T", async move |id| {
        let load = || async move { Ok(row(id)) };
        black_box(cache.get_or(&keys[id as usize], load).await.expect("it is there"));
    });
}

/// `hitbox`: its function macro over moka, with the format that its README recommends.
mod hitbox {
    use hitbox_backend::format::BincodeFormat;
    use hitbox_fn::{Cache, CacheableResponse, cached};
    use hitbox_moka::MokaBackend;
    use serde::{Deserialize, Serialize};

    use super::{CAPACITY, TTL, Track, black_box, row};
    use crate::model;

    /// The row again: the library wants a trait of its own on what it stores.
    #[derive(Clone, Debug, Serialize, Deserialize, CacheableResponse)]
    struct Row {
        id: i64,
        author_id: i64,
        version: i64,
        title: String,
        slug: String,
        summary: String,
    }

    impl From<model::Model> for Row {
        fn from(row: model::Model) -> Self {
            let model::Model { id, author_id, version, title, slug, summary } = row;
            Self { id, author_id, version, title, slug, summary }
        }
    }

    #[cached(prefix = "article")]
    async fn article(id: i64) -> Row {
        row(id).into()
    }

    pub(super) async fn enter(track: &mut Track) {
        let backend = MokaBackend::builder().max_entries(CAPACITY).value_format(BincodeFormat).build();
        let policy = hitbox::policy::PolicyConfig::builder().ttl(TTL).build();
        let cache = Cache::builder().backend(backend).policy(policy).build();
        track.enter("hitbox #[cached], T", async move |id| _ = black_box(article(id).cache(&cache).await));
    }
}
