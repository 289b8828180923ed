//! The classic uses of Redis beside query caching, on the cache's own connection: sessions, rate limits, feeds,
//! leaderboards, events, locks, counters and lists.
//!
//! Every type is made from a [`Cache`](crate::Cache) and shares its connection, namespace, deadlines, circuit breaker and counters. A cache without Redis keeps
//! them in process memory, with the same behaviour (one contract suite runs against both).
//!
//! | type | what for | in Redis |
//! |---|---|---|
//! | [`Sessions`] | who is signed in | a hash per session, a sorted set per user |
//! | [`RateLimiter`] | how often somebody may | a number, a hash or a sorted set per key |
//! | [`Feed`] | what the people I follow wrote | a capped sorted set per reader and author |
//! | [`Leaderboard`] | who has the most, this week | a capped sorted set per window |
//! | [`Events`] | what happened, live or again, or as work for a group | a capped stream |
//! | [`Lock`] | one process at a time, with a fencing token | two strings |
//! | [`Register`] | a value changed only by who knows what it was | a hash |
//! | [`Counters`] | how many | a string |
//! | [`UniqueVisitors`] | how many different ones | a HyperLogLog per window |
//! | [`RecentList`] | the last few | a capped list |
//!
//! Common to all:
//!
//! - **One operation is one round trip**, atomic for the object it is about (a script where it needs one). Operations on many objects
//!   (fan-out) are pipelines of bounded size. The keys of an object share a hash slot, so that Redis Cluster serves them.
//! - **Everything ends**: each key has a TTL.
//! - **A fault is an error**: unlike a cached read, these have no database to fall back on. Errors of Redis answer true to
//!   [`Error::is_remote`](crate::Error::is_remote), and come within the cache's deadlines.
//! - **Names**: objects of different types, or of different names, never meet, even if their ids are equal.
//! - [`Cache::toolkit_counts`](crate::Cache::toolkit_counts) says how often each operation was called and failed.

mod board_window;
mod common;
mod counters;
mod events;
mod feed;
mod feed_builder;
mod feed_item;
mod leaderboard;
#[cfg(feature = "tower")]
mod limit_layer;
mod limiter;
mod lock;
mod recent;
mod register;
mod sessions;

#[cfg(feature = "tower")]
pub use self::limit_layer::{LimitedCall, RateLimit, RateLimitLayer};
pub use self::{
    board_window::{Period, Window},
    counters::{Counters, UniqueVisitors},
    events::{Events, EventsBuilder, StreamEvent},
    feed::Feed,
    feed_builder::FeedBuilder,
    feed_item::{FeedCursor, FeedItem, FeedPage, Published},
    leaderboard::{Leaderboard, LeaderboardBuilder, Ranked},
    limiter::{Decision, RateLimiter, RateLimiterBuilder, TimeSource, WhenDown},
    lock::{HeldLock, Lock},
    recent::RecentList,
    register::{Expect, Register, Stored, Swap},
    sessions::{Session, SessionId, Sessions, SessionsBuilder},
};
pub use crate::ports::toolkit::{events::EventId, limits::Algorithm};

/// The guide's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/toolkit.md")]
struct Guide;
