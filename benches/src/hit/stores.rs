//! Stores used directly: no function, no loading, no invalidation. The key's text is made beforehand.

use std::{hint::black_box, sync::Arc, time::Duration};

use super::{
    REFERENCE, REFERENCE_CLONE,
    track::{KEYS, Track, text_keys},
};
use crate::model::{Model, row};

const CAPACITY: u64 = 100_000;
const TTL: Duration = Duration::from_secs(3_600);

pub(super) fn enter(track: &mut Track) {
    let keys = text_keys();
    let moka: moka::sync::Cache<String, Arc<Model>> =
        moka::sync::Cache::builder().max_capacity(CAPACITY).time_to_live(TTL).build();
    for id in 1..=KEYS {
        moka.insert(keys[id as usize].clone(), Arc::new(row(id)));
    }
    let names = Arc::clone(&keys);
    track.enter("moka::sync, Arc<T>", async move |id| {
        black_box(moka.get(names[id as usize].as_str()).expect("it is there"));
    });
    futures(track, REFERENCE, &keys, |id| Arc::new(row(id)));
    futures(track, REFERENCE_CLONE, &keys, row);
    #[cfg(feature = "peers")]
    {
        let quick: quick_cache::sync::Cache<String, Arc<Model>> = quick_cache::sync::Cache::new(CAPACITY as usize);
        for id in 1..=KEYS {
            quick.insert(keys[id as usize].clone(), Arc::new(row(id)));
        }
        track.enter("quick_cache, Arc<T>", async move |id| {
            black_box(quick.get(keys[id as usize].as_str()).expect("it is there"));
        });
    }
}

/// What is meant where ratios are given to moka: `moka::future::Cache` with text keys and a TTL.
fn futures<T: Clone + Send + Sync + 'static>(
    track: &mut Track,
    name: &str,
    keys: &Arc<[String]>,
    make: impl Fn(i64) -> T,
) {
    let moka: moka::future::Cache<String, T> =
        moka::future::Cache::builder().max_capacity(CAPACITY).time_to_live(TTL).build();
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        for id in 1..=KEYS {
            runtime.block_on(moka.insert(keys[id as usize].clone(), make(id)));
        }
    });
    let keys = Arc::clone(keys);
    track.enter(name, async move |id| {
        black_box(moka.get(keys[id as usize].as_str()).await.expect("it is there"));
    });
}
