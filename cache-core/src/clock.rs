//! The only reader of time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

/// A point on this process's monotonic time line, in nanoseconds since the clock was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// Before every other moment.
    pub const ZERO: Self = Self(0);

    /// After every other moment.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `span` later.
    #[must_use]
    #[inline]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }

    /// The moment `span` earlier, at the least [`ZERO`](Moment::ZERO).
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }

    /// The time from `earlier` to this moment; zero if that is negative.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds since the clock was made, for an atomic.
    pub(crate) fn to_nanos(self) -> u64 {
        self.0
    }

    /// The reverse of [`to_nanos`](Moment::to_nanos).
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

/// Tells the time, monotonic and of day. Tests hand in one that they move.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { origin: Instant, coarse: Coarse },
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    elapsed: Mutex<Duration>,
    unix: Duration,
    moved: Notify,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        // One second past zero, so that moments before the start (a lease never granted) exist.
        let now = Instant::now();
        let origin = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        Self(Kind::System { origin, coarse: Coarse::new(origin) })
    }

    /// A clock that stands still until [`advance`](Clock::advance) moves it; clones move together.
    #[must_use]
    pub fn manual() -> Self {
        Self(Kind::Manual(Arc::new(Manual {
            elapsed: Mutex::new(Duration::from_secs(1)),
            unix: Duration::from_secs(1_700_000_000),
            moved: Notify::new(),
        })))
    }

    /// Moves a manual clock forward and wakes its sleepers. Does nothing to the system's clocks.
    pub fn advance(&self, span: Duration) {
        if let Kind::Manual(manual) = &self.0 {
            *manual.elapsed.lock().unwrap_or_else(PoisonError::into_inner) += span;
            manual.moved.notify_waiters();
        }
    }

    /// Now, on the monotonic time line.
    #[must_use]
    pub fn now(&self) -> Moment {
        match &self.0 {
            Kind::System { origin, .. } => Moment(nanos(origin.elapsed())),
            Kind::Manual(manual) => Moment(nanos(manual.elapsed())),
        }
    }

    /// A moment that is not before now, and at most 20 ms after it; several times cheaper than [`now`](Clock::now). Whoever asks
    /// whether something still holds may be told "no" that much too early, and never "yes" too late.
    #[inline]
    pub(crate) fn soon(&self) -> Moment {
        match &self.0 {
            Kind::System { origin, coarse } => coarse.soon(*origin),
            Kind::Manual(manual) => Moment(nanos(manual.elapsed())),
        }
    }

    /// Now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        let unix = match &self.0 {
            Kind::System { .. } => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Kind::Manual(manual) => manual.unix + manual.elapsed(),
        };
        u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits for `span`.
    pub fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        match &self.0 {
            Kind::System { .. } => Box::pin(tokio::time::sleep(span)),
            Kind::Manual(manual) => {
                let manual = Arc::clone(manual);
                let until = manual.elapsed() + span;
                Box::pin(async move {
                    loop {
                        let moved = manual.moved.notified();
                        tokio::pin!(moved);
                        moved.as_mut().enable();
                        if manual.elapsed() >= until {
                            return;
                        }
                        moved.await;
                    }
                })
            }
        }
    }

    /// Runs `work` for at most `span`; `None` if that was not enough.
    pub async fn timeout<F: Future>(&self, span: Duration, work: F) -> Option<F::Output> {
        match &self.0 {
            Kind::System { .. } => tokio::time::timeout(span, work).await.ok(),
            Kind::Manual(_) => {
                let end = self.sleep(span);
                tokio::select! {
                    biased;
                    done = work => Some(done),
                    () = end => None,
                }
            }
        }
    }
}

/// The kernel's clock as of its last tick.
#[derive(Clone, Copy, Debug)]
struct Coarse {
    /// The time of the kernel's clock at the origin.
    #[cfg(target_os = "linux")]
    origin: u64,
}

#[cfg(target_os = "linux")]
impl Coarse {
    /// The kernel ticks at least every 10 ms (`CONFIG_HZ=100`); as much again for a tick that comes late.
    const LAG_MAX: Duration = Duration::from_millis(20);

    fn new(origin: Instant) -> Self {
        // Both read the kernel's monotonic clock; this one second, so that the origin is not later than it should be.
        let since = nanos(origin.elapsed());
        Self { origin: Self::read(ClockId::Monotonic).saturating_sub(since) }
    }

    #[inline]
    fn soon(self, _: Instant) -> Moment {
        Moment(Self::read(ClockId::MonotonicCoarse).saturating_sub(self.origin)).after(Self::LAG_MAX)
    }

    #[inline]
    fn read(id: ClockId) -> u64 {
        let time = clock_gettime(id);
        let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    }
}

#[cfg(not(target_os = "linux"))]
impl Coarse {
    fn new(_: Instant) -> Self {
        Self {}
    }

    fn soon(self, origin: Instant) -> Moment {
        Moment(nanos(origin.elapsed()))
    }
}

impl Manual {
    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soon_is_not_before_now_nor_long_after() {
        let clock = Clock::system();
        for _ in 0..10_000 {
            let (before, soon, after) = (clock.now(), clock.soon(), clock.now());
            assert!(before <= soon, "{before:?} {soon:?}");
            assert!(soon <= after.after(Duration::from_millis(20)), "{soon:?} {after:?}");
        }
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_has_moved_far_enough() {
        let clock = Clock::manual();
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        assert!(sleeper.await.is_ok());
    }
}
