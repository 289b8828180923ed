//! A remote tier that counts its round trips.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::BoxFuture;
use sea_orm_cache::{
    __testing::{Around, RemoteTier, Request},
    Error,
};

/// Fetches, captures and stores so far.
#[derive(Default)]
pub(crate) struct Trips([AtomicUsize; 3]);

impl Trips {
    pub(crate) fn so_far(&self) -> [usize; 3] {
        [0, 1, 2].map(|at: usize| self.0[at].load(Ordering::Relaxed))
    }

    fn up(&self, at: usize) {
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) struct Counted {
    pub(crate) tier: Arc<dyn RemoteTier>,
    pub(crate) trips: Arc<Trips>,
}

impl Around for Counted {
    fn inner(&self) -> &dyn RemoteTier {
        &*self.tier
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        request: Request<'a>,
        reply: BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        match request {
            Request::Fetch { .. } => self.trips.up(0),
            Request::Capture { .. } => self.trips.up(1),
            Request::Store(_) => self.trips.up(2),
            _ => {}
        }
        reply
    }
}
