//! Sessions in Redis: a hash for each, and a sorted set of each user's, by end.

use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value, from_redis_value};

use crate::{
    error::Error,
    ports::toolkit::{
        Place,
        sessions::{NewSession, SessionPlace, SessionRecord, SessionStore},
    },
    redis::{
        scripts::millis,
        tier::read,
        toolkit::{
            RedisTools,
            scripts::{
                SESSION_COUNT, SESSION_CREATE, SESSION_DESTROY, SESSION_DESTROY_ALL, SESSION_FIELD, SESSION_READ, call,
            },
        },
    },
};

const READ: &str = "read a session";

impl RedisTools {
    /// With an empty digest: what the names of the bucket's sessions begin with.
    fn session(&self, bucket: Place<'_>, digest: &str) -> String {
        [&self.key("session", bucket, ":s:"), digest].concat()
    }

    /// With an empty user: what the names of the bucket's indexes begin with.
    fn sessions_of(&self, bucket: Place<'_>, user: &str) -> String {
        [&self.key("session", bucket, ":u:"), user].concat()
    }

    fn on_session(&self, script: &redis::Script, at: SessionPlace<'_>) -> Cmd {
        call(script, [self.session(at.bucket, at.digest), self.sessions_of(at.bucket, "")])
    }
}

#[async_trait]
impl SessionStore for RedisTools {
    async fn create_session(&self, at: SessionPlace<'_>, session: NewSession<'_>) -> Result<(), Error> {
        let mut create = call(
            &SESSION_CREATE,
            [
                self.session(at.bucket, at.digest),
                self.sessions_of(at.bucket, session.user),
                self.session(at.bucket, ""),
            ],
        );
        create.arg(at.digest).arg(session.user).arg(millis(session.idle)).arg(millis(session.absolute));
        create.arg(session.per_user_max);
        for (field, value) in session.fields {
            create.arg(field).arg(value.as_slice());
        }
        self.one::<i64>("create a session", create).await.map(drop)
    }

    async fn read_session(
        &self,
        at: SessionPlace<'_>,
        touch: Option<Duration>,
    ) -> Result<Option<SessionRecord>, Error> {
        let mut ask = self.on_session(&SESSION_READ, at);
        ask.arg(at.digest);
        match touch {
            Some(idle) => ask.arg(millis(idle)),
            None => ask.arg(""),
        };
        let Some(values) = self.one::<Option<Vec<Value>>>(READ, ask).await? else { return Ok(None) };
        record(values).map(Some)
    }

    async fn set_session_field(&self, at: SessionPlace<'_>, field: &str, value: Option<&[u8]>) -> Result<bool, Error> {
        let mut set = call(&SESSION_FIELD, [self.session(at.bucket, at.digest)]);
        set.arg(field);
        if let Some(value) = value {
            set.arg(value);
        }
        self.one("set a field of a session", set).await
    }

    async fn destroy_session(&self, at: SessionPlace<'_>) -> Result<bool, Error> {
        let mut destroy = self.on_session(&SESSION_DESTROY, at);
        destroy.arg(at.digest);
        self.one("destroy a session", destroy).await
    }

    async fn destroy_sessions(&self, bucket: Place<'_>, user: &str, but: Option<&str>) -> Result<u64, Error> {
        let mut destroy = call(&SESSION_DESTROY_ALL, [self.sessions_of(bucket, user), self.session(bucket, "")]);
        destroy.arg(but.unwrap_or_default());
        self.one("destroy the sessions of a user", destroy).await
    }

    async fn count_sessions(&self, bucket: Place<'_>, user: &str) -> Result<u64, Error> {
        self.one("count the sessions of a user", call(&SESSION_COUNT, [self.sessions_of(bucket, user)])).await
    }
}

fn record(values: Vec<Value>) -> Result<SessionRecord, Error> {
    let mut values = values.into_iter();
    let left: i64 = read(READ, values.next().unwrap_or(Value::Nil))?;
    let mut record =
        SessionRecord { left: Duration::from_millis(u64::try_from(left).unwrap_or_default()), ..Default::default() };
    while let (Some(field), Some(value)) = (values.next(), values.next()) {
        let field: String = read(READ, field)?;
        match (field.as_str(), field.strip_prefix(':')) {
            (_, Some(own)) => record.fields.push((own.to_owned(), read(READ, value)?)),
            ("=user", _) => record.user = read(READ, value)?,
            ("=created", _) => record.created_ms = from_redis_value(value).unwrap_or_default(),
            _ => {}
        }
    }
    record.fields.sort_unstable();
    Ok(record)
}
