//! Answers requests.

mod actions;
mod failure;
mod guard;
mod pages;
mod panel;
mod stream;
mod visitor;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::header,
    middleware,
    response::IntoResponse,
    routing::{get, post},
};

use super::{gauge, node::Node};

/// What every handler gets.
type App = Arc<Node>;

/// The largest form.
const BODY_BYTES_MAX: usize = 16 << 10;

/// All routes of one node.
pub fn router(node: App) -> Router {
    Router::new()
        .route("/", get(pages::timeline))
        .route("/u/{handle}", get(pages::profile))
        .route("/t/{id}", get(pages::tweet))
        .route("/tag/{hashtag}", get(pages::hashtag))
        .route("/sign-in", post(actions::sign_in))
        .route("/sign-out", post(actions::sign_out))
        .route("/post", post(actions::post))
        .route("/t/{id}/edit", post(actions::edit))
        .route("/t/{id}/delete", post(actions::delete))
        .route("/t/{id}/like", post(actions::like))
        .route("/t/{id}/unlike", post(actions::unlike))
        .route("/u/{handle}/follow", post(actions::follow))
        .route("/u/{handle}/unfollow", post(actions::unfollow))
        .route("/switch", post(panel::switch))
        .route("/figures", get(panel::figures))
        .route("/live", get(stream::live))
        .route("/live.js", get(script))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard::guard))
        .layer(middleware::from_fn(|request, next: middleware::Next| gauge::request(next.run(request))))
        .with_state(node)
}

async fn script() -> impl IntoResponse {
    let kept = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (kept, include_str!("../view/live.js"))
}
