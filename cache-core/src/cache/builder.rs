//! Takes the settings and joins the parts.

use std::{sync::Arc, time::Duration};

use crate::{
    cache::{
        Cache, CacheConfig, Capacity, Eviction,
        check::{check, setting},
    },
    clock::Clock,
    engine::{Engine, EngineSettings, Mutation, Parts, Weighers, WhenRemoteIsDown, left_local_tier},
    envelope::Compression,
    error::{Error, ErrorKind},
    event::{Event, EventListener},
    local::MokaTier,
    memory::{MemoryStore, MemoryTools},
    policy::{CodecKind, CompressionKind, Consistency, Policy, TierChoice},
    ports::{Bus, RemoteTier, toolkit::ToolStore},
};

/// See [`CacheBuilder::degraded_ttl`].
const DEGRADED_TTL: Duration = Duration::from_secs(1);

/// Settings of a [`Cache`] to be. Every setter has a default, and `build()` names the setting that cannot work.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before build()"]
pub struct CacheBuilder {
    config: CacheConfig,
    clock: Clock,
    listener: Option<EventListener>,
    parts: Option<Ports>,
    tools: Option<ToolsPart>,
    weighers: Weighers,
    mutation: Option<Mutation>,
}

/// A remote tier handed in by a test.
#[derive(Clone)]
struct Ports {
    remote: Arc<dyn RemoteTier>,
    bus: Arc<dyn Bus>,
    tools: Option<Arc<dyn ToolStore>>,
}

/// A store of the toolkit handed in by a test.
#[derive(Clone)]
struct ToolsPart(Arc<dyn ToolStore>);

impl std::fmt::Debug for ToolsPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToolsPart")
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}

impl CacheBuilder {
    pub(crate) fn new(config: CacheConfig) -> Self {
        Self {
            config,
            clock: Clock::system(),
            listener: None,
            parts: None,
            tools: None,
            weighers: Weighers::default(),
            mutation: None,
        }
    }

    /// Redis as the shared tier and the bus: `redis://user:password@host:port/db`, `rediss://` for TLS, `unix://` for a socket.
    /// Default: none; everything stays in this process.
    #[cfg(feature = "redis")]
    pub fn redis(mut self, url: impl Into<String>) -> Self {
        self.config.redis_url = Some(url.into());
        self
    }

    /// Precedes every key and tag in Redis: applications that share a Redis need one each. Default: `"cache"`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.config.namespace = namespace.into();
        self
    }

    /// How long entries are valid at the most. Default: 5 minutes.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.config.ttl = ttl;
        self
    }

    /// The share of the TTL, from 0 to 1, by which each entry's own is shortened at random. Default: 0.05.
    pub fn jitter(mut self, jitter: f64) -> Self {
        self.config.jitter = jitter;
        self
    }

    /// How long the absence of a value is valid at the most. Default: 30 seconds.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.config.negative_ttl = ttl;
        self
    }

    /// How fresh reads are. Default: [`Consistency::Bounded`].
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.config.consistency = consistency;
        self
    }

    /// Which tiers hold entries. Default: [`TierChoice::Both`].
    pub fn tier(mut self, tier: TierChoice) -> Self {
        self.config.tier = tier;
        self
    }

    /// How values become bytes. Default: [`CodecKind::MessagePack`].
    pub fn codec(mut self, codec: CodecKind) -> Self {
        self.config.codec = codec;
        self
    }

    /// Compresses payloads of at least `bytes_min` bytes. Default: no compression.
    pub fn compression(mut self, kind: CompressionKind, bytes_min: usize) -> Self {
        self.config.compression = kind;
        self.config.compression_bytes_min = bytes_min;
        self
    }

    /// The size of the local tier. Default: 100,000 entries.
    pub fn capacity(mut self, capacity: Capacity) -> Self {
        self.config.capacity = capacity;
        self
    }

    /// How many bytes a value of type `T` takes besides `size_of::<T>()`, for a capacity in bytes: an entry weighs that, its key, its tags
    /// and its bookkeeping. `T` is what the function returns on success, such as `Option<user::Model>`. Default: an estimate from what
    /// `Serialize` shows (numbers by their width, texts and lists by their length); 0 for types without serde's traits, about
    /// which [`Event::Warning`] says so once.
    ///
    /// ```
    /// # use sea_orm_cache::{Cache, Capacity};
    /// let picture = |pixels: &Vec<u8>| pixels.capacity();
    /// let builder = Cache::builder().capacity(Capacity::Bytes(256 << 20)).weigher(picture);
    /// ```
    pub fn weigher<T: 'static>(mut self, weigher: impl Fn(&T) -> usize + Send + Sync + 'static) -> Self {
        self.weighers.add(weigher);
        self
    }

    /// What the local tier evicts when it is full. Default: [`Eviction::TinyLfu`].
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.config.eviction = eviction;
        self
    }

    /// Encoded values above this many bytes are not stored. Default: 1 MiB.
    pub fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.config.payload_bytes_max = bytes;
        self
    }

    /// How many loads of this process may run at a time: what the database gets to do at once, however many entries end together.
    /// More loads wait, within their hard timeout if there is one. A load that another one needs counts as part of that one. Default: 1,024.
    pub fn loads_in_flight_max(mut self, loads: usize) -> Self {
        self.config.loads_in_flight_max = loads;
        self
    }

    /// How long local hits are trusted after the last sign of life of the bus. Default: 1 second.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.config.lease = lease;
        self
    }

    /// How long tags stay pending after a writer that is not heard of again. Default: 5 seconds.
    pub fn intent_lease(mut self, lease: Duration) -> Self {
        self.config.intent_lease = lease;
        self
    }

    /// How long tags stay pending after a write by a hook whose commit cannot be seen. Default: 5 seconds.
    pub fn hook_lease(mut self, lease: Duration) -> Self {
        self.config.hook_lease = lease;
        self
    }

    /// How long tags stay pending after each commit, for applications that read from replicas. Default: zero.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.config.settle = settle;
        self
    }

    /// Refreshes entries at random before they end (XFetch); see [`Policy::xfetch_beta`]. Default: 0, off.
    pub fn xfetch_beta(mut self, beta: f64) -> Self {
        self.config.xfetch_beta = beta;
        self
    }

    /// Refreshes entries that are used after this share of their TTL. Default: 1.0, off.
    pub fn refresh_ahead(mut self, share: f64) -> Self {
        self.config.refresh_ahead = share;
        self
    }

    /// How long after its TTL an entry still answers while it is refreshed. Default: zero, off.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.config.stale_while_revalidate = window;
        self
    }

    /// How long after its TTL an entry answers for a loader that fails, or that takes longer than `soft_timeout`.
    /// Defaults: zero (off) and one hour.
    pub fn stale_if_error(mut self, grace: Duration, soft_timeout: Duration) -> Self {
        self.config.stale_if_error = grace;
        self.config.soft_timeout = soft_timeout;
        self
    }

    /// Whether one process at a time loads an entry, and how long the others wait for it. Default: yes, 1 second.
    pub fn lock(mut self, lock: bool, wait: Duration) -> Self {
        self.config.lock = lock;
        self.config.lock_wait = wait;
        self
    }

    /// How long a value loaded while Redis is down may answer further bounded reads; at most `lease`, which is how far behind a node may
    /// be that is cut off. Zero: not at all. Default: 1 second, or `lease` if that is shorter.
    pub fn degraded_ttl(mut self, ttl: Duration) -> Self {
        self.config.degraded_ttl = Some(ttl);
        self
    }

    /// What a write does when Redis cannot be told. Default: [`WhenRemoteIsDown::Retry`].
    pub fn when_remote_is_down(mut self, what: WhenRemoteIsDown) -> Self {
        self.config.when_remote_is_down = what;
        self
    }

    /// More tags than this waiting for Redis collapse into one invalidation of everything. Default: 100,000.
    pub fn deferred_tags_max(mut self, tags: usize) -> Self {
        self.config.deferred_tags_max = tags;
        self
    }

    /// Longest times to set up a connection to Redis, to wait for one reply, and for a request in all.
    /// Defaults: 100 ms, 50 ms, 80 ms.
    pub fn deadlines(mut self, connect: Duration, response: Duration, total: Duration) -> Self {
        self.config.connect_deadline = connect;
        self.config.response_deadline = response;
        self.config.total_deadline = total;
        self
    }

    /// Hears every event.
    pub fn on_event(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(EventListener::new(listener));
        self
    }

    /// As [`on_event`](Self::on_event), with a listener made elsewhere.
    pub fn listener(mut self, listener: EventListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Takes the time from `clock`, so that tests move it.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A remote tier and a bus made elsewhere.
    #[doc(hidden)]
    pub fn ports(mut self, remote: Arc<dyn RemoteTier>, bus: Arc<dyn Bus>) -> Self {
        self.parts = Some(Ports { remote, bus, tools: None });
        self
    }

    /// A store of the toolkit made elsewhere.
    #[doc(hidden)]
    pub fn tools(mut self, tools: Arc<dyn ToolStore>) -> Self {
        self.tools = Some(ToolsPart(tools));
        self
    }

    /// A protocol with one rule left out, for tests of the tests.
    #[doc(hidden)]
    pub fn mutation(mut self, mutation: Option<Mutation>) -> Self {
        self.mutation = mutation;
        self
    }

    /// Starts the cache. Must be called within a tokio runtime, on which its background work then runs.
    ///
    /// A Redis that is down is no error: the cache reads from the database, and uses Redis as soon as it answers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`], naming the setting.
    pub async fn build(self) -> Result<Cache, Error> {
        check(&self.config)?;
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::with_source(ErrorKind::Setting, "build() outside of a tokio runtime", error))?;
        let ports = match self.parts {
            Some(ports) => ports,
            None => ports(&self.config, &self.clock)?,
        };
        let (capacity, counts_bytes) = match self.config.capacity {
            Capacity::Entries(entries) => (entries, false),
            Capacity::Bytes(bytes) => (bytes, true),
        };
        let tools = self
            .tools
            .map(|part| part.0)
            .or(ports.tools)
            .unwrap_or_else(|| Arc::new(MemoryTools::new(self.clock.clone())));
        let patience = self.config.total_deadline + self.config.connect_deadline;
        let engine = Engine::start(Parts {
            clock: self.clock,
            local: Arc::new(MokaTier::new(
                capacity,
                counts_bytes,
                self.config.eviction == Eviction::Lru,
                left_local_tier,
            )),
            remote: ports.remote,
            bus: ports.bus,
            settings: engine_settings(&self.config, self.mutation),
            weighers: self.weighers,
            listener: self.listener,
            runtime,
        });
        // Reads before the subscription stands are correct, only slower; a start need not wait for a dead Redis.
        let _subscribed = engine.wait_until_subscribed(patience).await;
        advise(&engine);
        Ok(Cache::of(engine, tools))
    }
}

/// The tier that the settings name: Redis, or one in process memory.
fn ports(config: &CacheConfig, clock: &Clock) -> Result<Ports, Error> {
    let Some(url) = &config.redis_url else {
        let store = MemoryStore::new(clock.clone());
        return Ok(Ports { remote: store.tier(), bus: store.bus(), tools: None });
    };
    #[cfg(feature = "redis")]
    {
        let settings = crate::redis::RedisSettings::new(url).with_namespace(&config.namespace).with_deadlines(
            config.connect_deadline,
            config.response_deadline,
            config.total_deadline,
        );
        let opened = crate::redis::open(&settings, clock).map_err(|error| setting("redis_url", error))?;
        Ok(Ports { remote: opened.remote, bus: opened.bus, tools: Some(opened.tools) })
    }
    #[cfg(not(feature = "redis"))]
    Err(setting("redis_url", format!("is {url:?}, but the feature `redis` is not compiled in")))
}

fn engine_settings(config: &CacheConfig, mutation: Option<Mutation>) -> EngineSettings {
    EngineSettings {
        namespace: config.namespace.clone(),
        policy: Policy {
            ttl: config.ttl,
            jitter: config.jitter,
            negative_ttl: config.negative_ttl,
            consistency: config.consistency,
            tier: config.tier,
            codec: config.codec,
            xfetch_beta: config.xfetch_beta,
            refresh_ahead: config.refresh_ahead,
            stale_while_revalidate: config.stale_while_revalidate,
            stale_if_error: config.stale_if_error,
            soft_timeout: config.soft_timeout,
            lock: config.lock,
            lock_wait: config.lock_wait,
        },
        compression: Compression { kind: config.compression, threshold_bytes: config.compression_bytes_min },
        payload_bytes_max: config.payload_bytes_max,
        loads_in_flight_max: config.loads_in_flight_max,
        lease: config.lease,
        intent_lease: config.intent_lease,
        hook_lease: config.hook_lease,
        settle: config.settle,
        degraded_ttl: config.degraded_ttl.unwrap_or(DEGRADED_TTL.min(config.lease)),
        when_remote_is_down: config.when_remote_is_down,
        deferred_tags_max: config.deferred_tags_max,
        mutation,
    }
}

/// Asks the remote tier for warnings about its own set-up, in the background.
fn advise(engine: &Arc<Engine>) {
    let remote = Arc::clone(engine.remote());
    let weak = Arc::downgrade(engine);
    engine.tasks().spawn_loop(async move {
        let advice = remote.advise().await.unwrap_or_default();
        if let Some(engine) = weak.upgrade() {
            for text in advice {
                engine.warn_once(&text);
            }
        }
    });
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn write_behind_finds_its_journal_behind_what_observes_the_tier() {
        let clock = Clock::system();
        let config = CacheConfig { redis_url: Some("redis://127.0.0.1".to_owned()), ..CacheConfig::default() };
        let tier = ports(&config, &clock).expect("the settings are good").remote;
        assert!(tier.journal("likes", 1).is_some());
        assert!(crate::telemetry::observed(tier, &clock, "cache").journal("likes", 1).is_some());
    }
}
