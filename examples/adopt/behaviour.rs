//! What the service does, whoever answers its reads: the tests of both trees run this.

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Sends one request through the router; an empty body is `null`.
pub async fn send(app: &Router, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let response = app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (status, serde_json::from_slice(&bytes).unwrap_or(if text.is_empty() { Value::Null } else { text.into() }))
}

/// A read that succeeds.
pub async fn get(app: &Router, path: &str) -> Value {
    let (status, body) = send(app, Method::GET, path, Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

/// Two categories (1 and 2) of two products each (1 and 2, 3 and 4), ten of each in stock, for 10.00 each.
pub async fn fill(app: &Router) {
    for (category, names) in [("tea", ["Assam", "Sencha"]), ("coffee", ["Harar", "Sidamo"])] {
        let (status, row) = send(app, Method::POST, "/categories", json!({ "name": category })).await;
        assert_eq!(status, StatusCode::CREATED, "{row}");
        for name in names {
            let new = json!({ "category_id": row["id"], "name": name, "price_cents": 1_000, "stock": 10 });
            let (status, row) = send(app, Method::POST, "/products", new).await;
            assert_eq!(status, StatusCode::CREATED, "{row}");
        }
    }
}

/// Every route, each write between two reads of what it changes.
pub async fn every_write_is_seen_by_the_next_read(app: &Router) {
    fill(app).await;
    assert_eq!(get(app, "/categories").await, json!([{ "id": 2, "name": "coffee" }, { "id": 1, "name": "tea" }]));
    assert_eq!(names(&get(app, "/products?category=1").await), ["Assam", "Sencha"]);
    assert_eq!(get(app, "/products/1").await["price_cents"], 1_000);
    assert_eq!(get(app, "/best-sellers").await, json!([]));

    // A row.
    let (status, _) = send(app, Method::PATCH, "/products/1", json!({ "price_cents": 1_500 })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(get(app, "/products/1").await["price_cents"], 1_500);
    assert_eq!(get(app, "/products?category=1").await[0]["price_cents"], 1_500);

    // Many rows.
    let (_, changed) = send(app, Method::POST, "/categories/1/discount", json!({ "percent": 20 })).await;
    assert_eq!(changed, 2);
    assert_eq!(get(app, "/products/1").await["price_cents"], 1_200);
    assert_eq!(get(app, "/products?category=1").await[1]["price_cents"], 800);
    assert_eq!(get(app, "/products/3").await["price_cents"], 1_000);

    // A transaction, committed and rolled back.
    let (status, _) = send(app, Method::POST, "/products/1/purchases", json!({ "count": 4 })).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(get(app, "/products/1").await["stock"], 6);
    let sold = json!([{ "id": 1, "name": "Assam", "sold": 4 }]);
    assert_eq!(get(app, "/best-sellers").await, sold);
    let (status, _) = send(app, Method::POST, "/products/1/purchases", json!({ "count": 7 })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(get(app, "/products/1").await["stock"], 6);
    assert_eq!(get(app, "/best-sellers").await, sold);

    // A new row, and one that goes, with what the database deletes along with it.
    let new = json!({ "category_id": 1, "name": "Keemun", "price_cents": 900, "stock": 1 });
    send(app, Method::POST, "/products", new).await;
    assert_eq!(names(&get(app, "/products?category=1").await), ["Assam", "Sencha", "Keemun"]);
    assert_eq!(send(app, Method::DELETE, "/products/1", Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(app, Method::GET, "/products/1", Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(names(&get(app, "/products?category=1").await), ["Sencha", "Keemun"]);
    assert_eq!(get(app, "/best-sellers").await, json!([]));
}

/// What is not there, and what is not allowed.
pub async fn a_wrong_request_is_refused(app: &Router) {
    fill(app).await;
    for (method, path, body, expected) in [
        (Method::GET, "/products/99", Value::Null, StatusCode::NOT_FOUND),
        (Method::PATCH, "/products/99", json!({ "price_cents": 1 }), StatusCode::NOT_FOUND),
        (Method::DELETE, "/products/99", Value::Null, StatusCode::NOT_FOUND),
        (Method::POST, "/products/99/purchases", json!({ "count": 1 }), StatusCode::NOT_FOUND),
        (Method::POST, "/products/1/purchases", json!({ "count": 0 }), StatusCode::CONFLICT),
        (Method::POST, "/categories/1/discount", json!({ "percent": 100 }), StatusCode::CONFLICT),
    ] {
        let what = format!("{method} {path}");
        assert_eq!(send(app, method, path, body).await.0, expected, "{what}");
    }
}

fn names(products: &Value) -> Vec<&str> {
    products.as_array().unwrap().iter().map(|product| product["name"].as_str().unwrap()).collect()
}
