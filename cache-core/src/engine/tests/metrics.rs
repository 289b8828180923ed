//! What the `metrics` facade is handed.

use super::*;
use crate::telemetry::recorded::{Found, Labels, recorded};

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
    assert_eq!(found.gauge("sea_orm_cache_loads_in_flight", &[]), 0.0);
    assert_eq!(found.gauge("sea_orm_cache_breaker_open", &[]), 0.0);
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
