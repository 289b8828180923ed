//! Who is signed in: `toolkit::Sessions`, shared by all nodes.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sea_orm_cache::{
    Cache, Error,
    toolkit::{self, SessionId},
};

/// A visitor is signed out after this long without a request.
const IDLE: Duration = Duration::from_secs(24 * 3_600);

/// How long a session that this node has seen lets its owner in while Redis does not answer. Whoever signs out on another node meanwhile
/// is let in here for that long; an application with more at stake sets this to zero.
const TRUSTED_WITHOUT_REDIS: Duration = Duration::from_secs(600);

/// How many sessions a node remembers.
const REMEMBERED_MAX: usize = 10_000;

/// Who is signed in.
pub struct Sessions {
    sessions: toolkit::Sessions,
    seen: Mutex<HashMap<SessionId, Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    member: i32,
    at: Instant,
}

impl Sessions {
    pub fn new(cache: &Cache) -> Result<Self, Error> {
        Ok(Self { sessions: toolkit::Sessions::builder(cache).idle(IDLE).build()?, seen: Mutex::default() })
    }

    /// Signs somebody in.
    pub async fn create(&self, member: i32) -> Result<SessionId, Error> {
        let id = self.sessions.create(&member.to_string()).await?;
        self.remember(id.clone(), member);
        Ok(id)
    }

    /// Whose session that is, if it is one.
    pub async fn find(&self, text: &str) -> Result<Option<i32>, Error> {
        let Some(id) = SessionId::parse(text) else { return Ok(None) };
        match self.sessions.touch(&id).await {
            Ok(Some(session)) => {
                let member = session.user().parse().ok();
                if let Some(member) = member {
                    self.remember(id, member);
                }
                Ok(member)
            }
            Ok(None) => {
                self.seen().remove(&id);
                Ok(None)
            }
            Err(error) if error.is_remote() => {
                let seen = self.seen().get(&id).filter(|seen| seen.at.elapsed() < TRUSTED_WITHOUT_REDIS).copied();
                seen.map(|seen| Some(seen.member)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Signs somebody out.
    pub async fn destroy(&self, text: &str) -> Result<(), Error> {
        if let Some(id) = SessionId::parse(text) {
            self.seen().remove(&id);
        }
        self.sessions.destroy(text).await.map(drop)
    }

    fn remember(&self, id: SessionId, member: i32) {
        let mut seen = self.seen();
        if seen.len() >= REMEMBERED_MAX {
            seen.retain(|_, seen| seen.at.elapsed() < TRUSTED_WITHOUT_REDIS);
        }
        if seen.len() < REMEMBERED_MAX {
            seen.insert(id, Seen { member, at: Instant::now() });
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<SessionId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
