//! Event streams: what happened, in order, to be read live, again, or by a group of workers.

use std::time::Duration;

use futures_util::{Stream, stream};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cache::Cache,
    error::Error,
    ports::toolkit::events::{EventId, EventWatch, GroupRead, StoredEvent, StreamRule},
    toolkit::common::{Tool, check_count, check_id, check_span, decode, encode, refused},
};

/// Events per read.
const COUNT_MAX: u64 = 1_000;
/// Events that a tail fetches at once.
const AT_ONCE: usize = 100;
/// Bytes of an event.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Append-only streams of events, one for each id.
///
/// A reader goes on from an id, live ([`tail`](Events::tail)) or in pages ([`read`](Events::read)); the consumers of a group share the work, and get again what
/// one of them did not acknowledge in time (at least once).
///
/// Streams are capped: a reader that is further behind than `length_max` events misses those that were dropped, and is not told.
///
/// ```
/// # use sea_orm_cache::{Cache, toolkit::{EventId, Events}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let posts = Events::builder(&cache, "posts").build()?;
/// let first = posts.append("live", &"hello").await?;
/// posts.append("live", &"world").await?;
///
/// let later = posts.read("live", first, 10).await?;
/// assert_eq!(later[0].json::<String>()?, "world");
///
/// let work = posts.read_group("live", "mailers", "worker 1", 10).await?;
/// assert_eq!(work.len(), 2);
/// posts.acknowledge("live", "mailers", work.iter().map(|event| event.id)).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Events {
    tool: Tool,
    rule: StreamRule,
    idle: Duration,
    poll: Duration,
    from_start: bool,
}

/// Settings of [`Events`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before build()"]
pub struct EventsBuilder<'a> {
    cache: &'a Cache,
    name: String,
    rule: StreamRule,
    idle: Duration,
    poll: Duration,
    from_start: bool,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamEvent {
    /// Its place in the stream.
    pub id: EventId,
    /// Whether a consumer of the group had it before, and did not acknowledge it.
    pub again: bool,
    payload: Vec<u8>,
}

impl StreamEvent {
    fn of(event: StoredEvent, again: bool) -> Self {
        Self { id: event.id, again, payload: event.payload }
    }

    /// What was appended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if it is not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        decode("an event", &self.payload)
    }

    /// The bytes that were appended: JSON.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.payload
    }
}

impl Events {
    /// Begins with the defaults. The name tells streams apart.
    pub fn builder(cache: &Cache, name: impl Into<String>) -> EventsBuilder<'_> {
        EventsBuilder {
            cache,
            name: name.into(),
            rule: StreamRule { length_max: 10_000, ttl: Duration::from_secs(7 * 24 * 3_600) },
            idle: Duration::from_secs(60),
            poll: Duration::from_millis(100),
            from_start: true,
        }
    }

    /// Appends an event, as JSON.
    ///
    /// # Errors
    ///
    /// If the store fails, or the value cannot be encoded or has more than 1 MiB.
    pub async fn append<T: Serialize + ?Sized>(&self, stream: &str, value: &T) -> Result<EventId, Error> {
        let payload = encode("an event", value)?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(refused(format!("an event of {} bytes: at most {PAYLOAD_BYTES_MAX} are taken", payload.len())));
        }
        let appending = self.tool.store().append_event(self.tool.place(stream)?, &payload, self.rule);
        self.tool.run("events.append", appending).await
    }

    /// The events after `after`, oldest first: [`EventId::START`] replays all that are kept.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn read(&self, stream: &str, after: EventId, count: usize) -> Result<Vec<StreamEvent>, Error> {
        check_count("count", count as u64, 1, COUNT_MAX)?;
        let reading = self.tool.store().read_events(self.tool.place(stream)?, after, count);
        let events = self.tool.run("events.read", reading).await?;
        Ok(events.into_iter().map(|event| StreamEvent::of(event, false)).collect())
    }

    /// The id of the newest event: where [`tail`](Self::tail) begins what comes from now on.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn newest(&self, stream: &str) -> Result<EventId, Error> {
        self.tool.run("events.newest", self.tool.store().last_event(self.tool.place(stream)?)).await
    }

    /// Drops the events before `before`. Returns how many.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn trim(&self, stream: &str, before: EventId) -> Result<u64, Error> {
        self.tool.run("events.trim", self.tool.store().trim_events(self.tool.place(stream)?, before)).await
    }

    /// The events after `after`, and then those that come, as soon as they are appended, without end. A tail waits on a connection of its own (to each server
    /// of a cluster): share one per stream and process among its listeners. While it cannot wait, it asks every `poll`. A failure is an item; the
    /// stream goes on where it was.
    pub fn tail(&self, stream: &str, after: EventId) -> impl Stream<Item = Result<StreamEvent, Error>> + Send + use<> {
        let state = Tail {
            events: self.clone(),
            stream: stream.to_owned(),
            after,
            ready: Vec::new(),
            watch: None,
            asks: false,
            pause: false,
        };
        stream::unfold(state, |mut state| async move {
            let item = state.next().await;
            Some((item, state))
        })
    }

    /// The next events for one consumer of a group: first those that another consumer has had for longer than `idle` without acknowledging them, then new
    /// ones. A group that is not there is made.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn read_group(
        &self,
        stream: &str,
        group: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<StreamEvent>, Error> {
        check_count("count", count as u64, 1, COUNT_MAX)?;
        check_id(group)?;
        check_id(consumer)?;
        let start = self.from_start.then_some(EventId::START);
        let read = GroupRead { group, consumer, start, count, idle: self.idle, ttl: self.rule.ttl };
        let reading = self.tool.store().read_group(self.tool.place(stream)?, read);
        let events = self.tool.run("events.read_group", reading).await?;
        let again = events.again.into_iter().map(|event| StreamEvent::of(event, true));
        Ok(again.chain(events.fresh.into_iter().map(|event| StreamEvent::of(event, false))).collect())
    }

    /// Says that a group is done with events. Returns how many had been waiting for that.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn acknowledge(
        &self,
        stream: &str,
        group: &str,
        ids: impl IntoIterator<Item = EventId>,
    ) -> Result<u64, Error> {
        let ids: Vec<EventId> = ids.into_iter().collect();
        check_count("ids", ids.len() as u64, 0, COUNT_MAX)?;
        let acknowledging = self.tool.store().acknowledge(self.tool.place(stream)?, group, &ids);
        self.tool.run("events.acknowledge", acknowledging).await
    }
}

/// Where a tail is.
struct Tail {
    events: Events,
    stream: String,
    after: EventId,
    /// Newest first.
    ready: Vec<StreamEvent>,
    watch: Option<Box<dyn EventWatch>>,
    /// Whether waiting has failed, so that the store is asked.
    asks: bool,
    /// Whether to pause before anything else is tried.
    pause: bool,
}

impl Tail {
    async fn next(&mut self) -> Result<StreamEvent, Error> {
        loop {
            if let Some(event) = self.ready.pop() {
                self.after = event.id;
                return Ok(event);
            }
            if std::mem::take(&mut self.pause) {
                self.events.tool.sleep(self.events.poll).await;
            }
            self.ready = if self.asks { self.ask().await? } else { self.wait().await? };
            self.ready.reverse();
        }
    }

    /// Waits for events. That it cannot is no failure of the tail, as long as the store answers.
    async fn wait(&mut self) -> Result<Vec<StreamEvent>, Error> {
        let watch = match &mut self.watch {
            Some(watch) => watch,
            none => {
                let at = self.events.tool.place(&self.stream)?;
                none.insert(self.events.tool.store().watch_events(at))
            }
        };
        match watch.next(self.after, AT_ONCE).await {
            Ok(events) => Ok(events.into_iter().map(|event| StreamEvent::of(event, false)).collect()),
            Err(_) => {
                self.asks = true;
                Ok(Vec::new())
            }
        }
    }

    /// Asks once. If there is an answer, waiting may work again; if not, it would not either.
    async fn ask(&mut self) -> Result<Vec<StreamEvent>, Error> {
        let read = self.events.read(&self.stream, self.after, AT_ONCE).await;
        self.asks = read.is_err();
        // A full page is followed at once by the next.
        self.pause = read.as_ref().map_or(true, |events| events.len() < AT_ONCE);
        read
    }
}

impl EventsBuilder<'_> {
    /// Events per stream; the oldest are dropped. Default: 10,000.
    pub fn length_max(mut self, events: usize) -> Self {
        self.rule.length_max = events;
        self
    }

    /// A stream ends this long after it was last appended to, or read by a group. Default: 7 days.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.rule.ttl = ttl;
        self
    }

    /// How long a consumer has for an event before another gets it. Default: 1 minute.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How often a tail looks for new events while it cannot wait for them. Default: 100 ms.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Whether a new group begins with all events that are kept; otherwise with those that come from then on. Default: yes.
    pub fn from_start(mut self, from_start: bool) -> Self {
        self.from_start = from_start;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn build(self) -> Result<Events, Error> {
        check_count("length_max", self.rule.length_max as u64, 1, 10_000_000)?;
        check_span("ttl", self.rule.ttl, Duration::from_millis(1))?;
        check_span("idle", self.idle, Duration::from_millis(1))?;
        check_span("poll", self.poll, Duration::from_millis(1))?;
        Ok(Events {
            tool: Tool::new(self.cache, &self.name)?,
            rule: self.rule,
            idle: self.idle,
            poll: self.poll,
            from_start: self.from_start,
        })
    }
}
