//! Event streams in process memory.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, Weak},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    clock::{Clock, Moment},
    error::Error,
    memory::toolkit::{MemoryTools, lock, shelf::Shelf},
    ports::toolkit::{
        Place,
        events::{EventId, EventStore, EventWatch, GroupEvents, GroupRead, StoredEvent, StreamRule},
    },
};

/// One stream: its events, and what each group has had.
#[derive(Debug, Default)]
pub(super) struct Stream {
    events: BTreeMap<EventId, Vec<u8>>,
    last: EventId,
    groups: HashMap<String, Group>,
}

#[derive(Debug, Default)]
struct Group {
    last: EventId,
    /// Delivered and not acknowledged: to whom, and when.
    pending: BTreeMap<EventId, (String, Moment)>,
}

impl Stream {
    fn append(&mut self, payload: &[u8], now_ms: u64, length_max: usize) -> EventId {
        let id = if now_ms > self.last.ms {
            EventId { ms: now_ms, sequence: 0 }
        } else {
            EventId { sequence: self.last.sequence + 1, ..self.last }
        };
        self.last = id;
        self.events.insert(id, payload.to_vec());
        while self.events.len() > length_max {
            self.events.pop_first();
        }
        id
    }

    fn after(&self, after: EventId, count: usize) -> Vec<StoredEvent> {
        let range = self.events.range((Bound::Excluded(after), Bound::Unbounded)).take(count);
        range.map(|(id, payload)| StoredEvent { id: *id, payload: payload.clone() }).collect()
    }

    fn read(&mut self, ask: GroupRead<'_>, now: Moment) -> GroupEvents {
        let start = ask.start.unwrap_or(self.last);
        let group =
            self.groups.entry(ask.group.to_owned()).or_insert_with(|| Group { last: start, ..Group::default() });
        group.pending.retain(|id, _| self.events.contains_key(id));
        let mut again = Vec::new();
        for (id, (consumer, since)) in &mut group.pending {
            if again.len() < ask.count && now.since(*since) >= ask.idle {
                (*consumer, *since) = (ask.consumer.to_owned(), now);
                again.extend(self.events.get(id).map(|payload| StoredEvent { id: *id, payload: payload.clone() }));
            }
        }
        let (from, left) = (group.last, ask.count - again.len());
        let fresh = self.after(from, left);
        if let Some(group) = self.groups.get_mut(ask.group) {
            for event in &fresh {
                group.last = event.id;
                group.pending.insert(event.id, (ask.consumer.to_owned(), now));
            }
        }
        GroupEvents { again, fresh }
    }
}

/// All streams, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    shelf: Mutex<Shelf<Stream>>,
    /// By the stream's key; each goes with the last that waits.
    waiting: Mutex<HashMap<String, Weak<Notify>>>,
}

impl Streams {
    fn after(&self, key: &str, after: EventId, count: usize, now: Moment) -> Vec<StoredEvent> {
        lock(&self.shelf).get(key, now).map(|stream| stream.after(after, count)).unwrap_or_default()
    }

    fn wake(&self, key: &str) {
        let waiting = lock(&self.waiting).get(key).and_then(Weak::upgrade);
        if let Some(waiting) = waiting {
            waiting.notify_waiters();
        }
    }
}

/// Waits for one stream.
struct Watch {
    streams: Arc<Streams>,
    clock: Clock,
    key: String,
    appended: Arc<Notify>,
}

impl Watch {
    fn new(streams: &Arc<Streams>, clock: &Clock, key: String) -> Self {
        let mut waiting = lock(&streams.waiting);
        let place = waiting.entry(key.clone()).or_default();
        let appended = place.upgrade().unwrap_or_default();
        *place = Arc::downgrade(&appended);
        drop(waiting);
        Self { streams: Arc::clone(streams), clock: clock.clone(), key, appended }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = lock(&self.streams.waiting);
        // Nobody else begins to wait while the map is locked.
        if Arc::strong_count(&self.appended) == 1 {
            waiting.remove(&self.key);
        }
    }
}

#[async_trait]
impl EventWatch for Watch {
    async fn next(&mut self, after: EventId, count: usize) -> Result<Vec<StoredEvent>, Error> {
        loop {
            // Heard from before the look on, so that nothing falls between.
            let mut appended = std::pin::pin!(self.appended.notified());
            appended.as_mut().enable();
            let events = self.streams.after(&self.key, after, count, self.clock.now());
            if !events.is_empty() {
                return Ok(events);
            }
            appended.await;
        }
    }
}

#[async_trait]
impl EventStore for MemoryTools {
    async fn append_event(&self, at: Place<'_>, payload: &[u8], rule: StreamRule) -> Result<EventId, Error> {
        let now = self.clock.now();
        let key = at.text();
        let mut streams = lock(&self.streams.shelf);
        let stream = streams.get_or_put(&key, rule.ttl, now, Stream::default)?;
        let id = stream.append(payload, self.clock.unix_ms(), rule.length_max);
        streams.keep(&key, rule.ttl, now);
        drop(streams);
        self.streams.wake(&key);
        Ok(id)
    }

    async fn read_events(&self, at: Place<'_>, after: EventId, count: usize) -> Result<Vec<StoredEvent>, Error> {
        Ok(self.streams.after(&at.text(), after, count, self.clock.now()))
    }

    fn watch_events(&self, at: Place<'_>) -> Box<dyn EventWatch> {
        Box::new(Watch::new(&self.streams, &self.clock, at.text()))
    }

    async fn last_event(&self, at: Place<'_>) -> Result<EventId, Error> {
        let now = self.clock.now();
        let mut streams = lock(&self.streams.shelf);
        let newest = streams.get(&at.text(), now).and_then(|stream| stream.events.last_key_value());
        Ok(newest.map_or(EventId::START, |(id, _)| *id))
    }

    async fn trim_events(&self, at: Place<'_>, before: EventId) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut streams = lock(&self.streams.shelf);
        let Some(stream) = streams.get(&at.text(), now) else { return Ok(0) };
        let kept = stream.events.split_off(&before);
        Ok(std::mem::replace(&mut stream.events, kept).len() as u64)
    }

    async fn read_group(&self, at: Place<'_>, read: GroupRead<'_>) -> Result<GroupEvents, Error> {
        let now = self.clock.now();
        let key = at.text();
        let mut streams = lock(&self.streams.shelf);
        let events = streams.get_or_put(&key, read.ttl, now, Stream::default)?.read(read, now);
        streams.keep(&key, read.ttl, now);
        Ok(events)
    }

    async fn acknowledge(&self, at: Place<'_>, group: &str, ids: &[EventId]) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut streams = lock(&self.streams.shelf);
        let Some(group) = streams.get(&at.text(), now).and_then(|stream| stream.groups.get_mut(group)) else {
            return Ok(0);
        };
        Ok(ids.iter().map(|id| u64::from(group.pending.remove(id).is_some())).sum())
    }
}
