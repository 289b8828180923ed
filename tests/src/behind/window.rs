//! A journal that stands still between a commit and its acknowledgement.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm_cache::{
    __testing::journal::{
        Appended, Burial, DeadRecord, Group, Journal, OwnerId, Pending, Position, Record, Revived, ShardState,
    },
    Error,
};

/// How many of the acknowledgements are kept back.
const SHARE: f64 = 0.15;

/// How long: enough to be killed meanwhile, and less than the lease.
const PAUSE: Duration = Duration::from_millis(120);

/// Hands everything on to the journal inside. Before some acknowledgements it calls `reached`, and waits.
pub(super) struct Window<F> {
    inner: Arc<dyn Journal>,
    rng: Mutex<StdRng>,
    reached: F,
}

impl<F: Fn() + Send + Sync + 'static> Window<F> {
    pub(super) fn around(inner: Arc<dyn Journal>, seed: u64, reached: F) -> Arc<dyn Journal> {
        Arc::new(Self { inner, rng: Mutex::new(StdRng::seed_from_u64(seed)), reached })
    }

    fn stands_still(&self) -> bool {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_bool(SHARE)
    }
}

impl<F: Fn() + Send + Sync + 'static> Journal for Window<F> {
    fn identity(&self) -> &str {
        self.inner.identity()
    }

    fn is_volatile(&self) -> bool {
        self.inner.is_volatile()
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }

    fn open(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.open()
    }

    fn append<'a>(&'a self, shard: u32, group: Group<'a>) -> BoxFuture<'a, Result<Appended, Error>> {
        self.inner.append(shard, group)
    }

    fn look(&self, shard: u32) -> BoxFuture<'_, Result<ShardState, Error>> {
        self.inner.look(shard)
    }

    fn demand(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.demand(shard, position)
    }

    fn claim(
        &self,
        shard: u32,
        owner: OwnerId,
        lease: Duration,
        count: usize,
    ) -> BoxFuture<'_, Result<Option<Vec<Record>>, Error>> {
        self.inner.claim(shard, owner, lease, count)
    }

    fn acknowledge<'a>(&'a self, shard: u32, records: &'a [Record]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if self.stands_still() {
                (self.reached)();
                tokio::time::sleep(PAUSE).await;
            }
            self.inner.acknowledge(shard, records).await
        })
    }

    fn bury<'a>(&'a self, shard: u32, owner: OwnerId, burial: Burial<'a>) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.bury(shard, owner, burial)
    }

    fn release(&self, shard: u32, owner: OwnerId) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.release(shard, owner)
    }

    fn pending<'a>(&'a self, shard: u32, key: &'a [u8], written: Position) -> BoxFuture<'a, Result<Pending, Error>> {
        self.inner.pending(shard, key, written)
    }

    fn dead(&self, shard: u32, limit: usize) -> BoxFuture<'_, Result<Vec<DeadRecord>, Error>> {
        self.inner.dead(shard, limit)
    }

    fn revive(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<Revived, Error>> {
        self.inner.revive(shard, position)
    }

    fn forget(&self, shard: u32, position: Position) -> BoxFuture<'_, Result<bool, Error>> {
        self.inner.forget(shard, position)
    }
}
