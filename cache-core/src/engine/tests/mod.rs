//! The engine's behaviour over the in-process remote tier, with a clock that the tests move.

mod batch;
mod cancelled;
mod events;
mod figures;
mod loading;
#[cfg(feature = "metrics")]
mod metrics;
mod nested;
mod outage;
mod places;
mod races;
mod reading;
#[cfg(feature = "tracing-spans")]
mod spans;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    cache::Cache,
    clock::Clock,
    memory::{MemoryNode, MemoryStore},
    policy::{Consistency, PolicyOverride},
    tag::Tag,
};

/// A row in a database that counts its queries.
#[derive(Clone, Default)]
struct Database {
    value: Arc<AtomicI64>,
    queries: Arc<AtomicU64>,
}

impl Database {
    fn set(&self, value: i64) {
        self.value.store(value, Ordering::SeqCst);
    }

    async fn query(&self) -> Result<i64, String> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        Ok(self.value.load(Ordering::SeqCst))
    }

    fn queries(&self) -> u64 {
        self.queries.load(Ordering::SeqCst)
    }
}

/// One node on a shared store.
struct Node {
    cache: Cache,
    memory: Arc<MemoryNode>,
    events: Arc<Mutex<Vec<String>>>,
}

const ROW: &str = "row";

const STRICT: PolicyOverride = PolicyOverride { consistency: Some(Consistency::Strict), ..PolicyOverride::NONE };

impl Node {
    async fn on(store: &MemoryStore, clock: &Clock) -> Self {
        Self::built(store, clock, |builder| builder).await
    }

    async fn built(
        store: &MemoryStore,
        clock: &Clock,
        set: impl FnOnce(crate::cache::CacheBuilder) -> crate::cache::CacheBuilder,
    ) -> Self {
        let memory = store.node();
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&events);
        let builder = Cache::builder()
            .ports(memory.tier(), memory.bus())
            .clock(clock.clone())
            .jitter(0.0)
            .on_event(move |event| heard.lock().unwrap().push(format!("{event:?}")));
        let cache = set(builder).build().await.unwrap();
        let node = Self { cache, memory, events };
        node.wait_for_lease().await;
        node
    }

    /// Lets the node's own ping come back.
    async fn wait_for_lease(&self) {
        for _ in 0..1_000 {
            if self.cache.engine().lease.holds(self.cache.engine().clock().now()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("no lease");
    }

    async fn read(&self, db: &Database) -> i64 {
        self.cache.get_or_load("row", [ROW], || db.query()).await.unwrap()
    }

    async fn read_strict(&self, db: &Database) -> i64 {
        self.cache.get_or_load_with("row", [ROW], &STRICT, || db.query()).await.unwrap()
    }

    async fn write(&self, db: &Database, value: i64) {
        let mut intent = self.cache.begin_write(vec![Tag::named(ROW)]).await.unwrap();
        intent.hold(async { db.set(value) }).await.unwrap();
        assert!(intent.finish().await.is_done());
    }

    fn heard(&self, what: &str) -> usize {
        self.events.lock().unwrap().iter().filter(|event| event.starts_with(what)).count()
    }
}

fn shared() -> (MemoryStore, Clock, Database) {
    let clock = Clock::manual();
    (MemoryStore::shared(clock.clone()), clock, Database::default())
}

/// Lets spawned work run without moving the clock.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

const SECOND: Duration = Duration::from_secs(1);
