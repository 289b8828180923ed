//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, cache_put, cached};

type DbResult<T> = Result<T, sea_orm::DbErr>;

mod repository {
    use super::*;

    #[cached(invalidate_on = User(id))]
    pub(super) async fn find_user(db: &CachedConnection, id: i32) -> DbResult<Option<user::Model>> {
        let _ = (db, id);
        Ok(None)
    }

    #[cached(tags = ["feed:{user}"], skip(hint))]
    pub(super) async fn feed(db: &CachedConnection, user: i32, hint: &str) -> DbResult<Vec<String>> {
        let _ = (db, user, hint);
        Ok(Vec::new())
    }
}

#[cache_put(repository::find_user(user.id))]
async fn save(db: &CachedConnection, user: user::Model) -> DbResult<user::Model> {
    let _ = db;
    Ok(user)
}

#[cache_put(repository::find_user(id), cache = cache)]
async fn by_cache(cache: &Cache, id: i32) -> Option<user::Model> {
    let _ = (cache, id);
    None
}

#[cache_put(repository::feed(user, ""), connection = handle)]
async fn publish(handle: &Db, user: i32, text: String) -> DbResult<Vec<String>> {
    let _ = (handle, user);
    Ok(vec![text])
}

type Db = CachedConnection;
