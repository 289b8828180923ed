//! What others' tools see of the cache: spans by the feature `tracing-spans`, metrics by the feature `metrics`.

#[cfg(feature = "metrics")]
pub(crate) mod meter;
#[cfg(any(feature = "metrics", feature = "tracing-spans"))]
mod observed;
#[cfg(feature = "metrics")]
#[cfg(test)]
pub(crate) mod recorded;
pub(crate) mod spans;

use std::sync::Arc;

use crate::{clock::Clock, ports::RemoteTier};

/// The tier, with a span and a measurement around each request, as far as features ask for them.
pub(crate) fn observed(remote: Arc<dyn RemoteTier>, clock: &Clock, cache: &str) -> Arc<dyn RemoteTier> {
    #[cfg(any(feature = "metrics", feature = "tracing-spans"))]
    return Arc::new(observed::ObservedTier::new(remote, clock, cache));
    #[cfg(not(any(feature = "metrics", feature = "tracing-spans")))]
    {
        let _unused = (clock, cache);
        remote
    }
}
