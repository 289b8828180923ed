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

struct Users {
    db: CachedConnection,
}

impl Users {
    #[cached(cache = self.db, key = "{id}", invalidate_on = User(id))]
    async fn find(&self, id: i32) -> DbResult<Option<user::Model>> {
        let _ = id;
        Ok(None)
    }

    #[cached(invalidate_on = User(id), companions = "associated")]
    async fn of(db: &CachedConnection, id: i32) -> DbResult<Option<user::Model>> {
        let _ = (db, id);
        Ok(None)
    }

    #[cache_put(self.find(user.id), cache = self.db)]
    async fn save(&self, user: user::Model) -> DbResult<user::Model> {
        Ok(user)
    }

    #[cache_put(Self::of(user.id))]
    async fn save_in(db: &CachedConnection, user: user::Model) -> DbResult<user::Model> {
        let _ = db;
        Ok(user)
    }
}

#[cache_put(Users::of(result.id))]
async fn an_argument_called_result(db: &CachedConnection, result: user::Model) -> DbResult<user::Model> {
    let _ = db;
    Ok(result)
}

#[cache_put(users.find(id), cache = users.db)]
async fn of_another(users: &Users, id: i32) -> DbResult<Option<user::Model>> {
    let _ = (users, id);
    Ok(None)
}
