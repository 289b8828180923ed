//! The cache that functions use which are handed none.

use std::sync::{PoisonError, RwLock};

use crate::cache::Cache;

static INSTALLED: RwLock<Option<Cache>> = RwLock::new(None);

impl Cache {
    /// Makes this the cache of functions and hooks that are handed a plain `DatabaseConnection`, or no connection at all, in this
    /// process. Returns the one it replaces.
    pub fn install_default(&self) -> Option<Cache> {
        INSTALLED.write().unwrap_or_else(PoisonError::into_inner).replace(self.clone())
    }

    /// The cache last installed.
    #[must_use]
    pub fn installed() -> Option<Cache> {
        INSTALLED.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Undoes [`install_default`](Cache::install_default). Returns the cache that was installed.
    pub fn uninstall_default() -> Option<Cache> {
        INSTALLED.write().unwrap_or_else(PoisonError::into_inner).take()
    }
}
