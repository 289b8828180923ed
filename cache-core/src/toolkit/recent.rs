//! Lists of the most recent.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cache::Cache,
    error::Error,
    toolkit::common::{Tool, check_count, check_span, decode, encode},
};

/// Capped lists, newest first: what was viewed last, the latest sign-ins.
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::RecentList};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let viewed = RecentList::new(&cache, "viewed", 3, Duration::from_secs(86_400))?.unique();
/// for product in [1, 2, 3, 2, 4] {
///     viewed.push("joe", &product).await?;
/// }
/// assert_eq!(viewed.newest::<i32>("joe", 10).await?, [4, 2, 3]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RecentList {
    tool: Tool,
    length_max: usize,
    ttl: Duration,
    unique: bool,
}

impl RecentList {
    /// Lists of this name, of at most `length_max` items (up to 10,000). One ends `ttl` after the last item was put into it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn new(cache: &Cache, name: &str, length_max: usize, ttl: Duration) -> Result<Self, Error> {
        check_span("ttl", ttl, Duration::from_millis(1))?;
        check_count("length_max", length_max as u64, 1, 10_000)?;
        Ok(Self { tool: Tool::new(cache, name)?, length_max, ttl, unique: false })
    }

    /// An item that is in the list already moves to its head. Items are equal if their JSON is. Default: it is there twice.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Puts an item at the head.
    ///
    /// # Errors
    ///
    /// If the store fails, or the item cannot be encoded.
    pub async fn push<T: Serialize + ?Sized>(&self, key: &str, item: &T) -> Result<(), Error> {
        let items = [encode("an item of a list", item)?];
        let pushing =
            self.tool.store().push_recent(self.tool.place(key)?, &items, self.unique, self.length_max, self.ttl);
        self.tool.run("recent.push", pushing).await
    }

    /// The newest items, newest first.
    ///
    /// # Errors
    ///
    /// If the store fails, or an item is not of this type.
    pub async fn newest<T: DeserializeOwned>(&self, key: &str, count: usize) -> Result<Vec<T>, Error> {
        check_count("count", count as u64, 1, 10_000)?;
        let reading = self.tool.store().read_recent(self.tool.place(key)?, count);
        let items = self.tool.run("recent.newest", reading).await?;
        items.iter().map(|item| decode("an item of a list", item)).collect()
    }

    /// Takes an item out, wherever it is. Returns how many there were.
    ///
    /// # Errors
    ///
    /// If the store fails, or the item cannot be encoded.
    pub async fn remove<T: Serialize + ?Sized>(&self, key: &str, item: &T) -> Result<u64, Error> {
        let item = encode("an item of a list", item)?;
        self.tool.run("recent.remove", self.tool.store().remove_recent(self.tool.place(key)?, &item)).await
    }
}
