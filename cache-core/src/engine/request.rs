//! The request scope: within one request, a key is asked of the tiers once.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::engine::{Engine, call::Read, context::within, entry::StoredEntry, scope::LoadScope};

/// A scope remembers at most this many values; beyond, the tiers are asked again.
const SCOPE_ENTRIES_MAX: usize = 1_024;

tokio::task_local! {
    static CURRENT: Arc<Request>;
}

/// Whether this task runs within a request scope.
#[inline]
pub(super) fn is_any() -> bool {
    CURRENT.try_with(|_| ()).is_ok()
}

/// What one request has read.
struct Request {
    /// The cache that the scope belongs to, by address.
    engine: usize,
    read: Mutex<HashMap<Box<str>, Remembered>>,
}

struct Remembered {
    entry: Arc<StoredEntry>,
    /// How often this node had itself made each tag stale.
    own_writes: Box<[u64]>,
}

impl Request {
    fn read(&self) -> MutexGuard<'_, HashMap<Box<str>, Remembered>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Runs `work` with a scope of its own.
    pub(crate) async fn in_scope<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        let request = Request { engine: self.address(), read: Mutex::default() };
        within(CURRENT.scope(Arc::new(request), work)).await
    }

    /// What this request has read at the key before, unless this node has written to it since.
    pub(super) fn remembered<T: Clone + 'static, E>(&self, read: &Read<'_, T, E>) -> Option<T> {
        let request = self.request()?;
        let values = request.read();
        let Remembered { entry, own_writes } = values.get(read.key)?;
        let value = entry.value.downcast_ref::<T>().filter(|_| std::ptr::eq(entry.meta.function, read.function))?;
        let unwritten = entry.meta.deps.iter().zip(own_writes).all(|(dep, own)| dep.cell.own_writes() == *own);
        unwritten.then(|| {
            LoadScope::uses(&entry.meta);
            entry.meta.counters.hits_scope.up();
            value.clone()
        })
    }

    /// Notes what a read was answered with.
    pub(super) fn remember(&self, key: &str, entry: &Arc<StoredEntry>) {
        let Some(request) = self.request() else { return };
        if !entry.meta.complete {
            return;
        }
        let own_writes = entry.meta.deps.iter().map(|dep| dep.cell.own_writes()).collect();
        // A write of this node that came between is noticed here: the value is not verified any more.
        if !entry.meta.is_verified() {
            return;
        }
        let mut values = request.read();
        if values.len() < SCOPE_ENTRIES_MAX || values.contains_key(key) {
            values.insert(key.into(), Remembered { entry: Arc::clone(entry), own_writes });
        }
    }

    fn request(&self) -> Option<Arc<Request>> {
        CURRENT.try_with(|request| (request.engine == self.address()).then(|| Arc::clone(request))).ok().flatten()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
