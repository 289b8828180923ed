//! Ours: annotated functions on a wrapped connection, and the cache by key.

use std::{convert::Infallible, hint::black_box, sync::Arc};

use sea_orm::{DbErr, EntityTrait};
use sea_orm_cache::{Cache, CachedConnection, cached};

use super::{
    OURS, OURS_CLONE,
    track::{KEYS, Track},
};
use crate::model::{self, Entity as Article, Model, row};

#[cached(ttl = "1h", invalidate_on = Article(id))]
async fn shared(db: &CachedConnection, id: i64) -> Result<Option<Arc<Model>>, DbErr> {
    Ok(Article::find_by_id(id).one(db).await?.map(Arc::new))
}

#[cached(ttl = "1h", invalidate_on = Article(id))]
async fn cloned(db: &CachedConnection, id: i64) -> Result<Option<Model>, DbErr> {
    Article::find_by_id(id).one(db).await
}

/// The cache as it comes: every default, no Redis.
pub(super) async fn enter(track: &mut Track) {
    let plain = harness::memory().await;
    model::create(&plain, KEYS).await.expect("rows can be inserted");
    let cache = Cache::builder().build().await.expect("the defaults are good");
    let db = cache.wrap(plain);
    for id in 1..=KEYS {
        shared(&db, id).await.expect("SQLite answers").expect("the row is there");
        cloned(&db, id).await.expect("SQLite answers").expect("the row is there");
    }
    let other = db.clone();
    track.enter(OURS, async move |id| {
        black_box(shared(&db, id).await.expect("a hit does not fail"));
    });
    track.enter(OURS_CLONE, async move |id| {
        black_box(cloned(&other, id).await.expect("a hit does not fail"));
    });
    track.enter("ours: get_or_load by key, Arc<T>", async move |id| {
        let key = format!("article:{id}");
        let load = || async { Ok::<_, Infallible>(Arc::new(row(id))) };
        black_box(cache.get_or_load(&key, ["article"], load).await.expect("it cannot fail"));
    });
}
