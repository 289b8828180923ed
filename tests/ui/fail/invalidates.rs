#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::{Post, User, user};
#[allow(unused_imports)]
use sea_orm_cache::{Cache, CachedConnection, CachedTransaction, cache_hooks, cached, invalidates};

type DbResult<T> = Result<T, sea_orm::DbErr>;

#[invalidates(User(), "feed:{idd}", Post(autor_id = id))]
async fn names(db: &CachedConnection, id: i32) {
    let _ = (db, id);
}

#[invalidates]
async fn nothing(db: &CachedConnection) {
    let _ = db;
}

#[invalidates(User, connection = dbb, tags = 5, cache = self.cache)]
async fn options(db: &CachedConnection) {
    let _ = db;
}

#[invalidates(User)]
fn blocking(db: &CachedConnection) {
    let _ = db;
}

fn main() {}
