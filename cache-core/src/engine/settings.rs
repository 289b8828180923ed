//! What the engine is told by the builder.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{engine::mutation::Mutation, envelope::Compression, policy::Policy};

/// What a write does when its tags cannot be made stale in the remote tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenRemoteIsDown {
    /// The write goes on; the invalidation is retried in memory until it lands. A crash of this process before that
    /// leaves other nodes stale until their entries' TTL.
    #[default]
    Retry,
    /// The write goes on; the tags are inserted into the table `cache_outbox` in the same database transaction, from where any node
    /// relays them.
    Outbox,
    /// The write fails before it reaches the database.
    Refuse,
}

/// Settings, checked by the builder.
#[derive(Clone, Debug)]
pub(crate) struct EngineSettings {
    /// What the remote tier prefixes keys and tags with; names this cache in the outbox.
    pub(crate) namespace: String,
    pub(crate) policy: Policy,
    pub(crate) compression: Compression,
    pub(crate) payload_bytes_max: usize,
    /// Loads beyond this many wait for one to end.
    pub(crate) loads_in_flight_max: usize,
    /// How long local hits are trusted after the last sign of life of the bus.
    pub(crate) lease: Duration,
    /// How long a write intent keeps its tags pending if its writer is not heard of again.
    pub(crate) intent_lease: Duration,
    /// The same for hooks in a transaction whose commit nobody can see.
    pub(crate) hook_lease: Duration,
    /// How long tags stay pending after a commit, for applications that read replicas.
    pub(crate) settle: Duration,
    /// How long a value loaded while the remote tier is down may answer.
    pub(crate) degraded_ttl: Duration,
    pub(crate) when_remote_is_down: WhenRemoteIsDown,
    /// More deferred tags than this collapse into one invalidation of everything.
    pub(crate) deferred_tags_max: usize,
    pub(crate) mutation: Option<Mutation>,
}
