//! A rate limiter: how often somebody may.

use std::time::Duration;

use crate::{
    cache::Cache,
    error::{Error, ErrorKind},
    ports::toolkit::limits::{Algorithm, LimitPlan, Taken},
    toolkit::common::{Tool, check_count, check_span, setting},
};

/// The log remembers each call.
const LOG_LIMIT_MAX: u64 = 10_000;
/// Counts stay exact in the numbers that Lua has, and times a thousand years from now.
const LIMIT_MAX: u64 = 1_000_000_000;
const ROOM_US_MAX: u64 = 1 << 50;

/// Limits how often something happens, for each key (a user, an address, a token), on all nodes together.
///
/// A call that may not pass is not counted, so that impatience does not prolong the wait. See [`Algorithm`] for what each promises.
///
/// # Whose time
///
/// By default the store's own ([`TimeSource::Store`]): Redis's clock, which all nodes share. With [`TimeSource::Caller`] it is the cache's clock. Then
/// nodes may disagree: the latest time that any of them has told counts for a key, so that a node whose clock is behind, by up to a window, never reopens one.
/// A clock that is ahead by `d` ends windows `d` too early for all; only calls within `d` of a window's end are misjudged.
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::{Algorithm, RateLimiter}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let posting = RateLimiter::builder(&cache, "posting")
///     .algorithm(Algorithm::SlidingLog)
///     .limit(2, Duration::from_secs(60))
///     .build()?;
/// assert!(posting.check("user 7").await?.allowed);
/// assert_eq!(posting.check("user 7").await?.remaining, 0);
/// let third = posting.check("user 7").await?;
/// assert!(!third.allowed && third.retry_after > Duration::from_secs(59));
/// assert!(posting.check("user 8").await?.allowed);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RateLimiter {
    tool: Tool,
    plan: LimitPlan,
    time: TimeSource,
    when_down: WhenDown,
}

/// Settings of a [`RateLimiter`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before build()"]
pub struct RateLimiterBuilder<'a> {
    cache: &'a Cache,
    name: String,
    algorithm: Algorithm,
    limit: u64,
    window: Duration,
    burst: Option<u64>,
    time: TimeSource,
    when_down: WhenDown,
}

/// Whose clock a limiter goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeSource {
    /// The store's: that of Redis, or in process memory the cache's.
    #[default]
    Store,
    /// The cache's, on each node its own.
    Caller,
}

/// What [`RateLimiter::decide`] says when Redis does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDown {
    /// Calls pass, uncounted: a limit that protects resources.
    #[default]
    Allow,
    /// Calls are refused: a limit that protects secrets (attempts to sign in).
    Refuse,
}

/// What a limiter says about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// Whether the call may pass.
    pub allowed: bool,
    /// The limit, in calls per window.
    pub limit: u64,
    /// How many more calls could pass right now.
    pub remaining: u64,
    /// After how long without further calls all of the limit is free again.
    pub reset: Duration,
    /// After how long a refused call could pass, if nobody else calls; zero for one that was allowed.
    pub retry_after: Duration,
    /// Redis did not answer, and this is what [`WhenDown`] says.
    pub degraded: bool,
}

impl RateLimiter {
    /// Begins with the defaults: 60 calls a minute, by [`Algorithm::SlidingCounter`]. The name tells limiters apart.
    pub fn builder(cache: &Cache, name: impl Into<String>) -> RateLimiterBuilder<'_> {
        RateLimiterBuilder {
            cache,
            name: name.into(),
            algorithm: Algorithm::SlidingCounter,
            limit: 60,
            window: Duration::from_secs(60),
            burst: None,
            time: TimeSource::default(),
            when_down: WhenDown::default(),
        }
    }

    /// Counts one call for `key`, if it may pass.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn check(&self, key: &str) -> Result<Decision, Error> {
        self.check_cost(key, 1).await
    }

    /// Counts a call that weighs as much as `cost` calls: it passes whole or not at all.
    ///
    /// # Errors
    ///
    /// If the store fails; [`ErrorKind::Setting`] if `cost` is zero or could never pass.
    pub async fn check_cost(&self, key: &str, cost: u64) -> Result<Decision, Error> {
        check_count("cost", cost, 1, self.most_at_once())?;
        let now_us = match self.time {
            TimeSource::Store => None,
            TimeSource::Caller => Some(self.tool.clock().unix_ms().saturating_mul(1_000)),
        };
        let taking = self.tool.store().take(self.tool.place(key)?, &self.plan, cost, now_us);
        let taken = self.tool.run("limiter.check", taking).await?;
        Ok(Decision::of(taken, self.plan.limit))
    }

    /// As [`check`](Self::check); if the store fails, what [`WhenDown`] says.
    pub async fn decide(&self, key: &str) -> Decision {
        match self.check(key).await {
            Ok(decision) => decision,
            Err(error) => {
                // A key that cannot be stored is the caller's: it must not become a way around the limit.
                let allowed = self.when_down == WhenDown::Allow && error.kind() != ErrorKind::Encode;
                Decision {
                    allowed,
                    limit: self.plan.limit,
                    remaining: 0,
                    reset: Duration::ZERO,
                    retry_after: if allowed { Duration::ZERO } else { Duration::from_secs(1) },
                    degraded: true,
                }
            }
        }
    }

    /// Forgets the calls of `key`, as after a successful sign-in.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn forget(&self, key: &str) -> Result<(), Error> {
        self.tool.run("limiter.forget", self.tool.store().forget(self.tool.place(key)?)).await
    }

    /// The window.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_micros(self.plan.window_us)
    }

    fn most_at_once(&self) -> u64 {
        match self.plan.algorithm {
            Algorithm::Gcra => self.plan.burst,
            _ => self.plan.limit,
        }
    }
}

impl RateLimiterBuilder<'_> {
    /// How calls are counted. Default: [`Algorithm::SlidingCounter`].
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// At most `limit` calls per `window`. Default: 60 a minute.
    pub fn limit(mut self, limit: u64, window: Duration) -> Self {
        (self.limit, self.window) = (limit, window);
        self
    }

    /// How many calls may come at once; for [`Algorithm::Gcra`] only. Default: the limit.
    pub fn burst(mut self, burst: u64) -> Self {
        self.burst = Some(burst);
        self
    }

    /// Whose clock counts. Default: [`TimeSource::Store`].
    pub fn time(mut self, time: TimeSource) -> Self {
        self.time = time;
        self
    }

    /// What [`RateLimiter::decide`] and the tower layer do when Redis does not answer. Default: [`WhenDown::Allow`].
    pub fn when_down(mut self, what: WhenDown) -> Self {
        self.when_down = what;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`], naming the setting.
    pub fn build(self) -> Result<RateLimiter, Error> {
        let most = if self.algorithm == Algorithm::SlidingLog { LOG_LIMIT_MAX } else { LIMIT_MAX };
        check_count("limit", self.limit, 1, most)?;
        check_span("window", self.window, Duration::from_millis(1))?;
        if self.burst.is_some() && self.algorithm != Algorithm::Gcra {
            return Err(setting("burst", format!("is set, but {:?} knows none", self.algorithm)));
        }
        let plan = LimitPlan {
            algorithm: self.algorithm,
            limit: self.limit,
            window_us: u64::try_from(self.window.as_micros()).unwrap_or(u64::MAX),
            burst: self.burst.unwrap_or(self.limit),
        };
        check_count("burst", plan.burst, 1, LIMIT_MAX)?;
        if plan.algorithm == Algorithm::Gcra {
            if plan.limit > plan.window_us {
                return Err(setting("limit", format!("is {}: more than one call per microsecond", plan.limit)));
            }
            if plan.burst.saturating_mul(plan.interval_us()) > ROOM_US_MAX {
                return Err(setting("burst", format!("is {}: it takes decades to be free again", plan.burst)));
            }
        }
        Ok(RateLimiter { tool: Tool::new(self.cache, &self.name)?, plan, time: self.time, when_down: self.when_down })
    }
}

impl Decision {
    fn of(taken: Taken, limit: u64) -> Self {
        Self {
            allowed: taken.allowed,
            limit,
            remaining: taken.remaining,
            reset: taken.reset,
            retry_after: taken.retry_after,
            degraded: false,
        }
    }
}
