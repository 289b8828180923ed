//! How entries are kept and read: the cache's defaults, and what a function overrides.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Consistency {
    /// At most one bus delivery behind the last commit, at most the lease behind when the node is cut off; a node
    /// always sees its own finished writes. A local hit asks nobody.
    #[default]
    Bounded,
    /// Never older than the last commit that finished before the read began, at the price of one round trip to the
    /// remote tier.
    Strict,
}

/// Which tiers hold an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TierChoice {
    /// Process memory, and the remote tier if there is one.
    #[default]
    Both,
    /// Process memory only; values need no serde traits.
    Local,
    /// The remote tier only.
    Remote,
}

/// How a value becomes bytes for the remote tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CodecKind {
    /// MessagePack with field names: compact, tolerant of added fields.
    #[default]
    MessagePack,
    /// JSON, readable with `redis-cli GET`. Needs the feature `codec-json`.
    Json,
    /// Postcard: the smallest, not self-describing. Needs the feature `codec-postcard`.
    Postcard,
}

/// How payloads above a size are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompressionKind {
    /// Not at all.
    #[default]
    None,
    /// LZ4: fast. Needs the feature `compress-lz4`.
    Lz4,
    /// Zstandard, level 3: small. Needs the feature `compress-zstd`.
    Zstd,
}

/// How entries of one function, or of the whole cache, are kept and read.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How long an entry is valid at the most. Default: 5 minutes.
    pub ttl: Duration,
    /// The share of the TTL by which each entry's own TTL is shortened at random, so that entries filled together do not end
    /// together: 0.05 makes it 95 % to 100 % of `ttl`. From 0 to 1. Default: 0.05.
    pub jitter: f64,
    /// How long the absence of a value (`None`, an empty list) is valid. Default: 30 seconds, and never more than `ttl`.
    pub negative_ttl: Duration,
    /// How fresh reads are. Default: bounded.
    pub consistency: Consistency,
    /// Which tiers hold the entries. Default: both.
    pub tier: TierChoice,
    /// How values become bytes. Default: MessagePack.
    pub codec: CodecKind,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            jitter: 0.05,
            negative_ttl: Duration::from_secs(30),
            consistency: Consistency::Bounded,
            tier: TierChoice::Both,
            codec: CodecKind::MessagePack,
        }
    }
}

impl Policy {
    /// The default policy with a TTL in seconds.
    #[must_use]
    pub fn ttl_secs(seconds: u64) -> Self {
        Self { ttl: Duration::from_secs(seconds), ..Self::default() }
    }

    /// This policy with another TTL.
    #[must_use]
    pub fn with_ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// This policy with another consistency.
    #[must_use]
    pub fn with_consistency(self, consistency: Consistency) -> Self {
        Self { consistency, ..self }
    }

    /// This policy with another choice of tiers.
    #[must_use]
    pub fn with_tier(self, tier: TierChoice) -> Self {
        Self { tier, ..self }
    }

    /// This policy with what `overrides` sets.
    #[must_use]
    pub fn overridden(self, overrides: &PolicyOverride) -> Self {
        Self {
            ttl: overrides.ttl.unwrap_or(self.ttl),
            jitter: overrides.jitter.unwrap_or(self.jitter),
            negative_ttl: overrides.negative_ttl.unwrap_or(self.negative_ttl),
            consistency: overrides.consistency.unwrap_or(self.consistency),
            tier: overrides.tier.unwrap_or(self.tier),
            codec: overrides.codec.unwrap_or(self.codec),
        }
    }
}

/// What one function sets apart from the cache's own [`Policy`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyOverride {
    /// See [`Policy::ttl`].
    pub ttl: Option<Duration>,
    /// See [`Policy::jitter`].
    pub jitter: Option<f64>,
    /// See [`Policy::negative_ttl`].
    pub negative_ttl: Option<Duration>,
    /// See [`Policy::consistency`].
    pub consistency: Option<Consistency>,
    /// See [`Policy::tier`].
    pub tier: Option<TierChoice>,
    /// See [`Policy::codec`].
    pub codec: Option<CodecKind>,
}

impl PolicyOverride {
    /// Overrides nothing.
    pub const NONE: Self =
        Self { ttl: None, jitter: None, negative_ttl: None, consistency: None, tier: None, codec: None };
}
