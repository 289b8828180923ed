//! What tests read from the `metrics` facade.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

pub(crate) type Labels = &'static [(&'static str, &'static str)];

/// What the work hands to the facade, on a runtime of its own.
pub(crate) fn recorded(work: impl AsyncFnOnce()) -> Snapshotter {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    ::metrics::with_local_recorder(&recorder, || runtime.block_on(work()));
    snapshotter
}

/// A name, its labels, whether its meaning was told, and its value.
type Metric = (String, Vec<(String, String)>, bool, DebugValue);

/// The values of a metric by its labels, all of which are asked for.
pub(crate) struct Found(Vec<Metric>);

impl Found {
    pub(crate) fn in_(snapshotter: &Snapshotter) -> Self {
        let all = snapshotter.snapshot().into_vec().into_iter();
        Self(
            all.map(|(key, _, meaning, value)| {
                let labels = key.key().labels().map(|label| (label.key().to_owned(), label.value().to_owned()));
                let mut labels: Vec<_> = labels.collect();
                labels.sort();
                (key.key().name().to_owned(), labels, meaning.is_some(), value)
            })
            .collect(),
        )
    }

    fn value(&self, name: &str, labels: Labels) -> &DebugValue {
        let mut wanted: Vec<_> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        wanted.push(("cache".to_owned(), "cache".to_owned()));
        wanted.sort();
        let found = self.0.iter().find(|(known, labels, ..)| known == name && *labels == wanted);
        let Some((_, _, described, value)) = found else { panic!("no {name} {labels:?}") };
        assert!(described, "{name} is not described");
        value
    }

    pub(crate) fn counter(&self, name: &str, labels: Labels) -> u64 {
        match self.value(name, labels) {
            DebugValue::Counter(value) => *value,
            other => panic!("{name} is {other:?}"),
        }
    }

    pub(crate) fn gauge(&self, name: &str, labels: Labels) -> f64 {
        match self.value(name, labels) {
            DebugValue::Gauge(value) => value.into_inner(),
            other => panic!("{name} is {other:?}"),
        }
    }

    pub(crate) fn histogram(&self, name: &str, labels: Labels) -> Vec<f64> {
        match self.value(name, labels) {
            DebugValue::Histogram(values) => values.iter().map(|value| value.into_inner()).collect(),
            other => panic!("{name} is {other:?}"),
        }
    }
}
