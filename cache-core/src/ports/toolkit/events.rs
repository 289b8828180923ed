//! A store of event streams.

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;

use crate::{
    error::{Error, ErrorKind},
    ports::toolkit::Place,
};

/// The place of an event in its stream: later events have higher ids. Its text is that of Redis, `1700000000000-0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Milliseconds since the Unix epoch, by the store's clock.
    pub ms: u64,
    /// Tells apart events of one millisecond.
    pub sequence: u64,
}

impl EventId {
    /// Before every event.
    pub const START: Self = Self { ms: 0, sequence: 0 };
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.sequence)
    }
}

impl FromStr for EventId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('-').and_then(|(ms, sequence)| Some((ms.parse().ok()?, sequence.parse().ok()?)));
        let (ms, sequence) = parts.ok_or_else(|| Error::new(ErrorKind::Decode, "not an id of an event"))?;
        Ok(Self { ms, sequence })
    }
}

/// How a stream is kept.
#[derive(Clone, Copy, Debug)]
pub struct StreamRule {
    /// Events; the oldest are dropped.
    pub length_max: usize,
    /// A stream ends this long after it was last written to or read by a group.
    pub ttl: Duration,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place.
    pub id: EventId,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// How a consumer of a group reads.
#[derive(Clone, Copy, Debug)]
pub struct GroupRead<'a> {
    /// The group: each event goes to one of its consumers.
    pub group: &'a str,
    /// Who reads.
    pub consumer: &'a str,
    /// What a new group begins after; `None`: with what comes from now on.
    pub start: Option<EventId>,
    /// How many at the most.
    pub count: usize,
    /// Events that a consumer has had for this long without acknowledging them are given to another.
    pub idle: Duration,
    /// How long the stream is kept from now on.
    pub ttl: Duration,
}

/// What a consumer gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupEvents {
    /// Events that were delivered before and not acknowledged.
    pub again: Vec<StoredEvent>,
    /// Events that no consumer of the group has had.
    pub fresh: Vec<StoredEvent>,
}

/// Waits for what is appended to one stream. Not one round trip: it lasts as long as nothing is.
#[async_trait]
pub trait EventWatch: Send {
    /// The events after `after`, oldest first, `count` at the most, as soon as there are any. May return none after some seconds: then it is
    /// called again. An error says nothing about the stream: it can still be read.
    async fn next(&mut self, after: EventId, count: usize) -> Result<Vec<StoredEvent>, Error>;
}

/// A store of event streams.
#[async_trait]
pub trait EventStore {
    /// Appends an event.
    async fn append_event(&self, at: Place<'_>, payload: &[u8], rule: StreamRule) -> Result<EventId, Error>;

    /// The events after `after`, oldest first.
    async fn read_events(&self, at: Place<'_>, after: EventId, count: usize) -> Result<Vec<StoredEvent>, Error>;

    /// Begins to wait for events. What it takes is taken with the first call, and given back when it is dropped.
    fn watch_events(&self, at: Place<'_>) -> Box<dyn EventWatch>;

    /// The id of the newest event; [`EventId::START`] if there is none.
    async fn last_event(&self, at: Place<'_>) -> Result<EventId, Error>;

    /// Drops the events before `before`. Returns how many.
    async fn trim_events(&self, at: Place<'_>, before: EventId) -> Result<u64, Error>;

    /// The next events for a consumer; makes the group if there is none.
    async fn read_group(&self, at: Place<'_>, read: GroupRead<'_>) -> Result<GroupEvents, Error>;

    /// Takes note that events are done with. Returns how many had been waiting for that.
    async fn acknowledge(&self, at: Place<'_>, group: &str, ids: &[EventId]) -> Result<u64, Error>;
}
