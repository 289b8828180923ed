//! Process memory, on moka.

use std::{fmt, sync::Arc, time::{Duration, Instant}};

use moka::{Expiry, policy::EvictionPolicy, sync::Cache};

use crate::{cache::{Capacity, Eviction}, ports::LocalTier};

/// A moka cache of whatever the engine stores.
pub(crate) struct MokaTier<E: ?Sized> {
    cache: Cache<Arc<str>, Stored<E>>,
    counts_bytes: bool,
}

struct Stored<E: ?Sized> {
    entry: Arc<E>,
    weight: u32,
    ttl: Duration,
}

impl<E: ?Sized> Clone for Stored<E> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), weight: self.weight, ttl: self.ttl }
    }
}
