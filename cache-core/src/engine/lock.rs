//! The load lock: one process at a time loads a key.

use std::{sync::Arc, time::Duration};

use crate::{engine::Engine, ports::LockToken};

/// A lock left behind by a dead process goes after this. Waiting callers do not wait for it; see `lock_wait`.
pub(crate) const LOCK_TTL: Duration = Duration::from_secs(10);

/// Between two looks for what the other process loads.
pub(crate) const POLL_MIN: Duration = Duration::from_millis(4);
pub(crate) const POLL_MAX: Duration = Duration::from_millis(64);

/// A lock that this process holds. Dropped, it is given back in the background.
pub(crate) struct LoadLock {
    engine: Arc<Engine>,
    key: String,
    token: LockToken,
    held: bool,
}

impl LoadLock {
    pub(crate) fn new(engine: &Arc<Engine>, key: &str, token: LockToken) -> Self {
        Self { engine: Arc::clone(engine), key: key.to_owned(), token, held: true }
    }

    /// Hands the lock to a store, which gives it back in the same round trip.
    pub(crate) fn hand_over(mut self) -> LockToken {
        self.held = false;
        self.token
    }
}

impl Drop for LoadLock {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let (remote, key, token) = (Arc::clone(&self.engine.remote), std::mem::take(&mut self.key), self.token);
        let _unless_closed = self.engine.tasks.spawn(async move {
            // A lock that cannot be given back ends by itself.
            let _given_back = remote.unlock(&key, token).await;
        });
    }
}
