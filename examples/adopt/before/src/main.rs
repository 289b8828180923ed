//! Serves the shop on port 3000: `DATABASE_URL` names the database, by default a file in the current directory.

use std::{env, error::Error};

use sea_orm::Database;
use tokio::{net::TcpListener, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://shop.db?mode=rwc".to_owned());
    let db = Database::connect(url).await?;
    shop::schema::create(&db).await?;

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let stop = async { signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, shop::router(db)).with_graceful_shutdown(stop).await?;
    Ok(())
}
