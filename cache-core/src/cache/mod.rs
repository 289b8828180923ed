//! The cache as its users see it.

mod builder;
mod check;
mod config;
mod direct;
mod installed;
mod tools;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use self::tools::Tools;
pub use self::{
    builder::CacheBuilder,
    config::{CacheConfig, Capacity, Eviction},
    tools::ToolkitCount,
};
use crate::{
    engine::{
        Engine, Explanation, FunctionStats, Invalidation, LoadScope, PurgeProgress, Stats, TableStats, WriteIntent,
        call::{Deps, Function, Read},
    },
    error::Error,
    ports::toolkit::ToolStore,
    tag::Tag,
};

/// How long `close` waits for invalidations to land and for work in the air.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A two-tier cache: process memory, and the tier shared by all nodes. Clones are cheap and share everything.
///
/// ```
/// # use sea_orm_cache::{Cache, Tag};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build().await?;
/// let load = async || Ok::<_, std::convert::Infallible>(42);
/// assert_eq!(cache.get_or_load("answer", ["deep-thought"], load).await?, 42);
/// assert_eq!(cache.get::<i32>("answer").await, Some(42));
/// assert!(cache.invalidate(["deep-thought"]).await.is_done());
/// assert_eq!(cache.get::<i32>("answer").await, None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cache {
    engine: Arc<Engine>,
    tools: Arc<Tools>,
}

impl Cache {
    /// Begins with the defaults: one process, 100,000 entries, a TTL of 5 minutes.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::new(CacheConfig::default())
    }

    /// Begins with settings from a file or from the environment.
    pub fn from_config(config: CacheConfig) -> CacheBuilder {
        CacheBuilder::new(config)
    }

    pub(crate) fn of(engine: Arc<Engine>, tools: Arc<dyn ToolStore>) -> Self {
        let tools = Arc::new(Tools::new(Arc::clone(&engine), tools));
        Self { engine, tools }
    }

    pub(crate) fn tools(&self) -> &Arc<Tools> {
        &self.tools
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Makes everything that depends on these tags stale, on every node. A string is a free name, as in
    /// `tags = ["feed:{user}"]`; tables, rows and index values have constructors on [`Tag`].
    pub async fn invalidate<I>(&self, tags: I) -> Invalidation
    where
        I: IntoIterator,
        I::Item: Into<Tag>,
    {
        self.engine.invalidate(tags.into_iter().map(Into::into).collect()).await
    }

    /// Runs one request: within it, and on its own task, a key is asked of the tiers at most once, so that all parts of a page agree.
    /// Writes of this node are seen all the same, and strict reads ask every time.
    ///
    /// ```
    /// # use sea_orm_cache::Cache;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::builder().build().await?;
    /// let read = async || cache.get_or_load("answer", ["x"], || async { Ok::<_, std::io::Error>(42) }).await;
    /// cache.scope(async { (read().await?, read().await?); Ok::<_, std::io::Error>(()) }).await?;
    /// assert_eq!(cache.stats().hits_scope, 1);
    /// # Ok(()) }
    /// ```
    pub async fn scope<F: Future>(&self, request: F) -> F::Output {
        self.engine.in_scope(request).await
    }

    /// Makes every entry stale, on every node, at the cost of one tag.
    pub async fn clear(&self) -> Invalidation {
        self.engine.invalidate(vec![Tag::all()]).await
    }

    /// Removes the entries whose keys match a pattern, on every node: `*`, `?`, `[..]` as in Redis. Keys are written as in Redis, without the
    /// namespace: `find_user:*`. The remote tier is scanned in bounded steps, after each of which `progress` is called.
    /// To make entries stale, tags are exact and cheaper; this is for entries that are wrong whatever their tags say.
    ///
    /// # Errors
    ///
    /// If the remote tier fails on the way; what was removed stays removed.
    pub async fn purge(&self, pattern: &str, progress: impl FnMut(PurgeProgress)) -> Result<PurgeProgress, Error> {
        self.engine.purge(pattern, progress).await
    }

    /// What the cache has done since it was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// What the [toolkit](crate::toolkit) has done on this cache, by operation.
    #[must_use]
    pub fn toolkit_counts(&self) -> Vec<ToolkitCount> {
        self.tools.counts()
    }

    /// What the cache has done for each function that was called since it was built, by name. Direct use of the cache counts as the
    /// function `""`, the query form as `query.one`, `query.all` and `query.count`.
    #[must_use]
    pub fn stats_by_function(&self) -> Vec<FunctionStats> {
        self.engine.figures().by_function()
    }

    /// What the cache has seen of each table that was written, or that entries were stored of, by name: where the writes come from that
    /// end entries. Of more than 1,024 tables, those that come later are counted together as `(others)`.
    #[must_use]
    pub fn stats_by_table(&self) -> Vec<TableStats> {
        self.engine.figures().by_table()
    }

    /// Hands the figures to the recorder of the `metrics` facade now; they are handed over every second anyway. For what is scraped
    /// right after. See the README for names, units and labels.
    #[cfg(feature = "metrics")]
    pub fn publish_metrics(&self) {
        self.engine.publish();
    }

    /// Says why the entry at `key` is or is not valid. The key is written as in Redis, without the namespace.
    ///
    /// # Errors
    ///
    /// If the remote tier does not answer.
    pub async fn explain(&self, key: &str) -> Result<Explanation, Error> {
        self.engine.explain(key).await
    }

    /// Lands what invalidations still wait, and stops the background work; at most 5 seconds. Afterwards nothing is served from
    /// process memory. Dropping the last clone instead stops the background work at once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if invalidations could not reach the remote tier in time.
    pub async fn close(&self) -> Result<(), Error> {
        self.engine.close(CLOSE_PATIENCE).await
    }

    /// Answers from a tier, or loads and stores. What generated code calls.
    #[doc(hidden)]
    pub async fn read<T, E, D, L, Fut>(&self, read: Read<'_, T, E>, deps: D, load: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        D: FnOnce() -> Deps,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.engine.read(&read, || (deps(), load)).await
    }

    /// Loads anew and stores. What generated code calls.
    #[doc(hidden)]
    pub async fn refresh<T, E, D, L, Fut>(&self, read: Read<'_, T, E>, deps: D, load: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        D: FnOnce() -> Deps,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.engine.refresh(&read, deps, load).await
    }

    /// Loads anew and stores, unless another process is at it. What generated code runs in the background.
    #[doc(hidden)]
    pub async fn refresh_once<T, E, D, L, Fut>(&self, read: Read<'_, T, E>, deps: D, load: L)
    where
        T: Clone + Send + Sync + 'static,
        D: FnOnce() -> Deps,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        // A failure is counted, and the next read finds out for itself.
        let _loaded = self.engine.refresh_once(&read, deps, load).await;
    }

    /// The cached value, if a tier can prove one valid. What generated code calls.
    #[doc(hidden)]
    pub async fn peek<T, E>(&self, read: Read<'_, T, E>) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        self.engine.peek(&read).await
    }

    /// Removes the entry at exactly this key. What generated code calls; see [`remove`](Cache::remove).
    ///
    /// # Errors
    ///
    /// As for [`remove`](Cache::remove).
    #[doc(hidden)]
    pub async fn remove_exact(&self, key: &str) -> Result<bool, Error> {
        Ok(self.engine.remove(&[key]).await? > 0)
    }

    /// Counts a call that went past the cache. What generated code calls.
    #[doc(hidden)]
    pub fn bypassed(&self, function: &'static Function, why: &'static str) {
        self.engine.figures().of(function).bypasses.up();
        self.engine.tell(&crate::event::Event::Bypass { function: function.name(), why });
    }

    /// Makes tags pending until the intent is finished.
    pub(crate) async fn begin_write(&self, tags: Vec<Tag>) -> Result<WriteIntent, Error> {
        self.engine.begin_write(tags).await
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
