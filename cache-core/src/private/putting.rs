//! Runs an annotated writer, and stores what it returns in the entry of a cached function.

use sea_orm::EntityTrait;
use serde::{Serialize, de::DeserializeOwned};

use super::{call::Call, site::Site, source::Source};
use crate::{
    engine::{
        Slot,
        call::{Deps, Function},
    },
    error::Error,
    key::KeyText,
    orm::WriteThrough,
};

/// The entry of one call of a cached function.
pub struct PutSlot<T: 'static>(Option<Slot<T>>, &'static Function);

impl<T: 'static> PutSlot<T> {
    /// Of the function at `site`. Arguments that make no key have no entry.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)]
    pub fn new<E>(site: &'static Site, key: Result<KeyText, Error>, call: Call<'_, T, E>, deps: Deps) -> Self {
        let Call { wire, presence, .. } = call;
        let function = site.function();
        let slot = key.ok().map(|key| Slot { function, key, policy: *function.policy(), wire, presence, deps });
        Self(slot, function)
    }
}

/// A value that a cached function's entry can hold.
#[diagnostic::on_unimplemented(
    message = "the function returns `{Self}`, and the entry holds `{T}`",
    label = "not `{T}`",
    note = "return what the cached function named in `#[cache_put(..)]` returns, or the model itself if that is an `Option` of it"
)]
pub trait IntoEntry<T> {
    /// As the entry's value.
    fn into_entry(self) -> T;
}

#[diagnostic::do_not_recommend]
impl<V: Into<T>, T> IntoEntry<T> for V {
    fn into_entry(self) -> T {
        self.into()
    }
}

/// Runs `body` with the entry's own tags pending, and stores its value if no other write came between.
///
/// In a transaction of the caller's the body simply runs: what it writes is final only at a commit that comes later.
pub async fn putting<T, R, F, Fut>(
    source: Source<'_>,
    slot: PutSlot<T>,
    refusal: Option<fn(Error) -> R>,
    value_of: impl FnOnce(&R) -> Option<T>,
    body: F,
) -> R
where
    T: Send + Sync + 'static,
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let PutSlot(slot, function) = slot;
    match (source.find(), slot) {
        // Boxed: what is around a write is larger than most tasks expect.
        (Ok(cache), Some(slot)) => {
            Box::pin(cache.engine().put_around(slot, refusal, async { body().await }, value_of)).await
        }
        (Ok(cache), None) => {
            cache.bypassed(function, "the arguments cannot be made a key");
            body().await
        }
        (Err(inside), _) => {
            if let Some(inside) = inside
                && let Some(cache) = inside.cache
            {
                cache.bypassed(function, inside.why);
            }
            body().await
        }
    }
}

/// A model that write-through can store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored by write-through",
    label = "cannot be stored in the remote tier",
    note = "derive `serde::Serialize` and `serde::Deserialize` for the model"
)]
pub trait StoredModel: Serialize + DeserializeOwned + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<M: Serialize + DeserializeOwned + Sync + 'static> StoredModel for M {}

/// What `#[cached_entity(write_through)]` declares.
#[must_use]
pub fn write_through<E>() -> WriteThrough
where
    E: EntityTrait,
    E::Model: StoredModel,
{
    WriteThrough::of::<E>()
}
