//! One call of a cached function.

use serde::Serialize;

use super::{
    background::{Background, Order},
    site::Site,
    source::{Found, Source},
};
use crate::{
    cache::Cache,
    engine::{
        LoadScope,
        call::{Deps, HardTimeout, Presence, Read, ShareError},
    },
    envelope::Wire,
    error::Error,
    key::KeyText,
    orm::CachedConnection,
};

/// How the values of a call are handled.
pub struct Call<'a, T: 'static, E> {
    /// How values become bytes.
    pub wire: Option<&'static Wire<T>>,
    /// What a value says about its rows.
    pub presence: fn(&T) -> Presence,
    /// How errors are shared.
    pub share_error: Option<ShareError<E>>,
    /// Whether a value may be stored.
    pub when: Option<&'a (dyn Fn(&T) -> bool + Sync)>,
    /// Makes the same call again, as a future of its own.
    pub background: Option<Background<'a>>,
    /// How long the body may take, and the error of one that takes longer.
    pub hard_timeout: Option<HardTimeout<E>>,
}

impl<'a, T, E> Call<'a, T, E> {
    pub(super) fn read(self, key: &'a KeyText, site: &'static Site) -> Read<'a, T, E> {
        self.read_of_any_key(site).with_key(key)
    }

    /// For several keys, to be put into copies of it.
    pub(super) fn read_of_any_key(self, site: &'static Site) -> Read<'a, T, E> {
        let Self { wire, presence, share_error, when, background, hard_timeout } = self;
        let function = site.function();
        Read { presence, when, share_error, background, hard_timeout, ..Read::new(function, "", wire) }
    }
}

/// The load that a body runs in.
pub struct Scope(pub(super) Option<LoadScope>);

impl Scope {
    /// The connection, telling the load what it reads.
    #[must_use]
    pub fn attach(&self, db: &CachedConnection) -> CachedConnection {
        match &self.0 {
            Some(scope) if scope.is_recording() => db.with_scope(scope.clone()),
            _ => db.clone(),
        }
    }
}

/// The cache of a call and what its arguments make, unless there is no cache or they make no key: then the body just runs, and that
/// is counted.
pub(super) fn usable<'a, K>(
    source: Source<'a>,
    site: &'static Site,
    key: impl FnOnce() -> Result<K, Error>,
) -> Option<(Found<'a>, K)> {
    let bypassed = |cache: &Cache, why| cache.bypassed(site.function(), why);
    match source.find() {
        Ok(cache) => match key() {
            Ok(key) => Some((cache, key)),
            Err(_) => {
                bypassed(&cache, "the arguments cannot be made a key");
                None
            }
        },
        Err(inside) => {
            if let Some(inside) = inside
                && let Some(cache) = &inside.cache
            {
                bypassed(cache, inside.why);
            }
            None
        }
    }
}

/// The value of a call with these arguments, if this thread has just read it: what an annotated function asks first of all.
#[inline]
#[must_use]
pub fn at_hand<T, A>(source: &Source<'_>, site: &'static Site, args: &A) -> Option<T>
where
    T: Clone + 'static,
    A: Serialize + ?Sized,
{
    source.cache()?.engine().at_hand(site.function(), args)
}

/// Answers from the cache, or runs the body. `prepare(true)` makes the dependencies and the body, `prepare(false)` the body alone.
pub async fn run<T, E, P, L, Fut>(
    source: Source<'_>,
    site: &'static Site,
    key: Result<KeyText, Error>,
    call: Call<'_, T, E>,
    prepare: P,
) -> Result<T, E>
where
    T: Clone + Send + Sync + 'static,
    P: FnOnce(bool) -> (Deps, L),
    L: FnOnce(Scope) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let order = Order::take(site);
    let Some((cache, key)) = usable(source, site, || key) else {
        let (_, load) = prepare(false);
        // Boxed like the load of a miss: the future of a hit stays small.
        return Box::pin(load(Scope(None))).await;
    };
    let read = call.read(&key, site);
    let prepare = || {
        let (deps, load) = prepare(true);
        (deps, move |scope: LoadScope| load(Scope(Some(scope))))
    };
    let Some(order) = order else { return cache.engine().read(&read, prepare).await };
    let (deps, load) = prepare();
    if order.is_for_one() {
        match Box::pin(cache.engine().refresh_once(&read, || deps, load)).await {
            Some(result) => result,
            None => order.leave().await,
        }
    } else {
        Box::pin(cache.refresh(read, || deps, load)).await
    }
}
