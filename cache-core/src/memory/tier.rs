//! The memory store as a remote tier.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{
    clock::Moment,
    error::Error,
    memory::{Call, Guarded, MemoryNode, Point},
    ports::{
        Captured, EndWith, Ended, Fetched, IntentId, LockRequest, LockToken, RemoteTier, ScanCursor, ScanPage,
        StoreRequest,
    },
    tag::Tag,
};

impl MemoryNode {
    /// One call: the faults set for it, one step under the lock, the messages of that step.
    async fn call<T>(&self, call: Call, step: impl FnOnce(&mut Guarded, Moment) -> T) -> Result<T, Error> {
        self.faults.meet(call, Point::Before).await?;
        let now = self.inner.clock.now();
        let done = step(&mut self.inner.lock(), now);
        if matches!(call, Call::Begin | Call::End | Call::Remove) {
            self.deliver_published();
        }
        self.faults.meet(call, Point::After).await?;
        Ok(done)
    }
}

impl RemoteTier for MemoryNode {
    fn fetch<'a>(&'a self, keys: &'a [&'a str], tags: &'a [Tag]) -> BoxFuture<'a, Result<Fetched, Error>> {
        Box::pin(self.call(Call::Fetch, |guarded, now| guarded.state.fetch(keys, tags, now)))
    }

    fn capture<'a>(
        &'a self,
        tags: &'a [Tag],
        ttl: Duration,
        locks: &'a [LockRequest<'a>],
    ) -> BoxFuture<'a, Result<Captured, Error>> {
        Box::pin(self.call(Call::Capture, move |guarded, now| guarded.state.capture(tags, ttl, locks, now)))
    }

    fn store<'a>(&'a self, entries: &'a [StoreRequest<'a>]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.call(Call::Store, |guarded, now| guarded.state.store(entries, now)))
    }

    fn unlock<'a>(&'a self, key: &'a str, token: LockToken) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.call(Call::Unlock, move |guarded, _| guarded.state.unlock(key, token)))
    }

    fn begin_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, Error>> {
        Box::pin(self.call(Call::Begin, move |guarded, now| {
            tags.iter()
                .map(|tag| {
                    let held = guarded.state.begin(tag, id, lease, now);
                    guarded.publish(tag);
                    held
                })
                .collect()
        }))
    }

    fn end_intent<'a>(
        &'a self,
        tags: &'a [Tag],
        id: IntentId,
        end: EndWith,
    ) -> BoxFuture<'a, Result<Vec<Ended>, Error>> {
        Box::pin(self.call(Call::End, move |guarded, now| {
            tags.iter()
                .map(|tag| {
                    let ended = guarded.state.end(tag, id, end, now);
                    if ended == Ended::Expired {
                        guarded.publish(tag);
                    }
                    ended
                })
                .collect()
        }))
    }

    fn remove<'a>(&'a self, keys: &'a [&'a str]) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(self.call(Call::Remove, |guarded, now| {
            let removed = guarded.state.remove(keys, now);
            keys.iter().for_each(|key| guarded.publish_removed(key));
            removed
        }))
    }

    fn scan<'a>(
        &'a self,
        pattern: &'a str,
        from: Option<ScanCursor>,
        count: usize,
    ) -> BoxFuture<'a, Result<ScanPage, Error>> {
        Box::pin(self.call(Call::Scan, move |guarded, now| guarded.state.scan(pattern, from, count, now)))
    }

    fn ttl<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Duration>, Error>> {
        Box::pin(self.call(Call::Ttl, |guarded, now| guarded.state.ttl(key, now)))
    }

    fn advise(&self) -> BoxFuture<'_, Result<Vec<String>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn is_shared(&self) -> bool {
        self.inner.shared
    }
}
