//! The only place that spawns.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    task::JoinSet,
};

/// Runs work that blocks where that disturbs nobody, to its end; `None` if the runtime ends first.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// Background work with an owner and an end: everything stops when the cache is closed or dropped.
pub(crate) struct Tasks {
    runtime: Handle,
    running: Mutex<Option<JoinSet<()>>>,
    closing: watch::Sender<bool>,
}

impl Tasks {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, running: Mutex::new(Some(JoinSet::new())), closing: watch::Sender::new(false) }
    }

    /// Runs work that ends by itself; closing waits for it. Returns whether it was taken.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tasks) = running.as_mut() else { return false };
        // Finished tasks are taken out here, so that the set does not grow.
        while tasks.try_join_next().is_some() {}
        let (hand_over, taken) = oneshot::channel();
        tasks.spawn_on(
            async move {
                if let Ok(work) = taken.await {
                    work.await;
                }
            },
            &self.runtime,
        );
        // A runtime that has ended drops what it is given at once, and the work's own drop may want to spawn: not under the lock.
        drop(running);
        hand_over.send(work).is_ok()
    }

    /// Runs work that has no end of its own; closing stops it at its next await.
    pub(crate) fn spawn_loop(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut closing = self.closing.subscribe();
        self.spawn(async move {
            tokio::select! {
                () = work => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        })
    }

    /// Takes no more work, stops the loops, waits up to `patience` for the rest, and stops what is left. Returns whether all ended
    /// by itself.
    pub(crate) async fn close(&self, patience: Duration) -> bool {
        self.closing.send_replace(true);
        let tasks = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut tasks) = tasks else { return true };
        let ended = tokio::time::timeout(patience, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.shutdown().await;
        ended.is_ok()
    }
}
