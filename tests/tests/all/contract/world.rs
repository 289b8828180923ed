//! One tier with its bus, and what a case needs besides.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use harness::{RedisCluster, RedisServer, unique};
use sea_orm_cache::{
    __testing::{Bus, BusListener, MemoryStore, RemoteTier, connect},
    Clock, RedisSettings, Tag,
};
use tokio::{sync::watch, task::JoinHandle};

/// No test waits longer than this for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tier and its bus, a second node on the same store, and hands on the store.
pub(crate) struct World {
    pub(crate) tier: Arc<dyn RemoteTier>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) other_tier: Arc<dyn RemoteTier>,
    pub(crate) other_bus: Arc<dyn Bus>,
    store: Store,
}

enum Store {
    Memory(MemoryStore, Clock),
    Redis { namespace: String, servers: &'static [RedisServer] },
}

/// What a listener heard, in order: `subscribed`, `invalidated user:7`, `removed key`, `pinged 5`, `lost`.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    log: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

/// A subscription that is being delivered. Ends when dropped.
pub(crate) struct Listening {
    pub(crate) heard: Arc<Heard>,
    pub(crate) task: JoinHandle<Result<(), sea_orm_cache::Error>>,
}

impl World {
    pub(crate) fn memory() -> Self {
        let clock = Clock::manual();
        let store = MemoryStore::shared(clock.clone());
        let other = store.node();
        Self {
            tier: store.tier(),
            bus: store.bus(),
            other_tier: other.tier(),
            other_bus: other.bus(),
            store: Store::Memory(store, clock),
        }
    }

    /// On the shared server, in a namespace of its own.
    pub(crate) fn redis(query: &str) -> Self {
        let server = RedisServer::shared();
        let url = format!("{}/{query}", server.url());
        Self::on_redis(&RedisSettings::new(url), std::slice::from_ref(server))
    }

    pub(crate) fn redis_cluster() -> Self {
        static SHARED: OnceLock<RedisCluster> = OnceLock::new();
        let cluster = SHARED.get_or_init(|| RedisCluster::start(2));
        let mut urls = cluster.urls().into_iter();
        let mut settings = RedisSettings::new(urls.next().expect("a cluster has a server"));
        settings.more_urls = urls.collect();
        Self::on_redis(&settings, cluster.servers())
    }

    fn on_redis(settings: &RedisSettings, servers: &'static [RedisServer]) -> Self {
        let namespace = unique("contract");
        // The machine may be busy; deadlines have tests of their own.
        let settings = settings.clone().with_namespace(&namespace).with_deadlines(PATIENCE, PATIENCE, PATIENCE);
        let (tier, bus) = connect(&settings, &Clock::system()).expect("the settings are good");
        let (other_tier, other_bus) = connect(&settings, &Clock::system()).expect("the settings are good");
        Self { tier, bus, other_tier, other_bus, store: Store::Redis { namespace, servers } }
    }

    /// Lets time go by for the store.
    pub(crate) async fn pass(&self, span: Duration) {
        match &self.store {
            Store::Memory(_, clock) => clock.advance(span),
            // A server's time cannot be moved.
            Store::Redis { .. } => tokio::time::sleep(span).await,
        }
    }

    /// Whether one server, or process, carries all messages.
    pub(crate) fn is_one_server(&self) -> bool {
        !matches!(&self.store, Store::Redis { servers, .. } if servers.len() > 1)
    }

    /// Drops a tag's state, as eviction does, and not its intents.
    pub(crate) fn evict_tag(&self, tag: &Tag) {
        match &self.store {
            Store::Memory(store, _) => store.evict_tag(tag),
            Store::Redis { namespace, .. } => self.delete(&format!("{namespace}/tag:{{{tag}}}")),
        }
    }

    /// Drops a tag's intents, as eviction does, and not its state.
    pub(crate) fn evict_intents(&self, tag: &Tag) {
        match &self.store {
            Store::Memory(store, _) => store.evict_intents(tag),
            Store::Redis { namespace, .. } => self.delete(&format!("{namespace}/intents:{{{tag}}}")),
        }
    }

    fn delete(&self, key: &str) {
        let Store::Redis { servers, .. } = &self.store else { panic!("only Redis has keys") };
        let holders = servers.iter().filter(|server| server.keys().iter().any(|known| known == key));
        let deleted: Vec<_> = holders.map(|server| server.command(&["DEL", key])).collect();
        assert_eq!(deleted.len(), 1, "{key} is on one server");
    }
}

impl Heard {
    /// Starts a subscription and waits until it stands.
    pub(crate) async fn listen(bus: &Arc<dyn Bus>) -> Listening {
        let heard = Arc::new(Self::default());
        let (bus, listener) = (Arc::clone(bus), Arc::clone(&heard));
        let task = tokio::spawn(async move { bus.run(listener).await });
        heard.wait_for("subscribed").await;
        Listening { heard, task }
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.lock().clone()
    }

    pub(crate) async fn wait_for(&self, line: &str) {
        let mut count = self.count.subscribe();
        let found = count.wait_for(|_| self.lock().iter().any(|heard| heard == line));
        let found = tokio::time::timeout(PATIENCE, found).await;
        assert!(found.is_ok(), "{line:?} was not heard, but {:?}", self.log());
    }

    fn note(&self, line: String) {
        self.lock().push(line);
        self.count.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BusListener for Heard {
    fn subscribed(&self) {
        self.note("subscribed".to_owned());
    }

    fn invalidated(&self, tag: &str) {
        self.note(format!("invalidated {tag}"));
    }

    fn removed(&self, key: &str) {
        self.note(format!("removed {key}"));
    }

    fn pinged(&self, nonce: u64) {
        self.note(format!("pinged {nonce}"));
    }

    fn lost(&self) {
        self.note("lost".to_owned());
    }
}

impl Listening {
    /// Everything heard up to now: a ping is behind all that was published before it.
    pub(crate) async fn heard_so_far(&self, bus: &Arc<dyn Bus>) -> Vec<String> {
        let nonce = rand::random();
        bus.ping(nonce).await.expect("the bus can be pinged");
        let line = format!("pinged {nonce}");
        self.heard.wait_for(&line).await;
        self.heard.log().into_iter().filter(|heard| *heard != line).collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for `work`, but not for ever.
pub(super) async fn patiently<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.expect("it does not take that long")
}
