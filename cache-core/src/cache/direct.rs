//! The cache used by key, without an annotated function.

use std::{convert::Infallible, time::Duration};

use futures_util::StreamExt;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cache::Cache,
    engine::{
        Slot,
        call::{DIRECT, Deps, Presence, Read},
    },
    envelope::Wire,
    error::Error,
    key::{KeyText, plain_key},
    policy::PolicyOverride,
    tag::Tag,
};

/// Keeps the keys of direct use apart from those of functions.
const PREFIX: &str = "kv:";

impl Cache {
    /// The value at `key`, or what `load` returns, stored under `tags`. Callers of one key share one load.
    ///
    /// # Errors
    ///
    /// Those of `load`. The cache has none of its own here.
    pub async fn get_or_load<T, E, I, L, Fut>(&self, key: &str, tags: I, load: L) -> Result<T, E>
    where
        T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Into<Tag>,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.get_or_load_with(key, tags, &PolicyOverride::NONE, load).await
    }

    /// As [`get_or_load`](Cache::get_or_load), with a policy for this entry.
    ///
    /// # Errors
    ///
    /// Those of `load`.
    pub async fn get_or_load_with<T, E, I, L, Fut>(
        &self,
        key: &str,
        tags: I,
        policy: &PolicyOverride,
        load: L,
    ) -> Result<T, E>
    where
        T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Into<Tag>,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let key = plain_key(PREFIX, key);
        self.read(direct(&key, policy), || deps(tags), |_| load()).await
    }

    /// The value at `key`, if a tier can prove it valid. A value of another type is none.
    pub async fn get<T>(&self, key: &str) -> Option<T>
    where
        T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let key = plain_key(PREFIX, key);
        self.peek(direct::<T, Infallible>(&key, &PolicyOverride::NONE)).await
    }

    /// Stores a value. The versions of `tags` are captured now: a write between your reading of the value and this call is
    /// not noticed. [`get_or_load`](Cache::get_or_load) has no such gap.
    pub async fn put<T, I>(&self, key: &str, value: T, tags: I, ttl: Duration)
    where
        T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Into<Tag>,
    {
        let key = plain_key(PREFIX, key);
        let policy = PolicyOverride { ttl: Some(ttl), ..PolicyOverride::NONE };
        let Ok(_stored) =
            self.refresh(direct::<T, Infallible>(&key, &policy), || deps(tags), |_| async { Ok(value) }).await;
    }

    /// Runs `write`, and stores the value it returns at `key`: write-through. What the entry depends on, `tags`, is pending while `write`
    /// runs and stale afterwards, whatever comes out.
    ///
    /// The value is stored only if it is certain to be the latest: no other write of these tags overlapped this one, the remote tier
    /// was there, and the value is `Ok`. Else the entry is stale, and the next read loads. `write` must write everything that it
    /// writes before it returns, and return what a load of this entry would then find. Writes through a `CachedConnection` inside,
    /// on the same task, count as part of this one; a closure that is handed a transaction commits it itself.
    /// `ttl` is what a load of this entry would use.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use sea_orm_cache::Cache;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::builder().build().await?;
    /// let save = async || Ok::<_, Infallible>(42); // writes the answer down, and returns it
    /// cache.put_through("answer", ["deep-thought"], Duration::from_secs(60), save).await?;
    /// assert_eq!(cache.get::<i32>("answer").await, Some(42));
    /// assert_eq!(cache.stats().write_through, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `write`. With [`WhenRemoteIsDown::Refuse`](crate::WhenRemoteIsDown::Refuse) it is the statements inside that are refused.
    pub async fn put_through<T, E, I, W, Fut>(&self, key: &str, tags: I, ttl: Duration, write: W) -> Result<T, E>
    where
        T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
        I: IntoIterator,
        I::Item: Into<Tag>,
        W: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let slot = Slot {
            function: &DIRECT,
            key: plain_key(PREFIX, key),
            policy: PolicyOverride { ttl: Some(ttl), ..PolicyOverride::NONE },
            wire: Some(Wire::<T>::SERDE),
            presence: |_| Presence::Unknown,
            deps: deps(tags),
        };
        // Boxed: what is around a write is larger than most tasks expect.
        let put = self.engine.put_around(slot, None, async { write().await }, |result| result.as_ref().ok().cloned());
        Box::pin(put).await
    }

    /// Removes the entry at `key` on every node; returns whether the remote tier had it (without one: `false`).
    ///
    /// A load that another node has in the air may store its value again; tags exclude that, keys do not. In the remote tier
    /// the entry is gone; a node that is cut off from the bus drops its local copy when it is back.
    ///
    /// # Errors
    ///
    /// If the remote tier does not answer. The local copy is gone all the same.
    pub async fn remove(&self, key: &str) -> Result<bool, Error> {
        self.remove_exact(&plain_key(PREFIX, key)).await
    }

    /// Removes the entries at several keys, in one round trip; returns how many the remote tier had. See [`remove`](Cache::remove).
    ///
    /// # Errors
    ///
    /// As for [`remove`](Cache::remove).
    pub async fn remove_many<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Result<u64, Error> {
        let keys: Vec<KeyText> = keys.into_iter().map(|key| plain_key(PREFIX, key.as_ref())).collect();
        self.engine.remove(&keys.iter().map(|key| &**key).collect::<Vec<_>>()).await
    }

    /// Runs `load` for each item, at most `concurrency` at a time, and reports after each how many are done: for filling a
    /// cache before it is used. `load` calls annotated functions or [`get_or_load`](Cache::get_or_load), which store what they
    /// load. Returns how many failed.
    pub async fn warm<I, F, Fut, T, E>(
        &self,
        items: I,
        concurrency: std::num::NonZeroUsize,
        load: F,
        mut progress: impl FnMut(usize),
    ) -> usize
    where
        I: IntoIterator,
        F: Fn(I::Item) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let loads = futures_util::stream::iter(items.into_iter().map(load));
        let mut loads = std::pin::pin!(loads.buffer_unordered(concurrency.get()));
        let (mut done, mut failed) = (0, 0);
        while let Some(result) = loads.next().await {
            done += 1;
            failed += usize::from(result.is_err());
            progress(done);
        }
        failed
    }

    /// What is left of the TTL of the entry at `key` in the tier that keeps it longest; `None` if no tier has it.
    /// Whether its tags are still valid is not looked at; [`explain`](Cache::explain) does.
    ///
    /// # Errors
    ///
    /// If the remote tier does not answer.
    pub async fn ttl(&self, key: &str) -> Result<Option<Duration>, Error> {
        self.engine.ttl(&plain_key(PREFIX, key)).await
    }
}

fn direct<'a, T, E>(key: &'a KeyText, policy: &'a PolicyOverride) -> Read<'a, T, E>
where
    T: Serialize + DeserializeOwned + 'static,
{
    Read { policy, ..Read::new(&DIRECT, key, Some(Wire::<T>::SERDE)) }
}

fn deps<I>(tags: I) -> Deps
where
    I: IntoIterator,
    I::Item: Into<Tag>,
{
    let mut deps = Deps::new();
    tags.into_iter().for_each(|tag| deps.push(tag.into()));
    deps
}
