//! How entries are kept and read: the cache's defaults, and what a function overrides.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// No entry is kept longer than this.
pub(crate) const SPAN_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);

/// The largest sensible factor of XFetch; the paper's is 1.
pub(crate) const XFETCH_BETA_MAX: f64 = 100.0;

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
    /// The remote tier only; without one, process memory.
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

/// Declares the policy once: the policy itself, what overrides it, and how the one applies to the other.
macro_rules! policy {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr),+ $(,)?) => {
        /// How entries of one function, or of the whole cache, are kept and read.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct Policy {
            $($(#[$doc])* pub $name: $type,)+
        }

        impl Default for Policy {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// What one function sets apart from the cache's own [`Policy`].
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct PolicyOverride {
            $(#[doc = concat!("See [`Policy::", stringify!($name), "`].")] pub $name: Option<$type>,)+
        }

        impl PolicyOverride {
            /// Overrides nothing.
            pub const NONE: Self = Self { $($name: None,)+ };
        }

        impl Policy {
            /// This policy with what `overrides` sets.
            #[must_use]
            pub fn overridden(self, overrides: &PolicyOverride) -> Self {
                Self { $($name: overrides.$name.unwrap_or(self.$name),)+ }.within_bounds()
            }
        }

        impl From<Policy> for PolicyOverride {
            /// Overrides everything.
            fn from(policy: Policy) -> Self {
                Self { $($name: Some(policy.$name),)+ }
            }
        }
    };
}

policy! {
    /// How long an entry is valid at the most. Default: 5 minutes.
    ttl: Duration = Duration::from_secs(300),
    /// The share of the TTL by which each entry's own TTL is shortened at random, so that entries filled together do not end
    /// together: 0.05 makes it 95 % to 100 % of `ttl`. From 0 to 1. Default: 0.05.
    jitter: f64 = 0.05,
    /// How long the absence of a value (`None`, an empty list) is valid. Default: 30 seconds, and never more than `ttl`.
    negative_ttl: Duration = Duration::from_secs(30),
    /// How fresh reads are. Default: bounded.
    consistency: Consistency = Consistency::Bounded,
    /// Which tiers hold the entries. Default: both.
    tier: TierChoice = TierChoice::Both,
    /// How values become bytes. Default: MessagePack.
    codec: CodecKind = CodecKind::MessagePack,
    /// Refreshes an entry at random before it ends, the earlier the longer its load takes and the larger this factor:
    /// when `now - delta * beta * ln(rand) >= expiry`, `delta` being the measured load time (XFetch; Vattani, Chierichetti, Lowenstein:
    /// "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). 1.0 is the paper's choice. Default: 0, off.
    xfetch_beta: f64 = 0.0,
    /// Refreshes an entry that is used after this share of its TTL, once per cluster. From 0 to 1. Default: 1.0, off.
    refresh_ahead: f64 = 1.0,
    /// How long after its TTL an entry, if never made stale, still answers while it is refreshed. Default: zero, off.
    stale_while_revalidate: Duration = Duration::ZERO,
    /// How long after its TTL an entry, if never made stale, answers for a loader that fails or passes `soft_timeout`.
    /// Default: zero, off.
    stale_if_error: Duration = Duration::ZERO,
    /// How long a caller waits for the loader while an entry that `stale_if_error` allows could answer. Default: one hour, in effect off.
    soft_timeout: Duration = Duration::from_secs(3_600),
    /// Whether one process at a time loads an entry: a lock in the remote tier, taken in the round trip that captures the
    /// versions. Default: yes.
    lock: bool = true,
    /// How long a caller waits for another process's load before it loads itself. Default: 1 second.
    lock_wait: Duration = Duration::from_secs(1),
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

    /// What a single entry sets is not checked by `build()`: whatever it is, the arithmetic must hold.
    fn within_bounds(mut self) -> Self {
        let bound = |number: f64, most: f64| if number.is_nan() { 0.0 } else { number.clamp(0.0, most) };
        self.jitter = bound(self.jitter, 1.0);
        self.refresh_ahead = bound(self.refresh_ahead, 1.0);
        self.xfetch_beta = bound(self.xfetch_beta, XFETCH_BETA_MAX);
        for span in [
            &mut self.ttl,
            &mut self.negative_ttl,
            &mut self.stale_while_revalidate,
            &mut self.stale_if_error,
            &mut self.soft_timeout,
            &mut self.lock_wait,
        ] {
            *span = (*span).min(SPAN_MAX);
        }
        self
    }

    /// How long the entry's bytes and its tags are kept.
    pub(crate) fn kept(&self) -> Duration {
        self.ttl.saturating_add(self.grace())
    }

    /// How long after its TTL an entry may still be of use.
    pub(crate) fn grace(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }
}
