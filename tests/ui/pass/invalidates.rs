//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[invalidates(User(id), "feed:{id}", Post(author_id = id), User)]
async fn write(db: &CachedConnection, id: i32) -> u8 {
    let _ = (db, id);
    1
}

#[invalidates("feed:{id}", connection = handle)]
async fn by_alias(handle: &Db, id: i32) {
    let _ = (handle, id);
}

type Db = CachedConnection;

#[invalidates(User, cache = cache)]
async fn by_cache(cache: &Cache) {
    let _ = cache;
}

#[invalidates(User(id))]
async fn in_transaction(txn: &CachedTransaction, id: i32) -> DbResult<()> {
    let _ = (txn, id);
    Ok(())
}
