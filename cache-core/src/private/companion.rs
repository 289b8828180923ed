//! What can be done with one entry of a cached function.

use super::{call::Call, site::Site, source::Source};
use crate::{error::Error, key::KeyText};

/// The key as text. Calls whose arguments cannot be made a key run without the cache: theirs is the key of no entry.
#[must_use]
#[allow(clippy::needless_pass_by_value)]
pub fn key_text(site: &'static Site, key: Result<KeyText, Error>) -> String {
    key.map_or_else(|_| format!("{}!", site.prefix()), |key| key.to_string())
}

/// The cached value, if a tier can prove one valid.
pub async fn peek<T, E>(
    source: Source<'_>,
    site: &'static Site,
    key: Result<KeyText, Error>,
    call: Call<'_, T, E>,
) -> Option<T>
where
    T: Clone + Send + Sync + 'static,
{
    let (cache, key) = (source.find().ok()?, key.ok()?);
    cache.peek(call.read(&key, site)).await
}

/// Removes the entry on every node.
///
/// # Errors
///
/// If the remote tier does not answer.
pub async fn invalidate_entry(source: Source<'_>, key: Result<KeyText, Error>) -> Result<bool, Error> {
    match (source.find(), key) {
        (Ok(cache), Ok(key)) => cache.remove_exact(&key).await,
        // Without a cache, or without a key, there is no entry.
        _ => Ok(false),
    }
}
