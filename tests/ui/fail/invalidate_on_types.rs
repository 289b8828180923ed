#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(invalidate_on = User(name))]
async fn key_type(db: &CachedConnection, name: &str) -> DbResult<i32> {
    let _ = (db, name);
    Ok(1)
}

#[cached(invalidate_on = Post(id))]
async fn half_a_key(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(invalidate_on = Post(autor_id = id))]
async fn column(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(invalidate_on = "Post(autor_id = id)")]
async fn column_in_text(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

#[cached(invalidate_on = user::Model)]
async fn not_an_entity(db: &CachedConnection, id: i32) -> DbResult<i32> {
    let _ = (db, id);
    Ok(1)
}

struct Opaque;

#[cached(invalidate_on = Post(author_id = opaque), skip(opaque))]
async fn value_of_a_column(db: &CachedConnection, opaque: Opaque) -> DbResult<i32> {
    let _ = (db, opaque);
    Ok(1)
}

fn main() {}
