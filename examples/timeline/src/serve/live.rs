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

/// How late a page hears of an event at most, besides the way.
const POLL: Duration = Duration::from_millis(100);

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
    /// Newest first.
    latest: Arc<Mutex<VecDeque<Note>>>,
}

impl Live {
    pub async fn open(cache: &Cache, gauge: Arc<Gauge>, closed: watch::Receiver<bool>) -> Result<Self, Error> {
        let events = Events::builder(cache, "live").length_max(KEPT).poll(POLL).build()?;
        let live = Self { events, gauge, pages: broadcast::channel(BEHIND_MAX).0, latest: Arc::default() };
        let from = live.events.newest(STREAM).await?;
        tokio::spawn(live.clone().follow(from, closed));
        Ok(live)
    }

    /// Tells all nodes. While Redis does not answer, pages show it when they are loaded again.
    pub async fn tell(&self, note: &Note) {
        _ = self.events.append(STREAM, note).await;
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
            // Nobody listens: no page is open.
            _ = self.pages.send(note);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Note>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
