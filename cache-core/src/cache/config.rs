//! Settings as plain data: from a configuration file or from environment variables.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    engine::WhenRemoteIsDown,
    error::{Error, ErrorKind},
    policy::{CodecKind, CompressionKind, Consistency, Policy, TierChoice},
};

/// How much process memory the local tier may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Capacity {
    /// At most this many entries.
    Entries(u64),
    /// At most this many bytes, counted as key, tags, bookkeeping and value; see
    /// [`CacheBuilder::weigher`](crate::CacheBuilder::weigher).
    Bytes(u64),
}

/// Which entry the local tier evicts when it is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Eviction {
    /// The one used least often, by an aging estimate; new entries have to earn their place (W-TinyLFU).
    #[default]
    TinyLfu,
    /// The one used longest ago.
    Lru,
}

/// Every setting that can be written down, each with its default.
///
/// Spans are written as in `"300ms"`, `"5m"`, `"1h 30m"`.
///
/// ```
/// # use sea_orm_cache::CacheConfig;
/// let config: CacheConfig = serde_json::from_str(r#"{ "namespace": "shop", "ttl": "10m" }"#)?;
/// assert_eq!(config.ttl.as_secs(), 600);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheConfig {
    /// Where Redis is: `redis://`, `rediss://`, `unix://`. Default: none, one process.
    pub redis_url: Option<String>,
    /// Precedes every key and tag in Redis. Default: `"cache"`.
    pub namespace: String,
    /// See [`Policy::ttl`](crate::Policy::ttl). Default: `"5m"`.
    #[serde(with = "span")]
    pub ttl: Duration,
    /// See [`Policy::jitter`](crate::Policy::jitter). Default: 0.05.
    pub jitter: f64,
    /// See [`Policy::negative_ttl`](crate::Policy::negative_ttl). Default: `"30s"`.
    #[serde(with = "span")]
    pub negative_ttl: Duration,
    /// See [`Policy::consistency`](crate::Policy::consistency). Default: `"bounded"`.
    pub consistency: Consistency,
    /// See [`Policy::tier`](crate::Policy::tier). Default: `"both"`.
    pub tier: TierChoice,
    /// See [`Policy::codec`](crate::Policy::codec). Default: `"message_pack"`.
    pub codec: CodecKind,
    /// See [`Policy::xfetch_beta`](crate::Policy::xfetch_beta). Default: 0.
    pub xfetch_beta: f64,
    /// See [`Policy::refresh_ahead`](crate::Policy::refresh_ahead). Default: 1.0.
    pub refresh_ahead: f64,
    /// See [`Policy::stale_while_revalidate`](crate::Policy::stale_while_revalidate). Default: `"0s"`.
    #[serde(with = "span")]
    pub stale_while_revalidate: Duration,
    /// See [`Policy::stale_if_error`](crate::Policy::stale_if_error). Default: `"0s"`.
    #[serde(with = "span")]
    pub stale_if_error: Duration,
    /// See [`Policy::soft_timeout`](crate::Policy::soft_timeout). Default: `"1h"`.
    #[serde(with = "span")]
    pub soft_timeout: Duration,
    /// See [`Policy::lock`](crate::Policy::lock). Default: true.
    pub lock: bool,
    /// See [`Policy::lock_wait`](crate::Policy::lock_wait). Default: `"1s"`.
    #[serde(with = "span")]
    pub lock_wait: Duration,
    /// How long a value loaded while Redis is down may answer further bounded reads of this process: what shields the database
    /// during an outage. At most `lease`. Default: `"1s"`, or `lease` if that is shorter.
    #[serde(with = "span_or_none")]
    pub degraded_ttl: Option<Duration>,
    /// The size of the local tier. Default: 100,000 entries.
    pub capacity: Capacity,
    /// What the local tier evicts. Default: `"tiny_lfu"`.
    pub eviction: Eviction,
    /// How payloads are compressed. Default: `"none"`.
    pub compression: CompressionKind,
    /// Payloads of at least this many bytes are compressed. Default: 1,024.
    pub compression_bytes_min: usize,
    /// Encoded values above this many bytes are not stored. Default: 1 MiB.
    pub payload_bytes_max: usize,
    /// Loads of this process that run at a time; the others wait. Default: 1,024.
    pub loads_in_flight_max: usize,
    /// How long local hits are trusted after the last sign of life of the bus: the staleness of a node that is cut off.
    /// From 50 ms to 60 s. Default: `"1s"`.
    #[serde(with = "span")]
    pub lease: Duration,
    /// How long tags stay pending after a writer that is not heard of again. From 100 ms to 5 min. Default: `"5s"`.
    #[serde(with = "span")]
    pub intent_lease: Duration,
    /// How long tags stay pending after a write by a hook in a transaction whose commit cannot be seen. Default: `"5s"`.
    #[serde(with = "span")]
    pub hook_lease: Duration,
    /// How long tags stay pending after each commit, for applications that read from replicas. Default: zero.
    #[serde(with = "span")]
    pub settle: Duration,
    /// What a write does when Redis cannot be told. Default: `"retry"`.
    pub when_remote_is_down: WhenRemoteIsDown,
    /// More tags than this waiting for Redis collapse into one invalidation of everything. Default: 100,000.
    pub deferred_tags_max: usize,
    /// Longest time to set up a connection to Redis. Default: `"100ms"`.
    #[serde(with = "span")]
    pub connect_deadline: Duration,
    /// Longest time to wait for one reply of Redis. Default: `"50ms"`.
    #[serde(with = "span")]
    pub response_deadline: Duration,
    /// Longest time for one request, waiting for a connection included. Default: `"80ms"`.
    #[serde(with = "span")]
    pub total_deadline: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            redis_url: None,
            namespace: "cache".to_owned(),
            ttl: policy.ttl,
            jitter: policy.jitter,
            negative_ttl: policy.negative_ttl,
            consistency: policy.consistency,
            tier: policy.tier,
            codec: policy.codec,
            xfetch_beta: policy.xfetch_beta,
            refresh_ahead: policy.refresh_ahead,
            stale_while_revalidate: policy.stale_while_revalidate,
            stale_if_error: policy.stale_if_error,
            soft_timeout: policy.soft_timeout,
            lock: policy.lock,
            lock_wait: policy.lock_wait,
            degraded_ttl: None,
            capacity: Capacity::Entries(100_000),
            eviction: Eviction::default(),
            compression: CompressionKind::default(),
            compression_bytes_min: 1_024,
            payload_bytes_max: 1 << 20,
            loads_in_flight_max: 1_024,
            lease: Duration::from_secs(1),
            intent_lease: Duration::from_secs(5),
            hook_lease: Duration::from_secs(5),
            settle: Duration::ZERO,
            when_remote_is_down: WhenRemoteIsDown::default(),
            deferred_tags_max: 100_000,
            connect_deadline: Duration::from_millis(100),
            response_deadline: Duration::from_millis(50),
            total_deadline: Duration::from_millis(80),
        }
    }
}

impl CacheConfig {
    /// The defaults, with what the environment sets: `{prefix}REDIS_URL`, `{prefix}TTL=10m`, `{prefix}CAPACITY={"bytes":1000000}`,
    /// and so on: the fields' names in upper case. Plain words need no quotes.
    ///
    /// ```
    /// # use sea_orm_cache::CacheConfig;
    /// let config = CacheConfig::from_vars("SHOP_CACHE_", [("SHOP_CACHE_TTL", "90s"), ("SHOP_CACHE_JITTER", "0.1")])?;
    /// assert_eq!((config.ttl.as_secs(), config.jitter), (90, 0.1));
    /// # Ok::<(), sea_orm_cache::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`], naming the variable, if one starts with the prefix and is no setting, or has a value that is none.
    pub fn from_env(prefix: &str) -> Result<Self, Error> {
        Self::from_vars(prefix, std::env::vars())
    }

    /// [`from_env`](Self::from_env) with the variables handed in.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_vars<K: AsRef<str>, V: AsRef<str>>(
        prefix: &str,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, Error> {
        let mut settings = match serde_json::to_value(Self::default()) {
            Ok(serde_json::Value::Object(settings)) => settings,
            _ => serde_json::Map::new(),
        };
        for (name, value) in vars {
            let (name, value) = (name.as_ref(), value.as_ref());
            let Some(field) = name.strip_prefix(prefix).map(str::to_lowercase) else { continue };
            // Numbers, true, false and objects are JSON; whatever is not is a word.
            let parsed = match serde_json::from_str(value) {
                Ok(
                    parsed @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_) | serde_json::Value::Object(_)),
                ) => parsed,
                _ => serde_json::Value::String(value.to_owned()),
            };
            settings.insert(field, parsed);
            if let Err(error) = serde_json::from_value::<Self>(serde_json::Value::Object(settings.clone())) {
                return Err(Error::new(ErrorKind::Setting, format!("environment variable {name}: {error}")));
            }
        }
        serde_json::from_value(serde_json::Value::Object(settings))
            .map_err(|error| Error::with_source(ErrorKind::Setting, "settings from the environment", error))
    }
}

/// Spans as text.
mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*span))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_duration(&text)
            .map_err(|error| D::Error::custom(format!("{text:?} is no span such as \"300ms\" or \"5m\": {error}")))
    }
}

/// Spans as text, or nothing.
mod span_or_none {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Span(#[serde(with = "super::span")] Duration);

    pub(super) fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::span::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Span>::deserialize(from)?.map(|Span(span)| span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_defaults_and_names_what_is_wrong() {
        let ok = CacheConfig::from_vars(
            "C_",
            [
                ("C_CAPACITY", r#"{"bytes": 1000}"#),
                ("C_CONSISTENCY", "strict"),
                ("C_REDIS_URL", "redis://h"),
                ("X", "y"),
            ],
        );
        assert!(ok.is_ok_and(|config| config.capacity == Capacity::Bytes(1000)
            && config.consistency == Consistency::Strict
            && config.redis_url.as_deref() == Some("redis://h")));
        let spans = CacheConfig::from_vars("C_", [("C_DEGRADED_TTL", "300ms"), ("C_LEASE", "2s")]).unwrap();
        assert_eq!(spans.degraded_ttl, Some(Duration::from_millis(300)));
        assert_eq!(CacheConfig::default().degraded_ttl, None);
        for (name, value) in [
            ("C_TTL", "soon"),
            ("C_DEGRADED_TTL", "soon"),
            ("C_COLOUR", "red"),
            ("C_JITTER", "much"),
            ("C_NAMESPACE", "7"),
        ] {
            match CacheConfig::from_vars("C_", [(name, value)]) {
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
                Ok(_) => assert_eq!(name, "C_NAMESPACE", "{name}={value} was accepted"),
            }
        }
    }
}
