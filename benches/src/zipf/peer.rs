//! `multi-tier-cache`: moka before Redis, with invalidation between nodes, as its README sets it up.

use std::{sync::Arc, time::Duration};

use multi_tier_cache::{
    CacheError, CacheManager, CacheStrategy, InvalidationConfig, L1Cache, L2Cache, MokaCacheConfig,
};
use sea_orm::DbErr;

use super::node::{Node, World, from_database, to_database};

const TTL: CacheStrategy = CacheStrategy::Custom(Duration::from_secs(60));

pub(super) async fn node(world: &World) -> Node {
    let url = world.redis.url();
    // As much room as ours has.
    let settings = MokaCacheConfig { max_capacity: 100_000, ..MokaCacheConfig::default() };
    let memory = Arc::new(L1Cache::new(settings).expect("its settings are good"));
    let redis = Arc::new(L2Cache::with_url(&url).await.expect("the server can be reached"));
    let manager = CacheManager::new_with_invalidation(memory, redis, &url, InvalidationConfig::default()).await;
    let manager = Arc::new(manager.expect("the server can be reached"));
    let db = world.connect().await;
    let (other, other_db) = (Arc::clone(&manager), db.clone());
    Node {
        read: Box::new(move |id| {
            let (manager, db) = (Arc::clone(&manager), db.clone());
            Box::pin(async move {
                let query = || async move {
                    let row =
                        from_database(&db, id).await.map_err(|error| CacheError::InternalError(error.to_string()))?;
                    row.ok_or_else(|| CacheError::InternalError("no such row".to_owned()))
                };
                manager.get_or_compute_typed(&format!("article:{id}"), TTL, query).await.map(Some).map_err(failed)
            })
        }),
        write: Box::new(move |id| {
            let (manager, db) = (Arc::clone(&other), other_db.clone());
            Box::pin(async move {
                let version = to_database(&db, id).await?;
                manager.invalidate(&format!("article:{id}")).await.map_err(failed)?;
                Ok(version)
            })
        }),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn failed(error: CacheError) -> DbErr {
    DbErr::Custom(error.to_string())
}
