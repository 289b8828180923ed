//! Sessions: who is signed in.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{TryRngCore, rngs::OsRng};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    cache::Cache,
    error::{Error, ErrorKind},
    ports::toolkit::{
        Place,
        sessions::{NewSession, SessionPlace, SessionRecord},
    },
    toolkit::common::{Tool, check_count, check_id, check_span, decode, encode},
};

/// 256 bits.
const SECRET_BYTES: usize = 32;
/// Users are spread over 65,536 buckets, each on one server of a cluster.
const BUCKET_BYTES: usize = 2;
const ID_CHARS: usize = 2 * (SECRET_BYTES + BUCKET_BYTES);

/// Sessions with sliding expiry and an absolute end.
///
/// Ids have 256 bits from the operating system's random source, and are made of characters that a cookie or a URL takes as they are. Only their SHA-256
/// is stored: whoever reads Redis cannot sign in as anybody. Each session is a hash, and each user has an index, so that all of a user's sessions can
/// be ended at once (a new password, a stolen phone).
///
/// ```
/// # use std::time::Duration;
/// # use sea_orm_cache::{Cache, toolkit::Sessions};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let sessions = Sessions::builder(&cache).idle(Duration::from_secs(1_800)).build()?;
/// let id = sessions.create("user 7").await?;                  // into a cookie: Secure, HttpOnly, SameSite=Lax
/// sessions.set(&id, "cart", &["tea", "milk"]).await?;
///
/// let session = sessions.touch(&id).await?.ok_or("signed out")?;
/// assert_eq!(session.user(), "user 7");
/// assert_eq!(session.get::<Vec<String>>("cart")?, Some(vec!["tea".into(), "milk".into()]));
///
/// assert_eq!(sessions.destroy_all("user 7").await?, 1);
/// assert!(sessions.load(&id).await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Sessions {
    tool: Tool,
    idle: Duration,
    absolute: Duration,
    per_user_max: usize,
}

/// Settings of [`Sessions`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before build()"]
pub struct SessionsBuilder<'a> {
    cache: &'a Cache,
    name: String,
    idle: Duration,
    absolute: Duration,
    per_user_max: usize,
}

/// The id of a session: a secret. `Debug` does not show it; [`as_str`](SessionId::as_str) and `Display` do.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

/// A session as it was when it was read.
#[derive(Clone, Debug)]
pub struct Session {
    user: String,
    created_ms: u64,
    left: Duration,
    fields: BTreeMap<String, Vec<u8>>,
}

impl Sessions {
    /// Begins with the defaults.
    pub fn builder(cache: &Cache) -> SessionsBuilder<'_> {
        SessionsBuilder {
            cache,
            name: "sessions".to_owned(),
            idle: Duration::from_secs(30 * 60),
            absolute: Duration::from_secs(7 * 24 * 3_600),
            per_user_max: 50,
        }
    }

    /// Signs a user in: a new session without fields. If the user has `per_user_max` already, those that would end first are ended.
    ///
    /// # Errors
    ///
    /// If the store fails, or the operating system has no random numbers.
    pub async fn create(&self, user: &str) -> Result<SessionId, Error> {
        self.create_with(user, &[] as &[(&str, ()); 0]).await
    }

    /// Signs a user in, with first fields.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), and [`ErrorKind::Encode`] if a value cannot be encoded as JSON.
    pub async fn create_with<T: Serialize>(&self, user: &str, fields: &[(&str, T)]) -> Result<SessionId, Error> {
        check_id(user)?;
        let fields =
            fields.iter().map(|(name, value)| Ok(((*name).to_owned(), encode("a field of a session", value)?)));
        let fields: Vec<(String, Vec<u8>)> = fields.collect::<Result<_, Error>>()?;
        let id = SessionId::new(user)?;
        let digest = id.digest();
        let session = NewSession {
            user,
            fields: &fields,
            idle: self.idle,
            absolute: self.absolute,
            per_user_max: self.per_user_max,
        };
        let at = SessionPlace { bucket: self.bucket(id.bucket()), digest: &digest };
        self.tool.run("sessions.create", self.tool.store().create_session(at, session)).await?;
        Ok(id)
    }

    /// Reads a session, and does not prolong it. `None` if there is none (any more), or the text is not an id at all.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn load(&self, id: impl AsRef<str>) -> Result<Option<Session>, Error> {
        self.read("sessions.load", id.as_ref(), None).await
    }

    /// Reads a session and prolongs it by `idle` from now, but not past its absolute end: what each request does.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn touch(&self, id: impl AsRef<str>) -> Result<Option<Session>, Error> {
        self.read("sessions.touch", id.as_ref(), Some(self.idle)).await
    }

    /// Sets one field, as JSON. Other fields, and the session's end, stay as they are. Returns whether there is such a session.
    ///
    /// # Errors
    ///
    /// If the store fails, or the value cannot be encoded.
    pub async fn set<T: Serialize + ?Sized>(&self, id: impl AsRef<str>, field: &str, value: &T) -> Result<bool, Error> {
        let value = encode("a field of a session", value)?;
        self.change("sessions.set", id.as_ref(), field, Some(&value)).await
    }

    /// Takes one field away. Returns whether there is such a session.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn unset(&self, id: impl AsRef<str>, field: &str) -> Result<bool, Error> {
        self.change("sessions.unset", id.as_ref(), field, None).await
    }

    /// Signs out. Returns whether there was such a session.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn destroy(&self, id: impl AsRef<str>) -> Result<bool, Error> {
        let Some(id) = SessionId::parse(id.as_ref()) else { return Ok(false) };
        let digest = id.digest();
        let at = SessionPlace { bucket: self.bucket(id.bucket()), digest: &digest };
        self.tool.run("sessions.destroy", self.tool.store().destroy_session(at)).await
    }

    /// Ends all sessions of a user, everywhere. Returns how many there were.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn destroy_all(&self, user: &str) -> Result<u64, Error> {
        self.destroy_but(user, None).await
    }

    /// Ends all sessions of a user but this one, as after a change of the password. Returns how many there were.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn destroy_others(&self, user: &str, id: &SessionId) -> Result<u64, Error> {
        self.destroy_but(user, Some(id.digest())).await
    }

    /// How many sessions a user has.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn count(&self, user: &str) -> Result<u64, Error> {
        check_id(user)?;
        let bucket = bucket_of(user);
        self.tool.run("sessions.count", self.tool.store().count_sessions(self.bucket(&bucket), user)).await
    }

    async fn read(&self, operation: &'static str, id: &str, touch: Option<Duration>) -> Result<Option<Session>, Error> {
        let Some(id) = SessionId::parse(id) else { return Ok(None) };
        let digest = id.digest();
        let at = SessionPlace { bucket: self.bucket(id.bucket()), digest: &digest };
        let record = self.tool.run(operation, self.tool.store().read_session(at, touch)).await?;
        Ok(record.map(Session::of))
    }

    async fn change(
        &self,
        operation: &'static str,
        id: &str,
        field: &str,
        value: Option<&[u8]>,
    ) -> Result<bool, Error> {
        check_id(field)?;
        let Some(id) = SessionId::parse(id) else { return Ok(false) };
        let digest = id.digest();
        let at = SessionPlace { bucket: self.bucket(id.bucket()), digest: &digest };
        self.tool.run(operation, self.tool.store().set_session_field(at, field, value)).await
    }

    async fn destroy_but(&self, user: &str, but: Option<String>) -> Result<u64, Error> {
        check_id(user)?;
        let bucket = bucket_of(user);
        let destroying = self.tool.store().destroy_sessions(self.bucket(&bucket), user, but.as_deref());
        self.tool.run("sessions.destroy_all", destroying).await
    }

    fn bucket<'a>(&'a self, id: &'a str) -> Place<'a> {
        Place { name: self.tool.name(), id }
    }
}

impl SessionsBuilder<'_> {
    /// Tells several kinds of sessions apart. Default: `"sessions"`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// A session ends when it has not been touched for this long. Default: 30 minutes.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// A session ends this long after it was created, however often it is touched. Default: 7 days.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = absolute;
        self
    }

    /// How many sessions a user may have; a further one ends those that would end first. Default: 50.
    pub fn per_user_max(mut self, sessions: usize) -> Self {
        self.per_user_max = sessions;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`], naming the setting.
    pub fn build(self) -> Result<Sessions, Error> {
        check_span("idle", self.idle, Duration::from_millis(1))?;
        check_span("absolute", self.absolute, Duration::from_millis(1))?;
        check_count("per_user_max", self.per_user_max as u64, 1, 10_000)?;
        let tool = Tool::new(self.cache, &self.name)?;
        Ok(Sessions { tool, idle: self.idle, absolute: self.absolute, per_user_max: self.per_user_max })
    }
}

impl SessionId {
    fn new(user: &str) -> Result<Self, Error> {
        let mut secret = [0_u8; SECRET_BYTES];
        OsRng.try_fill_bytes(&mut secret).map_err(|error| {
            Error::with_source(
                ErrorKind::Encode,
                "the operating system has no random numbers: cannot make a session id",
                error,
            )
        })?;
        Ok(Self(bucket_of(user) + &hex(&secret)))
    }

    /// An id from a cookie. `None` if the text cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == ID_CHARS && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// The text for a cookie.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn bucket(&self) -> &str {
        self.0.get(..2 * BUCKET_BYTES).unwrap_or_default()
    }

    fn digest(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(***)")
    }
}

impl Session {
    fn of(record: SessionRecord) -> Self {
        Self {
            user: record.user,
            created_ms: record.created_ms,
            left: record.left,
            fields: record.fields.into_iter().collect(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// When it was created, in milliseconds since the Unix epoch, by the store's clock.
    #[must_use]
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// How long it lives unless it is touched.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.left
    }

    /// The value of a field; `None` if it is not set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if the value is not of this type.
    pub fn get<T: DeserializeOwned>(&self, field: &str) -> Result<Option<T>, Error> {
        self.fields.get(field).map(|bytes| decode("a field of a session", bytes)).transpose()
    }

    /// The names of the fields that are set.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }
}

/// Two bytes of a digest: what an id tells about its user.
fn bucket_of(user: &str) -> String {
    let digest = Sha256::digest(user.as_bytes());
    hex(digest.get(..BUCKET_BYTES).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
