//! Sessions in process memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    clock::Moment,
    error::Error,
    memory::toolkit::{MemoryTools, Shelf, lock},
    ports::toolkit::{
        Place,
        sessions::{NewSession, SessionPlace, SessionRecord, SessionStore},
    },
};

/// All sessions, and those of each user.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: Shelf<Session>,
    indexes: Shelf<BTreeSet<String>>,
}

#[derive(Debug)]
struct Session {
    user: String,
    created_ms: u64,
    ends: Moment,
    fields: BTreeMap<String, Vec<u8>>,
}

fn key(bucket: Place<'_>, digest: &str) -> String {
    [&bucket.text(), ":", digest].concat()
}

impl Sessions {
    /// The user's sessions that are alive, with what they have left, soonest end first.
    fn alive(&mut self, bucket: Place<'_>, user: &str, now: Moment) -> Vec<(Duration, String)> {
        let Some(index) = self.indexes.get(&key(bucket, user), now) else { return Vec::new() };
        let left = |digest: &String| Some((self.sessions.left(&key(bucket, digest), now)?, digest.clone()));
        let mut alive: Vec<_> = index.iter().filter_map(left).collect();
        index.retain(|digest| alive.iter().any(|(_, known)| known == digest));
        alive.sort_unstable();
        alive
    }

    fn remove(&mut self, bucket: Place<'_>, digest: &str, now: Moment) -> bool {
        let Some(session) = self.sessions.remove(&key(bucket, digest), now) else { return false };
        if let Some(index) = self.indexes.get(&key(bucket, &session.user), now) {
            index.remove(digest);
        }
        true
    }
}

#[async_trait]
impl SessionStore for MemoryTools {
    async fn create_session(&self, at: SessionPlace<'_>, session: NewSession<'_>) -> Result<(), Error> {
        let now = self.clock.now();
        let left = session.idle.min(session.absolute);
        let mut all = lock(&self.sessions);
        let alive = all.alive(at.bucket, session.user, now);
        let surplus = (alive.len() + 1).saturating_sub(session.per_user_max);
        for (_, digest) in alive.iter().take(surplus) {
            all.remove(at.bucket, digest, now);
        }
        let (created_ms, ends) = (self.clock.unix_ms(), now.after(session.absolute));
        all.sessions.get_or_put(&key(at.bucket, at.digest), left, now, || Session {
            user: session.user.to_owned(),
            created_ms,
            ends,
            fields: session.fields.iter().cloned().collect(),
        })?;
        let user = key(at.bucket, session.user);
        all.indexes.get_or_put(&user, left, now, BTreeSet::new)?.insert(at.digest.to_owned());
        all.indexes.keep_at_least(&user, left, now);
        Ok(())
    }

    async fn read_session(
        &self,
        at: SessionPlace<'_>,
        touch: Option<Duration>,
    ) -> Result<Option<SessionRecord>, Error> {
        let now = self.clock.now();
        let own = key(at.bucket, at.digest);
        let mut all = lock(&self.sessions);
        let Some(session) = all.sessions.get(&own, now) else { return Ok(None) };
        let mut record = SessionRecord {
            user: session.user.clone(),
            created_ms: session.created_ms,
            left: Duration::ZERO,
            fields: session.fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        if let Some(idle) = touch {
            let left = idle.min(session.ends.since(now));
            all.sessions.keep(&own, left, now);
            all.indexes.keep_at_least(&key(at.bucket, &record.user), left, now);
        }
        record.left = all.sessions.left(&own, now).unwrap_or_default();
        Ok(Some(record))
    }

    async fn set_session_field(&self, at: SessionPlace<'_>, field: &str, value: Option<&[u8]>) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut all = lock(&self.sessions);
        let Some(session) = all.sessions.get(&key(at.bucket, at.digest), now) else { return Ok(false) };
        match value {
            Some(value) => session.fields.insert(field.to_owned(), value.to_vec()),
            None => session.fields.remove(field),
        };
        Ok(true)
    }

    async fn destroy_session(&self, at: SessionPlace<'_>) -> Result<bool, Error> {
        Ok(lock(&self.sessions).remove(at.bucket, at.digest, self.clock.now()))
    }

    async fn destroy_sessions(&self, bucket: Place<'_>, user: &str, but: Option<&str>) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut all = lock(&self.sessions);
        let alive = all.alive(bucket, user, now);
        let ended = alive.iter().filter(|(_, digest)| Some(digest.as_str()) != but);
        let ended = ended.filter(|(_, digest)| all.remove(bucket, digest, now)).count();
        Ok(u64::try_from(ended).unwrap_or(u64::MAX))
    }

    async fn count_sessions(&self, bucket: Place<'_>, user: &str) -> Result<u64, Error> {
        let alive = lock(&self.sessions).alive(bucket, user, self.clock.now()).len();
        Ok(u64::try_from(alive).unwrap_or(u64::MAX))
    }
}
