#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[invalidates(Usr, Post(autor_id = id))]
async fn paths(db: &CachedConnection, id: i32) {
    let _ = (db, id);
}

fn main() {}
