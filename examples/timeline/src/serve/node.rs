//! One instance: a cache, a connection, and what it keeps in Redis.

use std::sync::Arc;

use sea_orm::DatabaseConnection;
use sea_orm_cache::{Cache, CachedConnection};
use tokio::sync::watch;

use super::{
    Failed,
    feed::{Feeds, WhenAway},
    gauge::{self, Figures, Gauge},
    likes::Likes,
    limits::Limits,
    live::Live,
    sessions::Sessions,
    switches::{Switch, Switches},
    trending::Trending,
};
use crate::{cli::Serve, schema};

/// One instance. Several of them in one process share nothing but the database, the Redis and the switches.
pub struct Node {
    /// From 0.
    pub index: usize,
    /// Where all nodes are.
    pub urls: Arc<[String]>,
    pub db: CachedConnection,
    /// The same connection without the cache.
    pub plain: DatabaseConnection,
    pub gauge: Arc<Gauge>,
    pub switches: Arc<Switches>,
    pub sessions: Sessions,
    pub feeds: Feeds,
    pub likes: Likes,
    pub trending: Trending,
    pub limits: Limits,
    pub live: Live,
    /// True when the server is about to end.
    pub closed: watch::Receiver<bool>,
}

impl Node {
    pub async fn open(
        index: usize,
        urls: &Arc<[String]>,
        mut db: DatabaseConnection,
        redis_url: Option<&str>,
        switches: Arc<Switches>,
        closed: watch::Receiver<bool>,
        args: &Serve,
    ) -> Result<Arc<Self>, Failed> {
        let (gauge, notes) = Gauge::new(index);
        let statements = Arc::clone(&gauge);
        db.set_metric_callback(move |_| statements.statement());
        let listener = Arc::clone(&gauge);
        let mut builder = Cache::builder()
            .namespace(schema::namespace(&db, &args.namespace).await?)
            .on_event(move |event| listener.hear(event));
        if let Some(url) = redis_url {
            builder = builder.redis(url);
        }
        let cache = builder.build().await?;
        if index == 0 {
            // The tables may have been filled behind the cache since an earlier run.
            _ = gauge::request(async {
                gauge::by("the server");
                gauge::doing("starts, and clears the cache");
                cache.clear().await
            })
            .await;
        }
        let plain = db.clone();
        let db = cache.wrap(db);
        let live = Live::open(&cache, Arc::clone(&gauge), closed.clone()).await?;
        let node = Arc::new(Self {
            index,
            urls: Arc::clone(urls),
            plain: plain.clone(),
            gauge,
            switches,
            sessions: Sessions::new(&cache)?,
            feeds: Feeds::new(&db, args.large_above, WhenAway::Later)?,
            likes: Likes::open(&db, live.clone()).await?,
            trending: Trending::new(&cache)?,
            limits: Limits::new(&cache, args.posts_per_minute)?,
            live: live.clone(),
            closed,
            db,
        });
        // What this node made stale is shown on the panels of all nodes.
        tokio::spawn(live.tell_all(notes));
        Ok(node)
    }

    pub fn cache_is_off(&self) -> bool {
        self.switches.is_on(Switch::CacheOff)
    }

    pub fn figures(&self) -> Figures {
        self.gauge.figures(self.db.cache())
    }

    /// Writes what waits to be written.
    pub async fn close(&self) -> Result<(), Failed> {
        self.likes.close().await?;
        self.db.cache().close().await?;
        Ok(())
    }
}
