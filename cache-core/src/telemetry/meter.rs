//! The `metrics` facade: whichever recorder the program has installed gets the numbers.

use metrics::{Label, Unit};

/// What a loader took, by `cache`, `function` and `outcome` (`ok`, `error`, or `stale` if an older value answered).
pub(crate) const LOAD_SECONDS: &str = "sea_orm_cache_load_seconds";

/// What a request to the remote tier took, by `cache`, `call` and `outcome` (`ok`, or the kind of error).
pub(crate) const REMOTE_SECONDS: &str = "sea_orm_cache_remote_seconds";

/// A label's name and value.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

/// What a metric counts or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Seconds,
}

/// Tells the recorder what a metric means.
pub(crate) fn describe(name: &'static str, kind: Kind, meaning: &'static str) {
    match kind {
        Kind::Counter => metrics::describe_counter!(name, Unit::Count, meaning),
        Kind::Gauge => metrics::describe_gauge!(name, Unit::Count, meaning),
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

/// What something took.
pub(crate) fn seconds(name: &'static str, labels: Labels<'_>, span: std::time::Duration) {
    metrics::histogram!(name, owned(labels)).record(span.as_secs_f64());
}

fn owned(labels: Labels<'_>) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect()
}
