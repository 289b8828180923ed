//! A lock between processes, with fencing tokens.

use std::time::Duration;

use crate::{
    cache::Cache,
    clock::Moment,
    error::Error,
    toolkit::common::{Tool, check_id, check_span},
};

/// How often a waiting process tries.
const LOOK: Duration = Duration::from_millis(20);

/// Locks that one process at a time holds, each for at most its TTL.
///
/// Such a lock alone is no proof against a holder that was stopped for longer than the TTL and goes on afterwards: give the **fencing token** along with every
/// write, and let what is written to refuse one that is lower than the last it has seen (Kleppmann, "How to do distributed locking", 2016).
/// The lock lives in one Redis: a failover that loses acknowledged writes may give it away twice, with a higher token.
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::Lock};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let nightly = Lock::new(&cache, "nightly", Duration::from_secs(30))?;
/// let held = nightly.acquire("report").await?.ok_or("another process is at it")?;
/// assert!(nightly.acquire("report").await?.is_none());
/// let token = held.fence();                       // UPDATE report SET .., fence = $token WHERE fence < $token
/// assert!(held.renew().await?);
/// held.release().await?;
/// assert!(nightly.acquire("report").await?.ok_or("free")?.fence() > token);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Lock {
    tool: Tool,
    ttl: Duration,
}

/// A lock that is held. Dropped without [`release`](HeldLock::release), it is given back in the background, or ends with its TTL.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct HeldLock {
    lock: Lock,
    key: String,
    token: u64,
    fence: u64,
    /// By this process's clock, counted from before the request was sent.
    until: std::sync::Mutex<Moment>,
    released: bool,
}

impl Lock {
    /// Locks of this name, each held for at most `ttl` unless it is renewed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn new(cache: &Cache, name: &str, ttl: Duration) -> Result<Self, Error> {
        check_span("ttl", ttl, Duration::from_millis(1))?;
        Ok(Self { tool: Tool::new(cache, name)?, ttl })
    }

    /// Takes the lock of `key` if it is free. `None` if somebody holds it.
    ///
    /// # Errors
    ///
    /// If the store fails: the lock may have been taken then, and ends with its TTL.
    pub async fn acquire(&self, key: &str) -> Result<Option<HeldLock>, Error> {
        self.attempt(key, rand::random()).await
    }

    /// Takes the lock of `key`, and waits for it up to `patience`. `None` if somebody holds it all that time. Who waits has no turn: whoever
    /// asks first after it was given back has it.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn acquire_within(&self, key: &str, patience: Duration) -> Result<Option<HeldLock>, Error> {
        let begun = self.tool.clock().now();
        let token = rand::random();
        loop {
            if let Some(held) = self.attempt(key, token).await? {
                return Ok(Some(held));
            }
            let left = patience.saturating_sub(self.tool.clock().now().since(begun));
            if left.is_zero() {
                return Ok(None);
            }
            self.tool.sleep(LOOK.min(left)).await;
        }
    }

    async fn attempt(&self, key: &str, token: u64) -> Result<Option<HeldLock>, Error> {
        check_id(key)?;
        let until = self.tool.clock().now().after(self.ttl);
        let acquiring = self.tool.store().acquire_lock(self.tool.place(key)?, token, self.ttl);
        let fence = self.tool.run("lock.acquire", acquiring).await?;
        Ok(fence.map(|fence| HeldLock {
            lock: self.clone(),
            key: key.to_owned(),
            token,
            fence,
            until: std::sync::Mutex::new(until),
            released: false,
        }))
    }

    async fn give_back(&self, key: &str, token: u64) -> Result<bool, Error> {
        self.tool.run("lock.release", self.tool.store().release_lock(self.tool.place(key)?, token)).await
    }
}

impl HeldLock {
    /// The fencing token: higher than that of every earlier holder of this key.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether the TTL has not passed yet, by this process's own clock. Time may pass between this answer and whatever it is asked for.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lock.tool.clock().now() < *self.until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Holds the lock for another TTL from now. Returns whether it was still held; if not, it is lost.
    ///
    /// # Errors
    ///
    /// If the store fails: whether it was renewed is not known.
    pub async fn renew(&self) -> Result<bool, Error> {
        let tool = &self.lock.tool;
        let until = tool.clock().now().after(self.lock.ttl);
        let renewing = tool.store().renew_lock(tool.place(&self.key)?, self.token, self.lock.ttl);
        let renewed = tool.run("lock.renew", renewing).await?;
        let known = if renewed { until } else { Moment::from_nanos(0) };
        *self.until.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = known;
        Ok(renewed)
    }

    /// Gives the lock back. Returns whether it was still held.
    ///
    /// # Errors
    ///
    /// If the store fails: it then ends with its TTL.
    pub async fn release(mut self) -> Result<bool, Error> {
        let released = self.lock.give_back(&self.key, self.token).await;
        self.released = released.is_ok();
        released
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if !self.released {
            let (lock, key, token) = (self.lock.clone(), std::mem::take(&mut self.key), self.token);
            // If it cannot be given back, it ends with its TTL.
            self.lock.tool.spawn(async move { drop(lock.give_back(&key, token).await) });
        }
    }
}
