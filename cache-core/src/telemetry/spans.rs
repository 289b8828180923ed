//! Spans: what is worth a line in a trace. A hit in process memory is not.
//!
//! | span | around | fields |
//! |---|---|---|
//! | `cache.load` | a loader, without its waiting for a place | `function`, `outcome`: `ok`, `error`, `stale` |
//! | `cache.refresh` | a refresh in the background | `function` |
//! | `cache.invalidate` | the end of a write | `tags`: how many, `outcome`: `done`, `deferred` |
//! | `cache.remote` | one request to the remote tier | `tier`: `remote`, `call`, `outcome`: `ok`, or the kind of error |
//!
//! All are of the level `DEBUG` and the target `sea_orm_cache`. Keys and values are not in them.

use tracing::Span;

/// A loader that runs.
pub(crate) fn load(function: &'static str) -> Span {
    #[cfg(feature = "tracing-spans")]
    return tracing::debug_span!(
        target: "sea_orm_cache",
        "cache.load",
        function,
        outcome = tracing::field::Empty
    );
    #[cfg(not(feature = "tracing-spans"))]
    nothing(function)
}

/// A refresh in the background.
pub(crate) fn refresh(function: &'static str) -> Span {
    #[cfg(feature = "tracing-spans")]
    return tracing::debug_span!(target: "sea_orm_cache", parent: None, "cache.refresh", function);
    #[cfg(not(feature = "tracing-spans"))]
    nothing(function)
}

/// Tags that become stale.
pub(crate) fn invalidate(tags: usize) -> Span {
    #[cfg(feature = "tracing-spans")]
    return tracing::debug_span!(
        target: "sea_orm_cache",
        "cache.invalidate",
        tags,
        outcome = tracing::field::Empty
    );
    #[cfg(not(feature = "tracing-spans"))]
    nothing(tags)
}

/// A request to the remote tier.
#[cfg(any(feature = "metrics", feature = "tracing-spans"))]
pub(crate) fn remote(call: &'static str) -> Span {
    #[cfg(feature = "tracing-spans")]
    return tracing::debug_span!(
        target: "sea_orm_cache",
        "cache.remote",
        tier = "remote",
        call,
        outcome = tracing::field::Empty
    );
    #[cfg(not(feature = "tracing-spans"))]
    nothing(call)
}

#[cfg(not(feature = "tracing-spans"))]
fn nothing<T>(_: T) -> Span {
    Span::none()
}
