//! Serves the shop on port 3000: `DATABASE_URL` names the database, by default a file in the current directory;
//! `SHOP_CACHE_REDIS_URL` names a Redis, `SHOP_CACHE_TTL` and the rest are settings of the cache.

use std::{env, error::Error};

use sea_orm::Database;
use sea_orm_cache::{Cache, CacheConfig, Event};
use tokio::{net::TcpListener, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://shop.db?mode=rwc".to_owned());
    let db = Database::connect(url).await?;
    shop::schema::create(&db).await?;
    let config = CacheConfig::from_env("SHOP_CACHE_")?;
    let cache = Cache::from_config(config).on_event(tell).build().await?;
    let db = cache.wrap(db);

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let stop = async { signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, shop::router(db)).with_graceful_shutdown(stop).await?;
    cache.close().await?;
    Ok(())
}

/// What a person should know of.
fn tell(event: &Event<'_>) {
    match event {
        Event::Warning { text } => eprintln!("cache: {text}"),
        Event::Deferred { error, .. } => eprintln!("cache: an invalidation waits: {error}"),
        Event::Breaker { open: true } => eprintln!("cache: Redis is given up for a while"),
        _ => {}
    }
}
