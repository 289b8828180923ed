//! Event streams in Redis: a stream for each.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{Value, cmd};

use crate::{
    error::{Error, ErrorKind},
    ports::toolkit::{
        Place,
        events::{EventId, EventStore, EventWatch, GroupEvents, GroupRead, StoredEvent, StreamRule},
    },
    redis::{
        apart::Apart,
        link::Link,
        scripts::millis,
        tier::read,
        toolkit::{
            RedisTools,
            scripts::{EVENT_APPEND, EVENT_GROUP, call},
        },
    },
};

const READ: &str = "read events";

impl RedisTools {
    fn stream(&self, at: Place<'_>) -> String {
        self.key("events", at, "")
    }
}

#[async_trait]
impl EventStore for RedisTools {
    async fn append_event(&self, at: Place<'_>, payload: &[u8], rule: StreamRule) -> Result<EventId, Error> {
        let mut append = call(&EVENT_APPEND, [self.stream(at)]);
        append.arg(rule.length_max).arg(millis(rule.ttl)).arg(payload);
        self.one::<String>("append an event", append).await?.parse()
    }

    async fn read_events(&self, at: Place<'_>, after: EventId, count: usize) -> Result<Vec<StoredEvent>, Error> {
        let mut range = cmd("XRANGE");
        range.arg(self.stream(at)).arg(format!("({after}")).arg("+").arg("COUNT").arg(count);
        events(self.one(READ, range).await?)
    }

    fn watch_events(&self, at: Place<'_>) -> Box<dyn EventWatch> {
        Box::new(Watch { link: Arc::clone(&self.link), key: self.stream(at), apart: None })
    }

    async fn last_event(&self, at: Place<'_>) -> Result<EventId, Error> {
        let mut range = cmd("XREVRANGE");
        range.arg(self.stream(at)).arg("+").arg("-").arg("COUNT").arg(1);
        let newest = events(self.one(READ, range).await?)?;
        Ok(newest.first().map_or(EventId::START, |event| event.id))
    }

    async fn trim_events(&self, at: Place<'_>, before: EventId) -> Result<u64, Error> {
        let mut trim = cmd("XTRIM");
        trim.arg(self.stream(at)).arg("MINID").arg(before.to_string());
        self.one("trim events", trim).await
    }

    async fn read_group(&self, at: Place<'_>, ask: GroupRead<'_>) -> Result<GroupEvents, Error> {
        let mut group = call(&EVENT_GROUP, [self.stream(at)]);
        let start = ask.start.map_or_else(|| "$".to_owned(), |id| id.to_string());
        group.arg(ask.group).arg(ask.consumer).arg(start).arg(ask.count);
        group.arg(millis(ask.idle)).arg(millis(ask.ttl));
        let (again, fresh): (Value, Value) = self.one(READ, group).await?;
        Ok(GroupEvents { again: events(again)?, fresh: events(fresh)? })
    }

    async fn acknowledge(&self, at: Place<'_>, group: &str, ids: &[EventId]) -> Result<u64, Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut ack = cmd("XACK");
        ack.arg(self.stream(at)).arg(group);
        for id in ids {
            ack.arg(id.to_string());
        }
        self.one("acknowledge events", ack).await
    }
}

/// Waits for one stream, on a connection of its own: a command that blocks holds up all that come after it.
struct Watch {
    link: Arc<Link>,
    key: String,
    apart: Option<Apart>,
}

#[async_trait]
impl EventWatch for Watch {
    async fn next(&mut self, after: EventId, count: usize) -> Result<Vec<StoredEvent>, Error> {
        const WAIT: &str = "wait for events";
        // Taken out: a caller who gives up leaves a connection behind on which an answer is still to come.
        let apart = match self.apart.take() {
            Some(apart) => apart,
            None => Apart::connect(&self.link, WAIT).await?,
        };
        let mut wait = cmd("XREAD");
        wait.arg("COUNT").arg(count).arg("BLOCK").arg(millis(apart.wait()));
        wait.arg("STREAMS").arg(&self.key).arg(after.to_string());
        let reply = apart.ask(WAIT, wait).await?;
        self.apart = Some(apart);
        events_of_stream(reply)
    }
}

/// The answer about one stream: nothing, or its name with its events (a list of one list, or a map of one).
fn events_of_stream(reply: Value) -> Result<Vec<StoredEvent>, Error> {
    let last = |list: Vec<Value>| list.into_iter().next_back();
    let found = match reply {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(streams) => streams.into_iter().next().map(|(_, events)| events),
        Value::Array(streams) => match last(streams) {
            Some(Value::Array(stream)) => last(stream),
            _ => None,
        },
        _ => None,
    };
    events(
        found.ok_or_else(|| {
            Error::new(ErrorKind::Refused, "redis answered something unexpected: cannot wait for events")
        })?,
    )
}

/// Each event is an id and a list of one field and its value.
fn events(reply: Value) -> Result<Vec<StoredEvent>, Error> {
    let entries: Vec<Value> = read(READ, reply)?;
    entries.into_iter().map(event).collect()
}

fn event(entry: Value) -> Result<StoredEvent, Error> {
    let strange = || Error::new(ErrorKind::Refused, "redis answered something unexpected: cannot read events");
    let mut parts = read::<Vec<Value>>(READ, entry)?.into_iter();
    let (id, fields) = parts.next().zip(parts.next()).ok_or_else(strange)?;
    let payload = read::<Vec<Vec<u8>>>(READ, fields)?.into_iter().nth(1).ok_or_else(strange)?;
    Ok(StoredEvent { id: read::<String>(READ, id)?.parse()?, payload })
}
