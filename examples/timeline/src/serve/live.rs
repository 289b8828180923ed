//! What has happened, told to every page that is open, on every node: `toolkit::Events`.
//!
//! Each node appends what it does to one stream, and follows that stream for all pages that are open on it.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use sea_orm_cache::{
    Cache, Error,
    toolkit::{EventId, Events},
};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc, watch};

use super::gauge::Gauge;

/// The stream's name.
const STREAM: &str = "all";

/// Events that the stream keeps.
const KEPT: usize = 2_000;

/// A note may overtake the message that tells this node's cache of the same write: what a page shows is looked up once more after this.
const AGAIN: Duration = Duration::from_millis(500);

/// How often Redis is tried again that did not take a note.
const RETRY: Duration = Duration::from_secs(1);

/// Notes that wait for that; more are not told, and pages show it when they are loaded again.
const WAITING_MAX: usize = 1_000;

/// How far a page may be behind before it misses something.
const BEHIND_MAX: usize = 256;

/// How many writes a new page shows.
const SHOWN: usize = 30;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    Posted {
        tweet: i32,
        author: i32,
    },
    /// Its text, or how many like it.
    Changed {
        tweet: i32,
    },
    Deleted {
        tweet: i32,
    },
    /// A node made tags stale.
    Written {
        /// From 0.
        node: usize,
        who: String,
        what: String,
        /// The first of them.
        tags: Vec<StaleTag>,
        /// How many there are besides.
        more: usize,
        /// How many entries died in that node's memory; each counts once for each of its tags.
        entries: u64,
        /// How many died in this one's, if it is another; each node fills that in for itself.
        #[serde(skip)]
        entries_here: u64,
    },
}

/// A tag that was made stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleTag {
    pub tag: String,
    /// How many entries died with it in the memory of the node that wrote.
    pub entries: u64,
}

/// The stream, as one node sees it.
#[derive(Clone)]
pub struct Live {
    events: Events,
    gauge: Arc<Gauge>,
    pages: broadcast::Sender<Note>,
    waiting: mpsc::Sender<Note>,
    /// Newest first.
    latest: Arc<Mutex<VecDeque<Note>>>,
}

impl Live {
    pub async fn open(cache: &Cache, gauge: Arc<Gauge>, closed: watch::Receiver<bool>) -> Result<Self, Error> {
        let events = Events::builder(cache, "live").length_max(KEPT).build()?;
        let (waiting, later) = mpsc::channel(WAITING_MAX);
        let pages = broadcast::channel(BEHIND_MAX).0;
        tokio::spawn(tell_later(events.clone(), later));
        tokio::spawn(look_for_redis(events.clone(), Arc::clone(&gauge), closed.clone()));
        let live = Self { events, gauge, pages, waiting, latest: Arc::default() };
        let from = live.events.newest(STREAM).await?;
        tokio::spawn(live.clone().follow(from, closed));
        Ok(live)
    }

    /// Tells all nodes; when Redis answers again, if it does not.
    pub async fn tell(&self, note: &Note) {
        if self.events.append(STREAM, note).await.is_err() {
            _ = self.waiting.try_send(note.clone());
        }
    }

    /// Tells what comes, one after the other.
    pub async fn tell_all(self, mut notes: mpsc::Receiver<Note>) {
        while let Some(note) = notes.recv().await {
            self.tell(&note).await;
        }
    }

    /// What comes from now on.
    pub fn listen(&self) -> broadcast::Receiver<Note> {
        self.pages.subscribe()
    }

    /// The latest writes, newest first.
    pub fn latest(&self) -> Vec<Note> {
        self.lock().iter().cloned().collect()
    }

    async fn follow(self, from: EventId, mut closed: watch::Receiver<bool>) {
        let end = pin!(async move { closed.wait_for(|closed| *closed).await.map(drop).unwrap_or_default() });
        let mut events = pin!(self.events.tail(STREAM, from).take_until(end));
        while let Some(event) = events.next().await {
            // A failure of Redis, or an event of another version of this program: the stream goes on.
            let Some(mut note) = event.ok().and_then(|event| event.json::<Note>().ok()) else { continue };
            self.gauge.add_own_share(&mut note);
            if let Note::Written { .. } = note {
                let mut latest = self.lock();
                latest.truncate(SHOWN - 1);
                latest.push_front(note.clone());
            }
            if let Note::Posted { .. } | Note::Changed { .. } = note {
                let (pages, note) = (self.pages.clone(), note.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(AGAIN).await;
                    _ = pages.send(note);
                });
            }
            // Nobody listens: no page is open.
            _ = self.pages.send(note);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Note>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell_later(events: Events, mut waiting: mpsc::Receiver<Note>) {
    while let Some(note) = waiting.recv().await {
        while events.append(STREAM, &note).await.is_err() {
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// While Redis is away, only a call can find out that it is back; nobody may be there to make one.
async fn look_for_redis(events: Events, gauge: Arc<Gauge>, closed: watch::Receiver<bool>) {
    while !*closed.borrow() {
        tokio::time::sleep(RETRY).await;
        if gauge.redis_is_away() {
            _ = events.newest(STREAM).await;
        }
    }
}
