//! A cached function and what it saves: `cargo run -p sea-orm-cache-examples --example quickstart`.

use sea_orm::{ActiveValue::Set, Database, DbErr, Schema, entity::prelude::*};
use sea_orm_cache::{Cache, CachedConnection, CachedEntity, cached};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

mod user {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity, Serialize, Deserialize)]
    #[sea_orm(table_name = "user")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
use user::Entity as User;

/// Kept for five minutes at the most, and until something writes to this row.
#[cached(ttl = "5m", invalidate_on = User(id))]
async fn find_user(db: &CachedConnection, id: i32) -> Result<Option<user::Model>, DbErr> {
    User::find_by_id(id).one(db).await
}

static QUERIES: AtomicU64 = AtomicU64::new(0);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut plain = Database::connect("sqlite::memory:").await?;
    plain.execute(&Schema::new(plain.get_database_backend()).create_table_from_entity(User)).await?;
    plain.set_metric_callback(|_| _ = QUERIES.fetch_add(1, Ordering::Relaxed));

    let cache = Cache::builder().build().await?; // .redis("redis://127.0.0.1") shares it between processes
    let db = cache.wrap(plain); // use it like the connection it wraps

    let ada = user::ActiveModel { name: Set("Ada".to_owned()), ..Default::default() }.insert(&db).await?;
    let before = QUERIES.load(Ordering::Relaxed);
    for _ in 0..1_000 {
        find_user(&db, ada.id).await?;
    }
    println!("1,000 reads: {} database query", QUERIES.load(Ordering::Relaxed) - before);

    user::ActiveModel { id: Set(ada.id), name: Set("Ada Lovelace".to_owned()) }.update(&db).await?;
    let found = find_user(&db, ada.id).await?;
    println!("after an update through SeaORM: {}", found.map(|user| user.name).unwrap_or_default());
    cache.close().await?;
    Ok(())
}
