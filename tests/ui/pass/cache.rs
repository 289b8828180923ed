//! A right twin.
#![allow(dead_code, missing_docs)]

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

struct Repo {
    cache: Cache,
}

impl Repo {
    #[cached(cache = self.cache)]
    async fn find(&self, id: i32) -> DbResult<i32> {
        Ok(id)
    }
}

#[cached(cache = state.cache)]
async fn state(state: &Repo, id: i32) -> DbResult<i32> {
    let _ = (state, id);
    Ok(1)
}
