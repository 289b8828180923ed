//! What the `metrics` facade is handed.

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use super::*;

type Labels = &'static [(&'static str, &'static str)];

fn recorded(work: impl AsyncFnOnce()) -> Snapshotter {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    ::metrics::with_local_recorder(&recorder, || runtime.block_on(work()));
    snapshotter
}

/// The values of a metric by its labels, all of which are asked for.
struct Found(Vec<(String, Vec<(String, String)>, bool, DebugValue)>);

impl Found {
    fn in_(snapshotter: &Snapshotter) -> Self {
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

    fn counter(&self, name: &str, labels: Labels) -> u64 {
        match self.value(name, labels) {
            DebugValue::Counter(value) => *value,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn gauge(&self, name: &str) -> f64 {
        match self.value(name, &[]) {
            DebugValue::Gauge(value) => value.into_inner(),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn histogram(&self, name: &str, labels: Labels) -> Vec<f64> {
        match self.value(name, labels) {
            DebugValue::Histogram(values) => values.iter().map(|value| value.into_inner()).collect(),
            other => panic!("{name} is {other:?}"),
        }
    }
}

#[test]
fn the_figures_are_handed_over_with_names_labels_and_meanings() {
    let snapshotter = recorded(async || {
        let (store, clock, db) = shared();
        let (a, b) = (Node::on(&store, &clock).await, Node::on(&store, &clock).await);
        let slow = async || {
            clock.advance(3 * SECOND);
            db.query().await
        };
        a.cache.get_or_load("row", [ROW], slow).await.unwrap();
        a.wait_for_lease().await;
        a.read(&db).await;
        a.write(&db, 1).await;
        a.cache.get_or_load("row", [ROW], async || Err::<i64, _>("no".to_owned())).await.unwrap_err();
        // Both nodes have the same labels: the other one is not to be heard.
        drop(b);
        settle().await;
        a.cache.publish_metrics();
    });
    let found = Found::in_(&snapshotter);
    const DIRECT: Labels = &[("function", ""), ("module", "")];
    const LOCAL: Labels = &[("function", ""), ("module", ""), ("tier", "local")];
    assert_eq!(found.counter("sea_orm_cache_hits_total", LOCAL), 1);
    assert_eq!(found.counter("sea_orm_cache_misses_total", DIRECT), 2);
    assert_eq!(found.counter("sea_orm_cache_load_errors_total", DIRECT), 1);
    assert_eq!(found.counter("sea_orm_cache_table_writes_total", &[("table", "#")]), 1);
    assert_eq!(found.counter("sea_orm_cache_remote_errors_total", &[]), 0);
    assert_eq!(found.gauge("sea_orm_cache_loads_in_flight"), 0.0);
    assert_eq!(found.gauge("sea_orm_cache_breaker_open"), 0.0);
    let loads = found.histogram("sea_orm_cache_load_seconds", &[("function", ""), ("outcome", "ok")]);
    assert_eq!(loads, [3.0]);
    let captures = found.histogram("sea_orm_cache_remote_seconds", &[("call", "capture"), ("outcome", "ok")]);
    assert_eq!(captures.len(), 2);
}

#[test]
fn the_figures_are_handed_over_by_themselves_and_errors_by_their_kind() {
    let snapshotter = recorded(async || {
        let (store, clock, db) = shared();
        let a = Node::on(&store, &clock).await;
        a.memory.fail(crate::memory::Call::Fetch, 1);
        a.read(&db).await;
        clock.advance(SECOND);
        settle().await;
    });
    let found = Found::in_(&snapshotter);
    assert_eq!(found.counter("sea_orm_cache_remote_errors_total", &[]), 1);
    let failed = found.histogram("sea_orm_cache_remote_seconds", &[("call", "fetch"), ("outcome", "unreachable")]);
    assert_eq!(failed.len(), 1);
}
