//! What a visitor can turn off and on.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::{Failed, redis_server::RedisServer};
use crate::database::Brake;

/// The switches of all nodes of this process.
pub struct Switches {
    cache_off: AtomicBool,
    brake: Brake,
    redis: Option<RedisServer>,
    redis_stopped: AtomicBool,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Pages are read from the database.
    CacheOff,
    /// Each statement waits.
    SlowDatabase,
    /// The server does not answer (it is stopped by a signal; it forgets nothing).
    StopRedis,
}

impl Switches {
    pub fn new(brake: Brake, redis: Option<RedisServer>) -> Self {
        Self { cache_off: AtomicBool::new(false), brake, redis, redis_stopped: AtomicBool::new(false) }
    }

    /// Those that there are.
    pub fn all(&self) -> impl Iterator<Item = Switch> {
        [Switch::CacheOff, Switch::SlowDatabase].into_iter().chain(self.redis.as_ref().map(|_| Switch::StopRedis))
    }

    pub fn is_on(&self, switch: Switch) -> bool {
        match switch {
            Switch::CacheOff => self.cache_off.load(Ordering::Relaxed),
            Switch::SlowDatabase => self.brake.is_on(),
            Switch::StopRedis => self.redis_stopped.load(Ordering::Relaxed),
        }
    }

    /// Sets a switch.
    ///
    /// # Errors
    ///
    /// If there is no such switch here.
    pub async fn set(&self, switch: Switch, on: bool) -> Result<(), Failed> {
        match switch {
            Switch::CacheOff => self.cache_off.store(on, Ordering::Relaxed),
            Switch::SlowDatabase => self.brake.set(on),
            Switch::StopRedis => {
                let redis = self.redis.as_ref().ok_or("this Redis was not started here")?;
                redis.signal(if on { "STOP" } else { "CONT" }).await?;
                self.redis_stopped.store(on, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Lets a stopped Redis go on, so that what waits for it can end.
    pub fn resume_redis(&self) {
        if let Some(redis) = &self.redis {
            redis.resume();
        }
    }
}
