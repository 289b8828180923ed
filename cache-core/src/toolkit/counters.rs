//! Counters, and counts of the different.

use std::time::Duration;

use crate::{
    cache::Cache,
    error::Error,
    toolkit::{
        board_window::{Period, Window},
        common::{Tool, check_count, check_id, check_span},
    },
};

/// Counters read, or visitors added, at once.
const AT_ONCE_MAX: u64 = 1_000;

/// Whole numbers by key that many processes add to: likes, views, stock.
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::Counters};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let likes = Counters::new(&cache, "likes", Duration::from_secs(86_400))?;
/// assert_eq!(likes.add("post 7", 2).await?, 2);
/// assert_eq!(likes.add("post 7", -1).await?, 1);
/// assert_eq!(likes.get_all(&["post 7", "post 8"]).await?, [1, 0]);
/// assert_eq!(likes.take("post 7").await?, 1);          // read and set to zero in one step: to write it elsewhere
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Counters {
    tool: Tool,
    ttl: Duration,
}

impl Counters {
    /// Counters of this name. One ends `ttl` after the last addition, and is 0 again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn new(cache: &Cache, name: &str, ttl: Duration) -> Result<Self, Error> {
        check_span("ttl", ttl, Duration::from_millis(1))?;
        Ok(Self { tool: Tool::new(cache, name)?, ttl })
    }

    /// Adds, and returns the sum.
    ///
    /// # Errors
    ///
    /// If the store fails, or the sum does not fit into an `i64`. After a time-out, whether it was added is not known.
    pub async fn add(&self, key: &str, by: i64) -> Result<i64, Error> {
        let adding = self.tool.store().add_to_counter(self.tool.place(key)?, by, self.ttl);
        self.tool.run("counters.add", adding).await
    }

    /// The count; 0 if there is none.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn get(&self, key: &str) -> Result<i64, Error> {
        Ok(self.get_all(&[key]).await?.first().copied().unwrap_or_default())
    }

    /// The counts of up to 1,000 keys, in one round trip.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn get_all<S: AsRef<str>>(&self, keys: &[S]) -> Result<Vec<i64>, Error> {
        check_count("keys", keys.len() as u64, 0, AT_ONCE_MAX)?;
        let places = keys.iter().map(|key| self.tool.place(key.as_ref())).collect::<Result<Vec<_>, _>>()?;
        self.tool.run("counters.get", self.tool.store().read_counters(&places)).await
    }

    /// Reads a count and sets it to zero, in one step: nothing that is added meanwhile is lost or counted twice.
    ///
    /// # Errors
    ///
    /// If the store fails. After a time-out the count may be gone.
    pub async fn take(&self, key: &str) -> Result<i64, Error> {
        self.tool.run("counters.take", self.tool.store().take_counter(self.tool.place(key)?)).await
    }
}

/// How many different visitors there were, about: a HyperLogLog of 16,384 registers per window (about 12 kB), with a standard error of 0.81 %, in Redis and in
/// process memory (the two do not give the same estimate).
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::{Period, UniqueVisitors, Window}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let visitors = UniqueVisitors::new(&cache, "pages", Window::Daily, Duration::from_secs(40 * 86_400))?;
/// visitors.add("home", &["ann", "bob", "ann"]).await?;
/// assert_eq!(visitors.count("home", Period::Current).await?, 2);
/// visitors.add("home", &["bob", "eve"]).await?;
/// assert_eq!(visitors.count("home", Period::Last(30)).await?, 3);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct UniqueVisitors {
    tool: Tool,
    window: Window,
    ttl: Duration,
}

impl UniqueVisitors {
    /// Counts of this name, in these windows. A window's count ends `ttl` after the last visitor was added.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn new(cache: &Cache, name: &str, window: Window, ttl: Duration) -> Result<Self, Error> {
        check_span("ttl", ttl, Duration::from_millis(1))?;
        Ok(Self { tool: Tool::new(cache, name)?, window, ttl })
    }

    /// Adds up to 1,000 visitors to the current window. Returns whether the estimate may have changed: `false` for those that were there.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn add(&self, key: &str, visitors: &[&str]) -> Result<bool, Error> {
        check_count("visitors", visitors.len() as u64, 1, AT_ONCE_MAX)?;
        visitors.iter().try_for_each(|visitor| check_id(visitor))?;
        let window = self.window.name(self.tool.clock().unix_ms(), 0);
        let adding = self.tool.store().add_visitors(self.tool.place(key)?, &window, visitors, self.ttl);
        self.tool.run("visitors.add", adding).await
    }

    /// About how many different visitors a period had: one who came in several windows counts once.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn count(&self, key: &str, period: Period) -> Result<u64, Error> {
        if let Period::Last(windows) = period {
            check_count("windows", u64::from(windows), 1, 366)?;
        }
        let windows = self.window.names(period, self.tool.clock().unix_ms());
        self.tool.run("visitors.count", self.tool.store().count_visitors(self.tool.place(key)?, &windows)).await
    }
}
