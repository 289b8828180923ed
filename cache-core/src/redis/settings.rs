//! How to reach Redis, how long to wait for it, under which names.

use std::{fmt, time::Duration};

use redis::{Client, ConnectionInfo, IntoConnectionInfo, io::tcp::TcpSettings, io::tcp::socket2::TcpKeepalive};

use crate::error::{Error, ErrorKind};

/// A TCP connection with nothing to say sends a probe after this; three without an answer end it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// Sent data that is not acknowledged for this long ends the connection.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);

/// How to reach Redis.
///
/// The deadlines are those of a cache: when Redis is slower than asking the database, its answer is of no use.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisSettings {
    /// `redis://[user:password@]host[:port][/db]`, `rediss://..` for TLS (feature `redis-tls`), or
    /// `redis+unix:///path[?db=0&user=..&pass=..]`. `?protocol=resp3` speaks RESP3.
    pub url: String,
    /// More nodes of a Redis Cluster to learn its topology from (feature `redis-cluster`). Not empty, or
    /// [`cluster`](Self::cluster): the cluster protocol is spoken.
    pub more_urls: Vec<String>,
    /// Whether `url` is a node of a Redis Cluster. Default: `false`.
    pub cluster: bool,
    /// Prefixes every key and channel. 1 to 64 of the characters `A-Z a-z 0-9 - _ .`. Default: `cache`.
    pub namespace: String,
    /// How long connecting may take, including TLS and login. Default: 200 ms.
    pub connect_deadline: Duration,
    /// How long one answer may take. Default: 50 ms.
    pub response_deadline: Duration,
    /// How long one call may take in all. Default: 80 ms.
    pub total_deadline: Duration,
    /// A bus whose pings stay unanswered for this long is given up and subscribed anew. Default: 2 s.
    pub silence_max: Duration,
}

impl RedisSettings {
    /// The defaults, for one URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            more_urls: Vec::new(),
            cluster: false,
            namespace: "cache".to_owned(),
            connect_deadline: Duration::from_millis(200),
            response_deadline: Duration::from_millis(50),
            total_deadline: Duration::from_millis(80),
            silence_max: Duration::from_secs(2),
        }
    }

    /// These settings with another namespace.
    #[must_use]
    pub fn with_namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    /// These settings with other deadlines.
    #[must_use]
    pub fn with_deadlines(self, connect: Duration, response: Duration, total: Duration) -> Self {
        Self { connect_deadline: connect, response_deadline: response, total_deadline: total, ..self }
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.cluster || !self.more_urls.is_empty()
    }

    /// One client per URL.
    pub(super) fn clients(&self) -> Result<Vec<Client>, Error> {
        self.check()?;
        self.infos()?
            .into_iter()
            .map(|info| Client::open(info).map_err(|source| wrong_url("cannot be used", source)))
            .collect()
    }

    pub(super) fn infos(&self) -> Result<Vec<ConnectionInfo>, Error> {
        std::iter::once(&self.url).chain(&self.more_urls).map(|url| info(url)).collect()
    }

    fn check(&self) -> Result<(), Error> {
        for (name, span) in [
            ("connect_deadline", self.connect_deadline),
            ("response_deadline", self.response_deadline),
            ("total_deadline", self.total_deadline),
            ("silence_max", self.silence_max),
        ] {
            if span.is_zero() {
                return Err(Error::new(ErrorKind::Setting, format!("{name}: must be longer than zero")));
            }
        }
        if self.is_cluster() && !cfg!(feature = "redis-cluster") {
            return Err(Error::new(ErrorKind::Setting, "cluster: needs the feature `redis-cluster`"));
        }
        Ok(())
    }
}

pub(super) fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(3);
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(UNACKNOWLEDGED_MAX);
    tcp
}

fn info(url: &str) -> Result<ConnectionInfo, Error> {
    #[cfg(feature = "redis-tls")]
    if url.starts_with("rediss:") && rustls::crypto::CryptoProvider::get_default().is_none() {
        // The process has not chosen a provider, and rustls panics without one. Losing a race to another choice is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let info = url.into_connection_info().map_err(|source| wrong_url("cannot be read", source))?;
    Ok(info.set_tcp_settings(tcp()))
}

/// The text leaves the URL out: it may hold a password.
fn wrong_url(what: &str, source: redis::RedisError) -> Error {
    Error::with_source(ErrorKind::Setting, format!("redis url: {what}"), source)
}

/// Shows no password.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("url", &without_secrets(&self.url))
            .field("more_urls", &self.more_urls.iter().map(|url| without_secrets(url)).collect::<Vec<_>>())
            .field("cluster", &self.cluster)
            .field("namespace", &self.namespace)
            .field("connect_deadline", &self.connect_deadline)
            .field("response_deadline", &self.response_deadline)
            .field("total_deadline", &self.total_deadline)
            .field("silence_max", &self.silence_max)
            .finish()
    }
}

/// What stands between the scheme and the last `@`, and the query, may be secret.
fn without_secrets(url: &str) -> String {
    let plain = url.split_once('?').map_or(url, |(before, _)| before);
    match (plain.split_once("://"), plain.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, address))) => format!("{scheme}://***@{address}"),
        _ => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        for url in [
            "redis://joe:s3cret@host:6379/1",
            "rediss://:s3cret@host",
            "redis+unix:///run/redis.sock?user=joe&pass=s3cret",
        ] {
            let shown = format!("{:?}", RedisSettings::new(url));
            assert!(!shown.contains("s3cret"), "{shown}");
            assert!(shown.contains("host") || shown.contains("redis.sock"), "{shown}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let text =
            |settings: &RedisSettings| settings.clients().map_err(|error| (error.kind(), error.to_string())).err();
        let wrong = text(&RedisSettings::new("http://host"));
        assert!(matches!(&wrong, Some((ErrorKind::Setting, text)) if text.starts_with("redis url")), "{wrong:?}");
        let wrong = text(&RedisSettings { total_deadline: Duration::ZERO, ..RedisSettings::new("redis://host") });
        assert!(matches!(&wrong, Some((ErrorKind::Setting, text)) if text.starts_with("total_deadline")), "{wrong:?}");
    }

    #[test]
    fn the_url_carries_user_password_database_and_socket() {
        let infos = RedisSettings::new("redis://joe:s3cret@host:7000/3").infos().expect("a good url");
        let redis = infos.first().expect("one url").redis_settings().clone();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("joe"), Some("s3cret"), 3));
        let infos = RedisSettings::new("redis+unix:///run/redis.sock?db=2").infos().expect("a good url");
        assert_eq!(infos.first().expect("one url").redis_settings().db(), 2);
    }
}
