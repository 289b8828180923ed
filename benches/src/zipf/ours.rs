//! Ours: an annotated function and the wrapped connection, bounded or strict.

use sea_orm::DbErr;
use sea_orm_cache::{Cache, CachedConnection, Consistency, cached};
use std::time::Duration;

use super::node::{Node, World, from_database, to_database};
use crate::model::{Entity as Article, Model};

#[cached(ttl = "60s", invalidate_on = Article(id))]
async fn article(db: &CachedConnection, id: i64) -> Result<Option<Model>, DbErr> {
    from_database(db, id).await
}

pub(super) async fn node(world: &World, is_strict: bool) -> Node {
    let consistency = if is_strict { Consistency::Strict } else { Consistency::Bounded };
    let cache = Cache::builder()
        .redis(world.redis.url())
        .consistency(consistency)
        // A machine on which clients, four nodes and both servers share two cores is no outage.
        .deadlines(Duration::from_millis(500), Duration::from_millis(500), Duration::from_millis(800))
        .build()
        .await
        .expect("the settings are good");
    let db = cache.wrap(world.connect().await);
    let other = db.clone();
    Node {
        read: Box::new(move |id| {
            let db = db.clone();
            Box::pin(async move { article(&db, id).await })
        }),
        write: Box::new(move |id| {
            let db = other.clone();
            Box::pin(async move { to_database(&db, id).await })
        }),
    }
}
