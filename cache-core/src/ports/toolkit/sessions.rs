//! A store of sessions.

use std::time::Duration;

use async_trait::async_trait;

use crate::{error::Error, ports::toolkit::Place};

/// Where a session is: all sessions of a user are in one bucket, so that one step reaches all of them.
#[derive(Clone, Copy, Debug)]
pub struct SessionPlace<'a> {
    /// The bucket of the session's user.
    pub bucket: Place<'a>,
    /// The digest of the session's id.
    pub digest: &'a str,
}

/// A session to be.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// Whose.
    pub user: &'a str,
    /// Its first fields.
    pub fields: &'a [(String, Vec<u8>)],
    /// It ends when it has not been touched for this long.
    pub idle: Duration,
    /// It ends after this in any case.
    pub absolute: Duration,
    /// How many sessions a user has at the most: those that would end first make room.
    pub per_user_max: usize,
}

/// A session as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose.
    pub user: String,
    /// When it was created, in milliseconds since the Unix epoch, by the store's clock.
    pub created_ms: u64,
    /// How long it lives unless it is touched.
    pub left: Duration,
    /// Its fields.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// A store of sessions.
#[async_trait]
pub trait SessionStore {
    /// Stores a new session.
    async fn create_session(&self, at: SessionPlace<'_>, session: NewSession<'_>) -> Result<(), Error>;

    /// Reads a session. With `touch`, it lives on for that long, but no longer than its absolute end.
    async fn read_session(&self, at: SessionPlace<'_>, touch: Option<Duration>)
    -> Result<Option<SessionRecord>, Error>;

    /// Sets a field, or takes it away. Returns whether there is such a session.
    async fn set_session_field(&self, at: SessionPlace<'_>, field: &str, value: Option<&[u8]>) -> Result<bool, Error>;

    /// Ends a session. Returns whether there was one.
    async fn destroy_session(&self, at: SessionPlace<'_>) -> Result<bool, Error>;

    /// Ends all sessions of a user but one; returns how many.
    async fn destroy_sessions(&self, bucket: Place<'_>, user: &str, but: Option<&str>) -> Result<u64, Error>;

    /// How many sessions a user has.
    async fn count_sessions(&self, bucket: Place<'_>, user: &str) -> Result<u64, Error>;
}
