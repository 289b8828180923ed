//! The service through its router: it does what it did before, with fewer queries.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../../behaviour.rs"]
mod behaviour;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    http::{Method, StatusCode},
};
use behaviour::{fill, get, send};
use sea_orm::Database;
use sea_orm_cache::Cache;
use serde_json::json;

/// The service, and how many statements have reached its database.
async fn service() -> (Router, impl Fn() -> u64) {
    let mut db = Database::connect("sqlite::memory:").await.unwrap();
    shop::schema::create(&db).await.unwrap();
    let statements = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&statements);
    db.set_metric_callback(move |_| _ = counter.fetch_add(1, Ordering::Relaxed));
    let cache = Cache::builder().build().await.unwrap();
    (shop::router(cache.wrap(db)), move || statements.load(Ordering::Relaxed))
}

#[tokio::test]
async fn every_write_is_seen_by_the_next_read() {
    behaviour::every_write_is_seen_by_the_next_read(&service().await.0).await;
}

#[tokio::test]
async fn a_wrong_request_is_refused() {
    behaviour::a_wrong_request_is_refused(&service().await.0).await;
}

#[tokio::test]
async fn a_page_that_nobody_writes_to_is_read_from_the_database_once() {
    let (app, statements) = service().await;
    fill(&app).await;
    let before = statements();
    for _ in 0..50 {
        for path in ["/categories", "/products/1", "/products?category=1&page=0", "/best-sellers"] {
            get(&app, path).await;
        }
    }
    assert_eq!(statements() - before, 4, "200 requests of 4 pages");
    let figures = get(&app, "/cache").await;
    assert_eq!((&figures["reads"], &figures["hits"], &figures["loads"]), (&json!(200), &json!(196), &json!(4)));
}

#[tokio::test]
async fn a_write_costs_one_load_of_what_it_changed_and_of_nothing_else() {
    let (app, statements) = service().await;
    fill(&app).await;
    let pages = ["/products/1", "/products/2", "/products?category=1", "/products/3", "/products?category=2"];
    for path in pages {
        get(&app, path).await;
    }
    let queries_of = async |app: &Router| {
        let before = statements();
        for path in pages {
            get(app, path).await;
        }
        statements() - before
    };
    assert_eq!(queries_of(&app).await, 0);

    send(&app, Method::PATCH, "/products/1", json!({ "price_cents": 1_500 })).await;
    assert_eq!(queries_of(&app).await, 2, "the product, and its category's list");

    send(&app, Method::POST, "/categories/2/discount", json!({ "percent": 50 })).await;
    assert_eq!(queries_of(&app).await, 2, "product 3, and its category's list");

    let (status, _) = send(&app, Method::POST, "/products/2/purchases", json!({ "count": 3 })).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(queries_of(&app).await, 2, "product 2, and its category's list");

    let (status, _) = send(&app, Method::POST, "/products/2/purchases", json!({ "count": 8 })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(queries_of(&app).await, 0, "the transaction was rolled back");
}
