//! What a hit in process memory allocates: nothing but the clone of the value.

use std::{convert::Infallible, future::Future, sync::Arc};

use allocation_counter::{AllocationInfo, measure};
use futures_util::FutureExt;
use sea_orm_cache::{Cache, cached};

/// A value with two strings: two allocations per clone.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Row {
    id: i64,
    name: String,
    text: String,
}

fn row(id: i64) -> Row {
    Row { id, name: format!("row {id}"), text: "text".repeat(20) }
}

#[cached(ttl = 300, tags = ["row:{id}"])]
async fn shared_row(cache: &Cache, id: i64) -> Result<Arc<Row>, Infallible> {
    Ok(Arc::new(row(id)))
}

#[cached(ttl = 300, tags = ["row:{id}", "rows"])]
async fn own_row(cache: &Cache, id: i64, name: &str) -> Result<Row, Infallible> {
    Ok(Row { name: name.to_owned(), ..row(id) })
}

/// Calls twice, so that whatever is made once is made, and then counts what the third call allocates.
fn allocations_of_a_hit<F: Future>(call: impl Fn() -> F) -> AllocationInfo {
    for _ in 0..2 {
        assert!(call().now_or_never().is_some(), "a hit waits for nothing");
    }
    measure(|| assert!(call().now_or_never().is_some()))
}

#[tokio::test]
async fn a_hit_allocates_nothing_but_the_clone_of_its_value() {
    let cache = Cache::builder().build().await.unwrap();
    for id in 0..50 {
        shared_row(&cache, id).await.unwrap();
        own_row(&cache, id, "someone").await.unwrap();
    }
    let hits = cache.stats().hits_local;
    for id in 0..50 {
        let shared = allocations_of_a_hit(|| shared_row(&cache, id));
        assert_eq!(shared.count_total, 0, "{shared:?}");
        let own = allocations_of_a_hit(|| own_row(&cache, id, "someone"));
        let clone = measure(|| drop(std::hint::black_box(&row(id)).clone()));
        assert_eq!(own.count_total, 2, "{own:?}, while a row and its clone are {clone:?}");
    }
    assert_eq!(cache.stats().hits_local - hits, 50 * 2 * 3, "each of these calls was a hit");
}
