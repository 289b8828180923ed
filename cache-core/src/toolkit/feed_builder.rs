//! Settings of a feed.

use std::time::Duration;

use crate::{
    cache::Cache,
    error::Error,
    ports::toolkit::feeds::FeedRule,
    toolkit::{
        common::{Tool, check_count, check_span},
        feed::Feed,
    },
};

/// Settings of a [`Feed`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before build()"]
pub struct FeedBuilder<'a> {
    cache: &'a Cache,
    name: String,
    capacity: usize,
    ttl: Duration,
    large: u64,
    batch: usize,
    load_lease: Duration,
    load_wait: Duration,
}

impl<'a> FeedBuilder<'a> {
    pub(super) fn new(cache: &'a Cache, name: String) -> Self {
        Self {
            cache,
            name,
            capacity: 1_000,
            ttl: Duration::from_secs(7 * 24 * 3_600),
            large: 10_000,
            batch: 500,
            load_lease: Duration::from_secs(5),
            load_wait: Duration::from_secs(1),
        }
    }

    /// Items per feed; the oldest are dropped. Default: 1,000.
    pub fn capacity(mut self, items: usize) -> Self {
        self.capacity = items;
        self
    }

    /// A feed that nobody reads for this long is dropped, and loaded anew when somebody does. Default: 7 days.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Authors with more followers than this are large: their items are merged into feeds when those are read. Default: 10,000.
    pub fn large_above(mut self, followers: u64) -> Self {
        self.large = followers;
        self
    }

    /// Feeds per round trip when an item is published. Default: 500.
    pub fn batch(mut self, feeds: usize) -> Self {
        self.batch = feeds;
        self
    }

    /// How long one process has for loading a cold feed before another may try. Default: 5 seconds.
    pub fn load_lease(mut self, lease: Duration) -> Self {
        self.load_lease = lease;
        self
    }

    /// How long a reader waits for another's load of the same feed before it asks the database itself. Default: 1 second.
    pub fn load_wait(mut self, wait: Duration) -> Self {
        self.load_wait = wait;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn build(self) -> Result<Feed, Error> {
        check_count("capacity", self.capacity as u64, 1, 10_000)?;
        check_count("batch", self.batch as u64, 1, 10_000)?;
        check_span("ttl", self.ttl, Duration::from_millis(1))?;
        check_span("load_lease", self.load_lease, Duration::from_millis(1))?;
        check_span("load_wait", self.load_wait, Duration::ZERO)?;
        Ok(Feed {
            tool: Tool::new(self.cache, &self.name)?,
            rule: FeedRule { capacity: self.capacity, ttl: self.ttl },
            large: self.large,
            batch: self.batch,
            load_lease: self.load_lease,
            load_wait: self.load_wait,
        })
    }
}
