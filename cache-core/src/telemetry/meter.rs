//! The `metrics` facade: whichever recorder the program has installed gets the numbers.

use metrics::{Label, Unit};

/// What a loader took, by `cache`, `function` and `outcome` (`ok`, `error`, or `stale` if an older value answered).
pub(crate) const LOAD_SECONDS: &str = "sea_orm_cache_load_seconds";

/// What a request to the remote tier took, by `cache`, `call` and `outcome` (`ok`, or the kind of error).
pub(crate) const REMOTE_SECONDS: &str = "sea_orm_cache_remote_seconds";

/// Rows of a transaction of write-behind, by `cache` and `journal`.
pub(crate) const WRITE_BEHIND_BATCH_ROWS: &str = "sea_orm_cache_write_behind_batch_rows";

/// What a transaction of write-behind took, by `cache` and `journal`.
pub(crate) const WRITE_BEHIND_FLUSH_SECONDS: &str = "sea_orm_cache_write_behind_flush_seconds";

/// A part of the cache that hands over figures of its own, together with the engine.
pub(crate) trait Published: Send + Sync {
    /// Hands them over; `cache` is the label of all of them.
    fn publish(&self, cache: &str);
}

/// A label's name and value.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

/// What a metric counts or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// A gauge of a span of time.
    Age,
    Sizes,
    Seconds,
}

/// Tells the recorder what a metric means.
pub(crate) fn describe(name: &'static str, kind: Kind, meaning: &'static str) {
    match kind {
        Kind::Counter => metrics::describe_counter!(name, Unit::Count, meaning),
        Kind::Gauge => metrics::describe_gauge!(name, Unit::Count, meaning),
        Kind::Age => metrics::describe_gauge!(name, Unit::Seconds, meaning),
        Kind::Sizes => metrics::describe_histogram!(name, Unit::Count, meaning),
        Kind::Seconds => metrics::describe_histogram!(name, Unit::Seconds, meaning),
    }
}

/// A counter's value since the cache was built.
pub(crate) fn counter(name: &'static str, labels: Labels<'_>, value: u64) {
    metrics::counter!(name, owned(labels)).absolute(value);
}

/// What something is now.
#[expect(clippy::cast_precision_loss, reason = "recorders keep gauges as doubles")]
pub(crate) fn gauge(name: &'static str, labels: Labels<'_>, value: u64) {
    metrics::gauge!(name, owned(labels)).set(value as f64);
}

/// How long something has waited.
pub(crate) fn age(name: &'static str, labels: Labels<'_>, span: std::time::Duration) {
    metrics::gauge!(name, owned(labels)).set(span.as_secs_f64());
}

/// How large something is.
#[expect(clippy::cast_precision_loss, reason = "recorders keep samples as doubles")]
pub(crate) fn size(name: &'static str, labels: Labels<'_>, value: u64) {
    metrics::histogram!(name, owned(labels)).record(value as f64);
}

/// What something took.
pub(crate) fn seconds(name: &'static str, labels: Labels<'_>, span: std::time::Duration) {
    metrics::histogram!(name, owned(labels)).record(span.as_secs_f64());
}

fn owned(labels: Labels<'_>) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect()
}
