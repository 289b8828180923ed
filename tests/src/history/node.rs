//! One node: its own cache, its own pool, its own way to Redis.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sea_orm_cache::{__testing::Mutation, Cache, CachedConnection, Event};

use super::tap::{Piece, Tap, Verdict};
use crate::proxy::{Flow, Proxy};

/// How long local hits are trusted without a sign of the bus. What is loaded while Redis is down answers no longer than that either.
pub(super) const LEASE: Duration = Duration::from_millis(300);

/// How long a writer that is not heard of again keeps its tags pending.
pub(super) const INTENT_LEASE: Duration = Duration::from_millis(800);

/// What a bounded read may be behind, besides the lease: for the time between taking the time and acting upon it.
pub(super) const MARGIN: Duration = Duration::from_millis(200);

/// Entries live longer than a round: only invalidations make them stale.
const TTL: Duration = Duration::from_secs(3_600);

const POOL_CONNECTIONS: u32 = 8;

/// What all nodes have in common.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) redis: SocketAddr,
    pub(super) database_url: String,
    pub(super) namespace: String,
    pub(super) mutation: Option<Mutation>,
}

pub(super) struct Node {
    pub(super) id: usize,
    pub(super) cache: Cache,
    pub(super) db: CachedConnection,
    /// Cuts and silences everything between the node and Redis.
    pub(super) network: Proxy,
    /// The longest that a reply to a command is late; messages of the bus are not.
    reply_delay_micros: Arc<AtomicU64>,
    /// Counts invalidations that did not reach Redis at once.
    deferrals: Arc<AtomicU64>,
    _tap: Tap,
}

impl Node {
    pub(super) async fn start(id: usize, site: &Site) -> Self {
        let network = Proxy::start(site.redis).await;
        let reply_delay_micros = Arc::new(AtomicU64::new(0));
        let late = LateReplies { most_micros: Arc::clone(&reply_delay_micros), subscribers: Mutex::default() };
        let tap = Tap::start(network.address(), move |piece| late.judge(piece)).await;
        let deferrals = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&deferrals);
        let cache = cache(site, tap.address(), move |event| {
            if let Event::Deferred { .. } = event {
                count.fetch_add(1, Ordering::AcqRel);
            }
        })
        .await;
        let db = cache.wrap(pool(&site.database_url).await);
        Self { id, cache, db, network, reply_delay_micros, deferrals, _tap: tap }
    }

    /// How many invalidations have been deferred so far.
    pub(super) fn deferrals(&self) -> u64 {
        self.deferrals.load(Ordering::Acquire)
    }

    /// Makes replies late, by up to `most`.
    pub(super) fn delay_replies(&self, most: Duration) {
        self.reply_delay_micros.store(u64::try_from(most.as_micros()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Keeps all bytes from Redis back, while the connections stand; or lets them through again.
    pub(super) fn silence(&self, silent: bool) {
        self.network.replies(if silent { Flow::Hang } else { Flow::Pass });
    }
}

/// A cache that reaches Redis at `redis`.
pub(super) async fn cache(site: &Site, redis: SocketAddr, hear: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Cache {
    Cache::builder()
        .redis(format!("redis://{redis}"))
        .namespace(&site.namespace)
        .ttl(TTL)
        .lease(LEASE)
        .degraded_ttl(LEASE)
        .intent_lease(INTENT_LEASE)
        .mutation(site.mutation)
        .on_event(hear)
        .build()
        .await
        .expect("the settings are good")
}

/// A plain pool.
pub(super) async fn pool(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(POOL_CONNECTIONS).sqlx_logging(false);
    Database::connect(options).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

struct LateReplies {
    most_micros: Arc<AtomicU64>,
    /// Connections that messages come on.
    subscribers: Mutex<HashSet<u64>>,
}

impl LateReplies {
    fn judge(&self, piece: Piece<'_>) -> Verdict {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        if piece.is_request && piece.contains(b"SUBSCRIBE") {
            subscribers.insert(piece.connection);
        }
        let most = self.most_micros.load(Ordering::Acquire);
        if most == 0 || piece.is_request || subscribers.contains(&piece.connection) {
            return Verdict::Pass;
        }
        Verdict::After(Duration::from_micros(rand::random_range(0..=most)))
    }
}
