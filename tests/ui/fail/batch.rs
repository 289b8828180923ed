#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(batch = idz)]
async fn not_an_argument(db: &CachedConnection, ids: &[i64]) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids)]
async fn not_a_list(db: &CachedConnection, ids: i64) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids, key = "tweets")]
async fn one_key(db: &CachedConnection, ids: &[i64]) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids, skip(ids))]
async fn skipped(db: &CachedConnection, ids: &[i64]) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids)]
async fn not_a_map(db: &CachedConnection, ids: &[i64]) -> DbResult<Vec<user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids, stale_while_revalidate = "1m")]
async fn stale(db: &CachedConnection, ids: &[i64]) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids, background = true)]
async fn behind(db: &CachedConnection, ids: &[i64]) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

#[cached(batch = ids)]
async fn taken(db: &CachedConnection, ids: &[i64], token: Token) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids, token);
    Ok(Default::default())
}

#[derive(serde::Serialize)]
struct Token;

#[cached(batch = )]
async fn nothing(db: &CachedConnection, ids: &[i64]) -> DbResult<std::collections::HashMap<i64, user::Model>> {
    let _ = (db, ids);
    Ok(Default::default())
}

fn main() {}
