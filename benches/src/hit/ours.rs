//! Ours: annotated functions on a wrapped connection, and the cache by key.

use std::{collections::HashMap, convert::Infallible, hint::black_box, sync::Arc};

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use sea_orm_cache::{Cache, CachedConnection, cached};

use super::{
    OURS, OURS_APART, OURS_CLONE,
    track::{KEYS, Keys, Track},
};
use crate::model::{self, Column, Entity as Article, Model, row};

#[cached(ttl = "1h", invalidate_on = Article(id))]
async fn shared(db: &CachedConnection, id: i64) -> Result<Option<Arc<Model>>, DbErr> {
    Ok(Article::find_by_id(id).one(db).await?.map(Arc::new))
}

#[cached(ttl = "1h", invalidate_on = Article(id))]
async fn cloned(db: &CachedConnection, id: i64) -> Result<Option<Model>, DbErr> {
    Article::find_by_id(id).one(db).await
}

/// The ids of a page: one call asks for so many.
const PAGE: u32 = 10;

#[cached(ttl = "1h", batch = ids, invalidate_on = Article(ids))]
async fn page(db: &CachedConnection, ids: &[i64]) -> Result<HashMap<i64, Arc<Model>>, DbErr> {
    let rows = Article::find().filter(Column::Id.is_in(ids.iter().copied())).all(db).await?;
    Ok(rows.into_iter().map(|row| (row.id, Arc::new(row))).collect())
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
    let (other, pages, apart) = (db.clone(), db.clone(), db.clone());
    track.enter(OURS, async move |id| {
        black_box(shared(&db, id).await.expect("a hit does not fail"));
    });
    track.enter_counting(OURS_APART, Keys::Apart, 1, async move |id| {
        black_box(shared(&apart, id).await.expect("a hit does not fail"));
    });
    track.enter(OURS_CLONE, async move |id| {
        black_box(cloned(&other, id).await.expect("a hit does not fail"));
    });
    let ids = |first: i64| (0..i64::from(PAGE)).map(move |at| 1 + (first + at * 97) % KEYS);
    for first in 1..=KEYS {
        let found = page(&pages, &ids(first).collect::<Vec<_>>()).await.expect("SQLite answers");
        assert_eq!(found.len(), PAGE as usize, "every row is there");
    }
    track.enter_counting("ours: #[cached(batch)], Arc<T>, each of 10", Keys::Same, PAGE, async move |id| {
        let ids: [i64; PAGE as usize] = std::array::from_fn(|at| 1 + (id + at as i64 * 97) % KEYS);
        black_box(page(&pages, &ids).await.expect("a hit does not fail"));
    });
    track.enter("ours: get_or_load by key, Arc<T>", async move |id| {
        let key = format!("article:{id}");
        let load = || async { Ok::<_, Infallible>(Arc::new(row(id))) };
        black_box(cache.get_or_load(&key, ["article"], load).await.expect("it cannot fail"));
    });
}
