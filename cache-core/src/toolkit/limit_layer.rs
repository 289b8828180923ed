//! The limiter before an HTTP service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header::RETRY_AFTER,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::toolkit::limiter::{Decision, RateLimiter};

/// `RateLimit-Limit`, `-Remaining` and `-Reset`: draft-ietf-httpapi-ratelimit-headers-07, the version with one number per header.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// What a key is taken from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LimitedCall<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path and query.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What earlier layers left: with axum, `ConnectInfo` has the peer's address.
    pub extensions: &'a Extensions,
}

type KeyOf = Arc<dyn Fn(LimitedCall<'_>) -> Option<String> + Send + Sync>;

/// A tower layer (feature `tower`) for axum, tonic and others: refuses with 429 what a [`RateLimiter`] does not let pass.
///
/// Every limited response has `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds), and a refused one `Retry-After` (seconds,
/// rounded up). When Redis does not answer, the limiter's [`WhenDown`](crate::toolkit::WhenDown) decides, and the headers are left out.
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::{RateLimitLayer, RateLimiter}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let limiter = RateLimiter::builder(&cache, "api").limit(100, Duration::from_secs(60)).build()?;
/// let layer = RateLimitLayer::new(limiter, |call| {
///     // Calls without a key are not limited.
///     call.headers.get("x-api-key")?.to_str().ok().map(str::to_owned)
/// });
/// // axum: Router::new().route(..).layer(layer)
/// # let _ = layer;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RateLimitLayer {
    limiter: RateLimiter,
    key_of: KeyOf,
}

/// The service that [`RateLimitLayer`] makes.
#[derive(Clone)]
pub struct RateLimit<S> {
    inner: S,
    limiter: RateLimiter,
    key_of: KeyOf,
}

impl RateLimitLayer {
    /// Limits calls by the key that `key_of` finds; calls without one pass.
    pub fn new(
        limiter: RateLimiter,
        key_of: impl Fn(LimitedCall<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { limiter, key_of: Arc::new(key_of) }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { inner, limiter: self.limiter.clone(), key_of: Arc::clone(&self.key_of) }
    }
}

impl<S, B, R> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<R>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone that stays has not been polled ready; the one that was is called.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let key = (self.key_of)(LimitedCall {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        });
        let limiter = self.limiter.clone();
        Box::pin(async move {
            let Some(key) = key else { return inner.call(request).await };
            let decision = limiter.decide(&key).await;
            let mut response = if decision.allowed {
                inner.call(request).await?
            } else {
                let mut refused = Response::new(R::default());
                *refused.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(decision.retry_after).max(1)));
                refused
            };
            write_headers(&decision, response.headers_mut());
            Ok(response)
        })
    }
}

fn write_headers(decision: &Decision, headers: &mut HeaderMap) {
    if decision.degraded {
        return;
    }
    headers.insert(LIMIT, HeaderValue::from(decision.limit));
    headers.insert(REMAINING, HeaderValue::from(decision.remaining));
    headers.insert(RESET, HeaderValue::from(seconds(decision.reset)));
}

/// Rounded up: a client that waits that long has waited long enough.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("limiter", &self.limiter).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for RateLimit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("inner", &self.inner).field("limiter", &self.limiter).finish_non_exhaustive()
    }
}
