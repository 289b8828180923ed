#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(key = "user:{idd}")]
async fn argument(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(key = "{id}{name}")]
async fn together(db: &CachedConnection, id: i32, name: &str) -> DbResult<i32> {
    let _ = (db, id, name);
    Ok(1)
}

#[cached(key = "{db}")]
async fn connection(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(key = "{id}", skip(name))]
async fn with_skip(db: &CachedConnection, id: i32, name: &str) -> DbResult<i32> {
    let _ = (db, id, name);
    Ok(1)
}

#[cached(key = user)]
async fn not_a_text(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(key = "{self.id}")]
async fn receiver(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

fn main() {}
