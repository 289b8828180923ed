//! Server-sent events: what a page shows without being loaded again.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Interval, MissedTickBehavior},
};

use super::{App, failure::Failure, visitor::Visitor};
use crate::serve::{live::Note, reading, view};

/// How often the figures are sent.
const TICK: Duration = Duration::from_secs(1);

/// A tweet for the top of a timeline, or a new text for one.
#[derive(Serialize)]
struct Shown {
    id: i32,
    html: String,
}

struct Listener {
    app: App,
    visitor: Visitor,
    notes: Receiver<Note>,
    /// Whether the page was told of the writes between its making and its listening.
    begun: bool,
    ticks: Interval,
}

/// The stream of one open page.
pub async fn live(
    State(app): State<App>,
    visitor: Visitor,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut closed = app.closed.clone();
    let listener = Listener { notes: app.live.listen(), begun: false, visitor, ticks, app };
    let events = stream::unfold(listener, |mut listener| async {
        loop {
            if let Some(event) = listener.next().await? {
                return Some((Ok(event), listener));
            }
        }
    });
    let end = async move { closed.wait_for(|closed| *closed).await.map(drop).unwrap_or_default() };
    Ok(Sse::new(events.take_until(Box::pin(end))).keep_alive(KeepAlive::default()))
}

impl Listener {
    /// The next event for this page, if what happened concerns it; `None` when there will be no more.
    async fn next(&mut self) -> Option<Option<Event>> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(self.writes());
        }
        tokio::select! {
            _ = self.ticks.tick() => Some(event("panel", &self.app.figures())),
            note = self.notes.recv() => match note {
                Ok(note) => Some(self.about(note).await),
                // The page misses something, as a page that is not open does.
                Err(RecvError::Lagged(_)) => Some(None),
                Err(RecvError::Closed) => None,
            },
        }
    }

    async fn about(&self, note: Note) -> Option<Event> {
        let viewer = self.visitor.member.id;
        match note {
            Note::Posted { tweet, author } => {
                let concerned = author == viewer || reading::follows(&self.app, viewer, author).await.unwrap_or(false);
                if concerned { self.tweet("post", tweet).await } else { None }
            }
            Note::Changed { tweet } => self.tweet("change", tweet).await,
            Note::Deleted { tweet } => event("gone", &tweet),
            Note::Written { .. } => self.writes(),
        }
    }

    /// The latest writes, all of them: none is missing on the page, and none is there twice.
    fn writes(&self) -> Option<Event> {
        let html =
            self.app.live.latest().iter().map(|note| view::written(note, self.app.index).into_string()).collect();
        event("written", &Shown { id: 0, html })
    }

    async fn tweet(&self, name: &str, tweet: i32) -> Option<Event> {
        let entry = reading::entry(&self.app, self.visitor.member.id, tweet).await.ok().flatten()?;
        let html = view::article(&entry, self.visitor.member.id, "/").into_string();
        event(name, &Shown { id: tweet, html })
    }
}

fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    Event::default().event(name).json_data(data).ok()
}
