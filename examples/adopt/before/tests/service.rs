//! The service through its router.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../../behaviour.rs"]
mod behaviour;

use axum::Router;
use sea_orm::Database;

async fn service() -> Router {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    shop::schema::create(&db).await.unwrap();
    shop::router(db)
}

#[tokio::test]
async fn every_write_is_seen_by_the_next_read() {
    behaviour::every_write_is_seen_by_the_next_read(&service().await).await;
}

#[tokio::test]
async fn a_wrong_request_is_refused() {
    behaviour::a_wrong_request_is_refused(&service().await).await;
}
