//! A store of feeds: capped lists, ordered by score and text.

use std::time::Duration;

use async_trait::async_trait;

use crate::{error::Error, ports::toolkit::Place};

/// One member of a feed. Members are ordered by score and then by text, both from high to low.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The member's text; never empty.
    pub member: String,
    /// Its score: between -1e300 and 1e300.
    pub score: f64,
}

/// A place in the order: what comes after it is lower.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    /// The score of the last member seen.
    pub score: f64,
    /// Its text.
    pub member: String,
}

/// How feeds are kept.
#[derive(Clone, Copy, Debug)]
pub struct FeedRule {
    /// Members per feed; the lowest are dropped.
    pub capacity: usize,
    /// A feed that is not read for this long ends, and is loaded anew when it is read. One that came to be by a write
    /// ([`Reach::Create`]) lives that long after the last write as well.
    pub ttl: Duration,
}

/// Which feeds a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those that exist: a feed that does not will be loaded when somebody reads it.
    Existing,
    /// All; one that does not exist begins with this write.
    Create,
}

/// What is taken out of feeds.
#[derive(Clone, Copy, Debug)]
pub enum Removal<'a> {
    /// One member.
    Member(&'a str),
    /// All members whose text begins so.
    Prefix(&'a str),
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedSlice {
    /// Whether the feed was there and loaded.
    pub warm: bool,
    /// Whether members were dropped for lack of room: below the lowest, the feed is not complete.
    pub trimmed: bool,
    /// The members after the cursor, in order, as many as were asked for if there are.
    pub members: Vec<Scored>,
}

/// Who loads a feed that is cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadTurn {
    /// The caller; writes go into the feed from now on.
    Mine,
    /// Somebody else, at this moment.
    Theirs,
    /// Nobody: it is warm.
    Warm,
}

/// A store of feeds.
#[async_trait]
pub trait FeedStore {
    /// Puts members into each of the feeds, in one pipeline. Returns into how many.
    async fn push_feeds(
        &self,
        feeds: &[Place<'_>],
        members: &[Scored],
        rule: FeedRule,
        reach: Reach,
    ) -> Result<u64, Error>;

    /// Takes members out of each of the feeds, in one pipeline. Returns how many there were.
    async fn remove_from_feeds(&self, feeds: &[Place<'_>], removal: Removal<'_>) -> Result<u64, Error>;

    /// One page of each of the feeds, in one pipeline.
    async fn read_feeds(
        &self,
        feeds: &[Place<'_>],
        after: Option<&After>,
        count: usize,
        ttl: Duration,
    ) -> Result<Vec<FeedSlice>, Error>;

    /// Takes the turn to load a cold feed, for `lease`.
    async fn begin_feed(&self, feed: Place<'_>, token: u64, lease: Duration) -> Result<LoadTurn, Error>;

    /// Adds what was loaded, but for what was removed meanwhile, and makes the feed warm. Returns whether `token` still had the turn;
    /// if not, nothing was changed.
    async fn finish_feed(&self, feed: Place<'_>, token: u64, members: &[Scored], rule: FeedRule)
    -> Result<bool, Error>;

    /// Drops a feed.
    async fn drop_feed(&self, feed: Place<'_>) -> Result<(), Error>;
}
