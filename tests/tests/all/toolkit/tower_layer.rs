//! The limiter before an HTTP service.

use std::time::Duration;

use axum::{Router, body::Body, http::Request, response::Response, routing::get};
use harness::RedisServer;
use sea_orm_cache::{
    Cache, Clock,
    toolkit::{Algorithm, RateLimitLayer, RateLimiter, TimeSource, WhenDown},
};
use tower::ServiceExt;

fn service(limiter: RateLimiter) -> Router {
    let layer = RateLimitLayer::new(limiter, |call| Some(call.headers.get("x-key")?.to_str().ok()?.to_owned()));
    Router::new().route("/", get(|| async { "hello" })).layer(layer)
}

async fn call(service: &Router, key: Option<&str>) -> Response {
    let mut request = Request::builder().uri("/");
    if let Some(key) = key {
        request = request.header("x-key", key);
    }
    let request = request.body(Body::empty()).expect("a request can be made");
    service.clone().oneshot(request).await.expect("the service does not fail")
}

fn headers(response: &Response) -> Vec<(&str, &str)> {
    let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
    names.into_iter().filter_map(|name| Some((name, response.headers().get(name)?.to_str().ok()?))).collect()
}

#[tokio::test]
async fn calls_above_the_limit_get_429_and_the_standard_headers() {
    let clock = Clock::manual();
    let cache = Cache::builder().clock(clock.clone()).build().await.expect("the settings are good");
    let limiter = RateLimiter::builder(&cache, "api")
        .algorithm(Algorithm::SlidingLog)
        .limit(2, Duration::from_millis(60_500))
        .time(TimeSource::Caller)
        .build()
        .expect("the settings are good");
    let service = service(limiter);
    let first = call(&service, Some("joe")).await;
    assert_eq!(first.status(), 200);
    assert_eq!(headers(&first), [("ratelimit-limit", "2"), ("ratelimit-remaining", "1"), ("ratelimit-reset", "61")]);
    clock.advance(Duration::from_secs(10));
    assert_eq!(call(&service, Some("joe")).await.status(), 200);
    let third = call(&service, Some("joe")).await;
    assert_eq!(third.status(), 429);
    let expected =
        [("ratelimit-limit", "2"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "61"), ("retry-after", "51")];
    assert_eq!(headers(&third), expected, "rounded up");
    assert_eq!(call(&service, Some("ann")).await.status(), 200, "another key");
    let without = call(&service, None).await;
    assert_eq!((without.status().as_u16(), headers(&without)), (200, vec![]), "without a key there is no limit");
    clock.advance(Duration::from_secs(51));
    assert_eq!(call(&service, Some("joe")).await.status(), 200, "it was told to wait that long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_calls_pass_or_not_as_the_setting_says() {
    let server = RedisServer::start();
    let cache = Cache::builder().redis(server.url()).build().await.expect("the settings are good");
    let of = |when| {
        let builder = RateLimiter::builder(&cache, "api").limit(1, Duration::from_secs(3_600)).when_down(when);
        builder.algorithm(Algorithm::SlidingLog).build().expect("the settings are good")
    };
    let (open, closed) = (service(of(WhenDown::Allow)), service(of(WhenDown::Refuse)));
    server.kill();
    for _ in 0..3 {
        let response = call(&open, Some("joe")).await;
        assert_eq!((response.status().as_u16(), headers(&response)), (200, vec![]), "nothing is known of its limit");
        let response = call(&closed, Some("joe")).await;
        assert_eq!((response.status().as_u16(), headers(&response)), (429, vec![("retry-after", "1")]));
    }
    let long_key = "x".repeat(2_000);
    assert_eq!(
        call(&open, Some(&long_key)).await.status(),
        429,
        "a key that cannot be counted is no way around the limit"
    );
}
