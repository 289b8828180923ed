//! How many loads run at a time.

use super::*;
use crate::{
    engine::call::{DIRECT, Deps, Read},
    envelope::Wire,
    error::Error,
};

/// A loader that waits at a gate, and what it counts.
#[derive(Clone, Default)]
struct Loader {
    running: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
    gate: Arc<tokio::sync::Notify>,
}

impl Loader {
    async fn load(&self) -> Result<i64, String> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        self.gate.notified().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok(7)
    }

    fn running(&self) -> u64 {
        self.running.load(Ordering::SeqCst)
    }
}

async fn bounded(most: usize) -> (Arc<Node>, Clock) {
    let (store, clock, _) = shared();
    (Arc::new(Node::built(&store, &clock, |builder| builder.loads_in_flight_max(most)).await), clock)
}

fn spawn<F>(work: F) -> tokio::task::JoinHandle<Result<i64, String>>
where
    F: Future<Output = Result<i64, String>> + Send + 'static,
{
    tokio::spawn(work)
}

#[tokio::test]
async fn no_more_loads_run_than_may_and_the_others_wait_for_their_turn() {
    let (a, _) = bounded(2).await;
    let loader = Loader::default();
    let readers: Vec<_> = (0..10)
        .map(|n| {
            let (a, loader) = (Arc::clone(&a), loader.clone());
            spawn(async move { a.cache.get_or_load(&format!("k{n}"), [ROW], || loader.load()).await })
        })
        .collect();
    settle().await;
    assert_eq!((loader.running(), a.cache.stats().loads_in_flight), (2, 2));
    assert_eq!(a.heard("PlaceWaited"), 8);
    for _ in 0..10 {
        loader.gate.notify_one();
        settle().await;
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Ok(7));
    }
    let stats = a.cache.stats();
    assert_eq!(loader.most.load(Ordering::SeqCst), 2);
    assert_eq!((stats.loads, stats.place_waits, stats.loads_in_flight), (10, 8, 0));
}

#[tokio::test]
async fn a_load_within_a_load_needs_no_place_of_its_own() {
    let (a, _) = bounded(1).await;
    let inner = async || a.cache.get_or_load("inner", [ROW], async || Ok::<_, String>(1)).await;
    let outer = a.cache.get_or_load("outer", [ROW], async || Ok::<_, String>(inner().await? + 1)).await;
    assert_eq!(outer, Ok(2));
    assert_eq!((a.cache.stats().loads, a.cache.stats().place_waits), (2, 0));
}

#[tokio::test]
async fn a_load_that_waits_for_one_without_a_place_gives_its_own_away() {
    let (a, _) = bounded(1).await;
    let (first, shared) = (Loader::default(), Loader::default());
    let read = |key: &'static str, inner: &'static str, before: &Loader, loader: &Loader| {
        let (a, before, loader) = (Arc::clone(&a), before.clone(), loader.clone());
        spawn(async move {
            let body = async || {
                before.load().await?;
                a.cache.get_or_load(inner, [ROW], || loader.load()).await
            };
            if key == inner {
                a.cache.get_or_load(inner, [ROW], || loader.load()).await
            } else {
                a.cache.get_or_load(key, [ROW], body).await
            }
        })
    };
    // The outer load has the only place; the inner key is led by a caller who waits for it.
    let outer = read("outer", "inner", &first, &shared);
    settle().await;
    let leader = read("inner", "inner", &first, &shared);
    settle().await;
    assert_eq!((first.running(), shared.running()), (1, 0));
    first.gate.notify_one();
    settle().await;
    assert_eq!(shared.running(), 1, "the leader has the place that the outer load gave away");
    shared.gate.notify_one();
    settle().await;
    assert_eq!((outer.await.unwrap(), leader.await.unwrap()), (Ok(7), Ok(7)));
    assert_eq!((a.cache.stats().joined, a.cache.stats().loads_in_flight), (1, 0));
}

#[tokio::test]
async fn waiting_for_a_place_is_part_of_the_hard_timeout() {
    let (a, clock) = bounded(1).await;
    let loader = Loader::default();
    let first = {
        let (a, loader) = (Arc::clone(&a), loader.clone());
        spawn(async move { a.cache.get_or_load("k", [ROW], || loader.load()).await })
    };
    settle().await;
    let second = {
        let (a, loader) = (Arc::clone(&a), loader.clone());
        spawn(async move {
            let read = Read {
                hard_timeout: Some((SECOND, |error: Error| error.to_string())),
                ..Read::<i64, String>::new(&DIRECT, "kv:other", Some(Wire::<i64>::SERDE))
            };
            a.cache.read(read, Deps::new, |_| async move { loader.load().await }).await
        })
    };
    settle().await;
    clock.advance(2 * SECOND);
    let error = second.await.unwrap().unwrap_err();
    assert!(error.contains("hard timeout"), "{error}");
    assert_eq!(loader.most.load(Ordering::SeqCst), 1);
    loader.gate.notify_one();
    assert_eq!(first.await.unwrap(), Ok(7));
}

#[tokio::test]
async fn nobody_waits_for_a_place_for_ever() {
    let (a, clock) = bounded(1).await;
    let loader = Loader::default();
    // The cache cannot see that the loader waits for a load which it has spawned itself.
    let outer = {
        let (a, loader) = (Arc::clone(&a), loader.clone());
        spawn(async move {
            let body = async || {
                let (a, loader) = (Arc::clone(&a), loader.clone());
                let inner = spawn(async move { a.cache.get_or_load("inner", [ROW], || loader.load()).await });
                inner.await.map_err(|error| error.to_string())?
            };
            a.cache.get_or_load("outer", [ROW], body).await
        })
    };
    settle().await;
    assert_eq!(loader.running(), 0);
    clock.advance(31 * SECOND);
    settle().await;
    loader.gate.notify_one();
    assert_eq!(outer.await.unwrap(), Ok(7));
    assert_eq!(a.heard("Warning"), 1);
}

#[tokio::test]
async fn a_cancelled_load_gives_its_place_back() {
    let (a, _) = bounded(1).await;
    let loader = Loader::default();
    let (running, waiting) = {
        let read = |key: &'static str| {
            let (a, loader) = (Arc::clone(&a), loader.clone());
            spawn(async move { a.cache.get_or_load(key, [ROW], || loader.load()).await })
        };
        (read("k"), read("l"))
    };
    settle().await;
    waiting.abort();
    running.abort();
    settle().await;
    assert_eq!(a.cache.stats().loads_in_flight, 0);
    assert_eq!(a.cache.get_or_load("m", [ROW], async || Ok::<_, String>(1)).await, Ok(1));
}
