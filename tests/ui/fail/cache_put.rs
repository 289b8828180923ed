#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, cache_put, cached};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[cached(invalidate_on = User(id))]
async fn find_user(db: &CachedConnection, id: i32) -> DbResult<Option<user::Model>> {
    let _ = (db, id);
    Ok(None)
}

#[cached(invalidate_on = User(id))]
async fn require_user(db: &CachedConnection, id: i32) -> DbResult<user::Model> {
    Err(sea_orm::DbErr::Custom(format!("{db:?}{id}")))
}

#[cache_put(find_user)]
async fn no_call(db: &CachedConnection, id: i32) -> DbResult<user::Model> {
    Err(sea_orm::DbErr::Custom(format!("{db:?}{id}")))
}

#[cache_put(find_user(id), find_user(id), entry = 7, cache = self.cache)]
fn options(db: &CachedConnection, id: i32) {
    let _ = (db, id);
}

#[cache_put]
async fn nothing(db: &CachedConnection) -> DbResult<u8> {
    Err(sea_orm::DbErr::Custom(format!("{db:?}")))
}

#[cache_put(require_user(id))]
async fn another_type(db: &CachedConnection, id: i32) -> DbResult<String> {
    Err(sea_orm::DbErr::Custom(format!("{db:?}{id}")))
}

#[cache_put(find_user(result.id))]
async fn by_its_result(db: &CachedConnection, name: String) -> DbResult<user::Model> {
    Err(sea_orm::DbErr::Custom(format!("{db:?}{name}")))
}

#[cache_put(self.find_user(id))]
async fn without_receiver(db: &CachedConnection, id: i32) -> DbResult<user::Model> {
    Err(sea_orm::DbErr::Custom(format!("{db:?}{id}")))
}

fn main() {}
