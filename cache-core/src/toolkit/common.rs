//! What all types of the toolkit share: their way to the store, and checks of settings and ids.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    cache::{Cache, Tools},
    clock::Clock,
    error::{Error, ErrorKind},
    policy::SPAN_MAX,
    ports::toolkit::{Place, ToolStore},
};

/// Bytes of an id (a user, a key, a member): longer ones are refused.
pub(super) const ID_BYTES_MAX: usize = 1_024;

/// Scores beyond are refused: a store needs room for marks of its own.
const SCORE_MAX: f64 = 1e300;

/// Whether a score can be stored: a number, and not too large.
pub(super) fn takes_score(score: f64) -> bool {
    score.abs() <= SCORE_MAX
}

/// The way of one instance to the store.
#[derive(Clone)]
pub(super) struct Tool {
    tools: Arc<Tools>,
    name: Arc<str>,
}

impl Tool {
    /// Checks the name.
    pub(super) fn new(cache: &Cache, name: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(setting("name", format!("is {name:?}; it takes 1 to 64 of A-Z a-z 0-9 - _ .")));
        }
        Ok(Self { tools: Arc::clone(cache.tools()), name: Arc::from(name) })
    }

    pub(super) fn clock(&self) -> &Clock {
        self.tools.clock()
    }

    pub(super) fn store(&self) -> &dyn ToolStore {
        self.tools.store()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The object with this id.
    pub(super) fn place<'a>(&'a self, id: &'a str) -> Result<Place<'a>, Error> {
        check_id(id)?;
        Ok(Place { name: &self.name, id })
    }

    pub(super) async fn run<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.tools.run(operation, call).await
    }

    /// Runs work in the background, until the cache is closed.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tools.spawn(work);
    }

    pub(super) async fn sleep(&self, span: Duration) {
        self.tools.sleep(span).await;
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tool").field(&self.name).finish()
    }
}

pub(super) fn check_id(id: &str) -> Result<(), Error> {
    if id.len() > ID_BYTES_MAX {
        return Err(refused(format!("an id of {} bytes: at most {ID_BYTES_MAX} are taken", id.len())));
    }
    Ok(())
}

/// An argument that cannot be stored.
pub(super) fn refused(text: String) -> Error {
    Error::new(ErrorKind::Encode, text)
}

pub(super) fn setting(name: &'static str, text: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Setting, format!("{name} {text}"))
}

pub(super) fn check_span(name: &'static str, span: Duration, least: Duration) -> Result<(), Error> {
    if span < least || span > SPAN_MAX {
        return Err(setting(name, format!("is {span:?}; it takes from {least:?} to {SPAN_MAX:?}")));
    }
    Ok(())
}

pub(super) fn check_count(name: &'static str, count: u64, least: u64, most: u64) -> Result<(), Error> {
    if count < least || count > most {
        return Err(setting(name, format!("is {count}; it takes from {least} to {most}")));
    }
    Ok(())
}

pub(super) fn encode<T: serde::Serialize + ?Sized>(what: &'static str, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::with_source(ErrorKind::Encode, format!("cannot encode {what}"), error))
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::with_source(ErrorKind::Decode, format!("cannot decode {what}"), error))
}
