//! The load lock: one process at a time loads a key.

use std::{sync::Arc, time::Duration};

use dashmap::DashSet;
use foldhash::fast::RandomState;

use crate::{
    engine::Engine,
    ports::{LockRequest, LockToken},
};

/// The bounds of how long a lock outlives its process.
const TTL_MIN: Duration = Duration::from_millis(100);
const TTL_MAX: Duration = Duration::from_secs(10);

/// A lock is renewed so often while it is held: one renewal may be late.
const RENEWALS_PER_TTL: u32 = 3;

/// Between two looks for what the other process loads.
pub(crate) const POLL_MIN: Duration = Duration::from_millis(4);
pub(crate) const POLL_MAX: Duration = Duration::from_millis(64);

/// The keys whose load lock this process holds. A caller who meets its own process's lock does not wait for it: what is
/// loaded under it was overtaken by an invalidation, or the caller would share it.
#[derive(Default)]
pub(crate) struct HeldLocks(DashSet<Arc<str>, RandomState>);

impl HeldLocks {
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.0.contains(key)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// How long a lock left behind by a dead process stays: short enough that one of those who wait takes it, and loads for all, before
/// they give up waiting.
pub(crate) fn ttl(lock_wait: Duration) -> Duration {
    (lock_wait / 2).clamp(TTL_MIN, TTL_MAX)
}

/// A lock that this process has asked for. Dropped, it is given back in the background.
pub(crate) struct LoadLock {
    engine: Arc<Engine>,
    key: Arc<str>,
    token: LockToken,
    given_back: bool,
}

impl LoadLock {
    /// To be made before the request, so that a caller who is cancelled during it gives the lock back all the same.
    pub(crate) fn new(engine: &Arc<Engine>, key: &str, token: LockToken) -> Self {
        Self { engine: Arc::clone(engine), key: Arc::from(key), token, given_back: false }
    }

    pub(crate) fn token(&self) -> LockToken {
        self.token
    }

    /// The lock was won.
    pub(crate) fn won(self) -> Self {
        self.engine.held_locks.0.insert(Arc::clone(&self.key));
        self
    }

    /// The lock was not won: it is another's.
    pub(crate) fn lost(mut self) {
        self.given_back = true;
    }

    /// Runs `work`, and renews the lock meanwhile.
    pub(crate) async fn kept_during<T>(&self, lock_wait: Duration, work: impl Future<Output = T>) -> T {
        let ttl = ttl(lock_wait);
        let keep = async {
            loop {
                self.engine.clock.sleep(ttl / RENEWALS_PER_TTL).await;
                let request = LockRequest { key: &self.key, token: self.token, ttl };
                // Whoever has lost it goes on all the same: at worst, another process loads as well.
                let _held = self.engine.remote.capture(&[], ttl, &[request]).await;
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            never = keep => never,
        }
    }

    /// A store has given the lock back in its own round trip.
    pub(crate) fn given_back(mut self) {
        self.given_back = true;
        self.leave();
    }

    /// Gives the lock back now; cancelled on the way, in the background.
    pub(crate) async fn give_back(mut self) {
        self.leave();
        // A lock that cannot be given back ends by itself.
        let _given_back = self.engine.remote.unlock(&self.key, self.token).await;
        self.given_back = true;
    }

    fn leave(&self) {
        self.engine.held_locks.0.remove(&self.key);
    }
}

impl Drop for LoadLock {
    fn drop(&mut self) {
        if self.given_back {
            return;
        }
        self.leave();
        let (remote, key, token) = (Arc::clone(&self.engine.remote), Arc::clone(&self.key), self.token);
        let _unless_closed = self.engine.tasks.spawn(async move {
            let _given_back = remote.unlock(&key, token).await;
        });
    }
}
