//! One call of a cached function.

use std::cell::Cell;

use super::{
    site::Site,
    source::{Found, Source},
};
use crate::{
    engine::{
        LoadScope,
        call::{Deps, Presence, Read, ShareError},
    },
    envelope::Wire,
    error::Error,
    key::KeyText,
    orm::CachedConnection,
};

/// What the cache needs to know of a call.
pub struct Call<'a, T: 'static, E> {
    /// The key, or why there is none.
    pub key: Result<KeyText, Error>,
    /// How values become bytes.
    pub wire: Option<&'static Wire<T>>,
    /// What a value says about its rows.
    pub presence: fn(&T) -> Presence,
    /// How errors are shared.
    pub share_error: Option<ShareError<E>>,
    /// Whether a value may be stored.
    pub when: Option<&'a (dyn Fn(&T) -> bool + Sync)>,
}

/// A call without its key.
pub(super) struct Handling<'a, T: 'static, E> {
    wire: Option<&'static Wire<T>>,
    presence: fn(&T) -> Presence,
    share_error: Option<ShareError<E>>,
    when: Option<&'a (dyn Fn(&T) -> bool + Sync)>,
}

impl<'a, T, E> Call<'a, T, E> {
    pub(super) fn split(self) -> (Result<KeyText, Error>, Handling<'a, T, E>) {
        let Self { key, wire, presence, share_error, when } = self;
        (key, Handling { wire, presence, share_error, when })
    }
}

impl<'a, T, E> Handling<'a, T, E> {
    pub(super) fn read(self, key: &'a str, site: &'static Site) -> Read<'a, T, E> {
        let Self { wire, presence, share_error, when } = self;
        let function = site.function();
        Read {
            function,
            policy: function.policy(),
            key,
            wire,
            presence,
            when,
            share_error,
            background: None,
            hard_timeout: None,
        }
    }
}

/// The load that a body runs in.
pub struct Scope(Option<LoadScope>);

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

tokio::task_local! {
    /// The function whose next call on this task is to load.
    static REFRESH: Cell<Option<&'static Site>>;
}

/// Runs a call of the function at `site` that loads, whatever is cached.
pub async fn refreshing<F: Future>(site: &'static Site, call: F) -> F::Output {
    REFRESH.scope(Cell::new(Some(site)), call).await
}

/// Whether this call is the one to load. The order is used up: what the body calls is not refreshed.
fn is_refresh(site: &'static Site) -> bool {
    let ordered = REFRESH.try_with(|ordered| match ordered.get() {
        Some(other) if std::ptr::eq(other, site) => ordered.take().is_some(),
        _ => false,
    });
    ordered.unwrap_or(false)
}

/// Answers from the cache, or runs the body. `prepare(true)` makes the dependencies and the body, `prepare(false)` the body alone.
pub async fn run<T, E, P, L, Fut>(
    source: Source<'_>,
    site: &'static Site,
    call: Call<'_, T, E>,
    prepare: P,
) -> Result<T, E>
where
    T: Clone + Send + Sync + 'static,
    P: FnOnce(bool) -> (Deps, L),
    L: FnOnce(Scope) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let refresh = is_refresh(site);
    let (key, handling) = call.split();
    let (cache, key): (Found<'_>, KeyText) = match (source.find(), key) {
        (Ok(cache), Ok(key)) => (cache, key),
        (found, _) => {
            match found {
                Err(Some(inside)) => {
                    if let Some(cache) = inside.cache {
                        cache.bypassed(site.function(), inside.why);
                    }
                }
                Ok(cache) => cache.bypassed(site.function(), "the arguments cannot be made a key"),
                Err(None) => {}
            }
            let (_, load) = prepare(false);
            // Boxed like the load of a miss: the future of a hit stays small.
            return Box::pin(load(Scope(None))).await;
        }
    };
    let read = handling.read(&key, site);
    let prepare = || {
        let (deps, load) = prepare(true);
        (deps, move |scope: LoadScope| load(Scope(Some(scope))))
    };
    if refresh {
        let (deps, load) = prepare();
        Box::pin(cache.refresh(read, || deps, load)).await
    } else {
        cache.engine().read(&read, prepare).await
    }
}
