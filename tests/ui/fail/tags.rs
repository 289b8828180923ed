#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(tags = ["feed:{idd}"])]
async fn argument(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(tags = ["feed:{}"])]
async fn unnamed(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(tags = ["feed:{id"])]
async fn unclosed(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(tags = ["feed:{id:?}"])]
async fn format(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(tags = ["feed:{user.idd}"])]
async fn field(db: &CachedConnection, user: &user::Model) -> DbResult<i32> {
    let _ = (db, user);
    Ok(1)
}

#[cached(tags = ["feed:{user}"])]
async fn not_shown(db: &CachedConnection, user: &user::Model) -> DbResult<i32> {
    let _ = (db, user);
    Ok(1)
}

#[cached(tags = [])]
async fn nothing(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(tags = [feed])]
async fn not_a_text(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

fn main() {}
