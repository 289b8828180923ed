//! One call of a cached function that answers for many ids.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hash},
};

use super::{
    background::Order,
    call::{Call, Scope, usable},
    site::Site,
    source::Source,
};
use crate::{
    engine::{LoadScope, call::Deps},
    error::Error,
    key::KeyText,
};

/// A map from ids to values.
#[diagnostic::on_unimplemented(
    message = "a function with `batch = ..` returns a map from ids to values, not `{Self}`",
    label = "not a map from ids",
    note = "write `Result<HashMap<i64, Model>, DbErr>` or `Result<BTreeMap<i64, Model>, DbErr>`; ids without a value are left out of it"
)]
pub trait BatchMap: Sized {
    /// An id.
    type Id;
    /// What belongs to one.
    type Value;
    /// Takes one value out.
    fn take(&mut self, id: &Self::Id) -> Option<Self::Value>;
    /// Makes a map.
    fn gather(pairs: impl Iterator<Item = (Self::Id, Self::Value)>) -> Self;
}

impl<K: Eq + Hash, V, S: BuildHasher + Default> BatchMap for HashMap<K, V, S> {
    type Id = K;
    type Value = V;

    fn take(&mut self, id: &K) -> Option<V> {
        self.remove(id)
    }

    fn gather(pairs: impl Iterator<Item = (K, V)>) -> Self {
        pairs.collect()
    }
}

impl<K: Ord, V> BatchMap for BTreeMap<K, V> {
    type Id = K;
    type Value = V;

    fn take(&mut self, id: &K) -> Option<V> {
        self.remove(id)
    }

    fn gather(pairs: impl Iterator<Item = (K, V)>) -> Self {
        pairs.collect()
    }
}

/// Calls a closure: generated code cannot where it writes one.
pub fn once<A, F: FnOnce(A) -> Fut, Fut: Future>(body: F, argument: A) -> Fut {
    body(argument)
}

/// Answers for each id from the cache, and runs the body for those that are missing.
pub async fn run_many<M, E, K, D, L, Fut>(
    source: Source<'_>,
    site: &'static Site,
    call: Call<'_, Option<M::Value>, E>,
    ids: &[M::Id],
    key: K,
    deps: D,
    body: L,
) -> Result<M, E>
where
    M: BatchMap<Id: Clone, Value: Clone + Send + Sync + 'static>,
    K: Fn(M::Id) -> Result<KeyText, Error>,
    D: Fn(M::Id) -> Deps,
    L: Fn(Vec<M::Id>, Scope) -> Fut,
    Fut: Future<Output = Result<M, E>>,
{
    let order = Order::take(site);
    if ids.is_empty() {
        return Ok(M::gather(std::iter::empty()));
    }
    let Some((cache, keys)) = usable(source, site, || keys_of(ids, key)) else {
        return Box::pin(body(ids.to_vec(), Scope(None))).await;
    };
    let read = call.read_of_any_key(site);
    // The engine asks for places that it was given: there always is an id.
    let deps = |at: usize| ids.get(at).map_or_else(Deps::new, |id| deps(id.clone()));
    let load = |places: Vec<usize>, scope: LoadScope| {
        let missing: Vec<M::Id> = places.into_iter().filter_map(|at| ids.get(at).cloned()).collect();
        let loading = body(missing.clone(), Scope(Some(scope)));
        async move {
            let mut loaded = loading.await?;
            Ok(missing.iter().map(|id| loaded.take(id)).collect())
        }
    };
    let found = if order.is_some() {
        Box::pin(cache.engine().refresh_many(&read, &keys, deps, load)).await?
    } else {
        cache.engine().read_many(&read, &keys, deps, load).await?
    };
    Ok(gather(ids, found))
}

/// The cached values, where a tier can prove one valid.
pub async fn peek_many<M, E, K>(
    source: Source<'_>,
    site: &'static Site,
    call: Call<'_, Option<M::Value>, E>,
    ids: &[M::Id],
    key: K,
) -> M
where
    M: BatchMap<Id: Clone, Value: Clone + Send + Sync + 'static>,
    K: Fn(M::Id) -> Result<KeyText, Error>,
{
    let found = match (source.find(), keys_of(ids, key)) {
        (Ok(cache), Ok(keys)) => cache.engine().peek_many(&call.read_of_any_key(site), &keys).await,
        _ => Vec::new(),
    };
    gather(ids, found.into_iter().map(Option::flatten))
}

/// Removes entries on every node; returns how many the remote tier had.
///
/// # Errors
///
/// If the remote tier does not answer.
pub async fn invalidate_many(
    source: Source<'_>,
    keys: impl IntoIterator<Item = Result<KeyText, Error>>,
) -> Result<u64, Error> {
    // Arguments that make no key have no entry.
    let keys: Vec<KeyText> = keys.into_iter().filter_map(Result::ok).collect();
    match source.find() {
        Ok(cache) => cache.engine().remove(&keys.iter().map(|key| &**key).collect::<Vec<_>>()).await,
        Err(_) => Ok(0),
    }
}

fn keys_of<I: Clone>(ids: &[I], key: impl Fn(I) -> Result<KeyText, Error>) -> Result<Vec<KeyText>, Error> {
    ids.iter().map(|id| key(id.clone())).collect()
}

fn gather<M: BatchMap<Id: Clone>>(ids: &[M::Id], found: impl IntoIterator<Item = Option<M::Value>>) -> M {
    M::gather(ids.iter().zip(found).filter_map(|(id, value)| Some((id.clone(), value?))))
}
