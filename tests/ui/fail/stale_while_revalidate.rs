#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(stale_while_revalidate = "soon")]
async fn text(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(stale_while_revalidate = "1m", background = false)]
async fn in_front(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

fn main() {}
