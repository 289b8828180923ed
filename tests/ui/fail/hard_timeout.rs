#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(hard_timeout = 0)]
async fn nothing(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(hard_timeout = "2s")]
async fn own_error(db: &CachedConnection, id: i32) -> Result<i32, Own> {
    let _ = (db, id);
    Ok(1)
}

struct Own;

fn main() {}
