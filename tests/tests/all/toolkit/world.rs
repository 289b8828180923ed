//! Two nodes on one store, and hands on the store's time and keys.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use harness::{RedisCluster, RedisServer, unique};
use sea_orm_cache::{
    __testing::{MemoryTools, open, toolkit::ToolStore},
    Cache, Clock, RedisSettings,
};

/// The machine may be busy; deadlines have tests of their own.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two nodes on one store. Their clocks move with [`World::pass`], and may be moved apart.
pub(crate) struct World {
    pub(crate) cache: Cache,
    pub(crate) other: Cache,
    pub(crate) clock: Clock,
    pub(crate) other_clock: Clock,
    store: Store,
}

enum Store {
    Memory,
    Redis { namespace: String, servers: &'static [RedisServer] },
}

impl World {
    pub(crate) async fn memory() -> Self {
        let (clock, other_clock) = (Clock::manual(), Clock::manual());
        let tools: Arc<dyn ToolStore> = Arc::new(MemoryTools::new(clock.clone()));
        let cache = node(&clock, Arc::clone(&tools)).await;
        let other = node(&other_clock, tools).await;
        Self { cache, other, clock, other_clock, store: Store::Memory }
    }

    /// On the shared server, in a namespace of its own.
    pub(crate) async fn redis(query: &str) -> Self {
        let server = RedisServer::shared();
        let url = format!("{}/{query}", server.url());
        Self::on_redis(&RedisSettings::new(url), std::slice::from_ref(server)).await
    }

    pub(crate) async fn redis_cluster() -> Self {
        static SHARED: OnceLock<RedisCluster> = OnceLock::new();
        let cluster = SHARED.get_or_init(|| RedisCluster::start(2));
        let mut urls = cluster.urls().into_iter();
        let mut settings = RedisSettings::new(urls.next().expect("a cluster has a server"));
        settings.more_urls = urls.collect();
        Self::on_redis(&settings, cluster.servers()).await
    }

    async fn on_redis(settings: &RedisSettings, servers: &'static [RedisServer]) -> Self {
        let namespace = unique("toolkit");
        let settings = settings.clone().with_namespace(&namespace).with_deadlines(PATIENCE, PATIENCE, PATIENCE);
        let tools = || open(&settings, &Clock::system()).expect("the settings are good").tools;
        let (clock, other_clock) = (Clock::manual(), Clock::manual());
        let (cache, other) = (node(&clock, tools()).await, node(&other_clock, tools()).await);
        Self { cache, other, clock, other_clock, store: Store::Redis { namespace, servers } }
    }

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.store, Store::Memory)
    }

    /// Lets time go by, for both nodes and for the store.
    pub(crate) async fn pass(&self, span: Duration) {
        self.move_clocks(span);
        if !self.is_memory() {
            // A server's time cannot be moved.
            tokio::time::sleep(span).await;
        }
    }

    /// Lets time go by for the nodes only (in process memory, the store's time is the first node's).
    pub(crate) fn move_clocks(&self, span: Duration) {
        self.clock.advance(span);
        self.other_clock.advance(span);
    }

    /// Names and values of all keys on Redis; nothing in process memory.
    pub(crate) fn dump(&self) -> Vec<String> {
        let Store::Redis { servers, .. } = &self.store else { return Vec::new() };
        let mut lines = Vec::new();
        for (server, key) in self.keys(servers) {
            let value = server.command(&["DUMP", &key]);
            lines.push(format!("{key} {value:?}"));
        }
        lines
    }

    /// Whatever is on Redis has a TTL.
    pub(crate) fn assert_that_everything_ends(&self) {
        let Store::Redis { namespace, servers } = &self.store else { return };
        let prefix = format!("{namespace}/");
        for key in servers.iter().flat_map(RedisServer::endless_keys) {
            assert!(!key.starts_with(&prefix), "{key} has no TTL");
        }
    }

    fn keys(&self, servers: &'static [RedisServer]) -> Vec<(&'static RedisServer, String)> {
        let Store::Redis { namespace, .. } = &self.store else { return Vec::new() };
        let prefix = format!("{namespace}/");
        let all = servers.iter().flat_map(|server| server.keys().into_iter().map(move |key| (server, key)));
        all.filter(|(_, key)| key.starts_with(&prefix)).collect()
    }
}

async fn node(clock: &Clock, tools: Arc<dyn ToolStore>) -> Cache {
    Cache::builder().clock(clock.clone()).tools(tools).build().await.expect("the settings are good")
}
