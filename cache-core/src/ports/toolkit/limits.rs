//! A store of what a rate limiter remembers.

use std::time::Duration;

use async_trait::async_trait;

use crate::{error::Error, ports::toolkit::Place};

/// How calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// At most `limit` calls in each window of the calendar (from one multiple of the window to the next). One number per key;
    /// around the border of two windows, up to twice the limit may pass within one window's length.
    FixedWindow,
    /// At most `limit` calls in any window. Exact, and remembers each call: memory grows with the limit, which is 10,000 at the most.
    SlidingLog,
    /// At most `limit` calls in any window. Counts calls by tenths of the window, the oldest tenth in full: eleven numbers per key,
    /// never too many calls, but a caller may wait up to a tenth of the window longer than need be.
    SlidingCounter,
    /// A steady rate of `limit` per window, with bursts of up to `burst` (GCRA, ITU-T I.371). One number per key.
    Gcra,
}

/// The rule of a limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitPlan {
    /// How calls are counted.
    pub algorithm: Algorithm,
    /// Calls per window.
    pub limit: u64,
    /// The window's length, in microseconds.
    pub window_us: u64,
    /// For [`Algorithm::Gcra`]: calls at once.
    pub burst: u64,
}

impl LimitPlan {
    /// The length of a tenth of the window, rounded up: ten of them are no shorter than the window.
    #[must_use]
    pub fn tenth_us(&self) -> u64 {
        self.window_us.div_ceil(TENTHS).max(1)
    }

    /// How long one call takes at the steady rate, rounded up.
    #[must_use]
    pub fn interval_us(&self) -> u64 {
        self.window_us.div_ceil(self.limit.max(1)).max(1)
    }
}

/// Into how many parts [`Algorithm::SlidingCounter`] divides the window.
pub const TENTHS: u64 = 10;

/// What a limiter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether the call may pass. One that may not was not counted.
    pub allowed: bool,
    /// How many more could pass at once.
    pub remaining: u64,
    /// After how long without calls nothing counts any more.
    pub reset: Duration,
    /// After how long this call could pass, if nobody else calls; zero if it may now.
    pub retry_after: Duration,
}

/// A store of what a rate limiter remembers.
#[async_trait]
pub trait LimitStore {
    /// Counts `cost` calls, if they may pass. `now_us` is the caller's time, in microseconds since the Unix epoch; `None` takes the
    /// store's own. A key's time never goes back: the latest time that any caller has told stands.
    async fn take(&self, at: Place<'_>, plan: &LimitPlan, cost: u64, now_us: Option<u64>) -> Result<Taken, Error>;

    /// Forgets a key's calls.
    async fn forget(&self, at: Place<'_>) -> Result<(), Error>;
}
