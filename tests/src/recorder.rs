//! A recorder of the cache's events.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm_cache::{Event, EventListener};

/// One event, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The name of its kind, such as `Hit`.
    pub name: String,
    /// All of it, as `Debug` shows it.
    pub text: String,
}

/// Collects every event, in order.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Recorded>>>);

impl Recorder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// To be handed to the cache.
    #[must_use]
    pub fn listener(&self) -> EventListener {
        let recorder = self.clone();
        EventListener::new(move |event| recorder.record(event))
    }

    /// How many events of a kind there were.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.events().iter().filter(|event| event.name == name).count()
    }

    /// How many events of a kind contain a text.
    #[must_use]
    pub fn count_with(&self, name: &str, text: &str) -> usize {
        self.events().iter().filter(|event| event.name == name && event.text.contains(text)).count()
    }

    /// All events so far.
    #[must_use]
    pub fn all(&self) -> Vec<Recorded> {
        self.events().clone()
    }

    /// Forgets all events so far.
    pub fn clear(&self) {
        self.events().clear();
    }

    fn record(&self, event: &Event<'_>) {
        let text = format!("{event:?}");
        let name = text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        self.events().push(Recorded { name, text });
    }

    fn events(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
