//! An intent around something that is sent to the database.

use std::{future::Future, sync::Arc};

use crate::{
    engine::{Engine, Invalidation, WriteIntent, Written, around::Around},
    error::Error,
    tag::Tag,
};

/// A write intent that knows whether its write was sent.
///
/// Dropped after that, it stays pending for one more `intent_lease`: a COMMIT may lie in a socket's buffer, or wait in the
/// database for a disk, after its caller was cancelled or its connection broke. Ended at once, the tags would be free for a
/// reader that still sees the rows of before.
pub(crate) struct Pending {
    engine: Arc<Engine>,
    /// `None` once it is ended.
    intent: Option<WriteIntent>,
    sent: bool,
}

impl Pending {
    pub(crate) fn new(engine: &Arc<Engine>, intent: WriteIntent) -> Self {
        Self { engine: Arc::clone(engine), intent: Some(intent), sent: false }
    }

    /// What is pending.
    pub(crate) fn all_tags(&self) -> Vec<Tag> {
        self.intent.as_ref().map(WriteIntent::all_tags).unwrap_or_default()
    }

    /// What this intent itself makes stale.
    pub(crate) fn tags(&self) -> &[Tag] {
        self.intent.as_ref().map_or(&[], WriteIntent::tags)
    }

    pub(crate) fn reached_remote(&self) -> bool {
        self.intent.as_ref().is_some_and(WriteIntent::reached_remote)
    }

    /// See [`WriteIntent::hold`].
    pub(crate) async fn hold<F: Future>(&mut self, work: F) -> Result<F::Output, Error> {
        let Self { intent, sent, .. } = self;
        match intent {
            Some(intent) => {
                let sending = async {
                    *sent = true;
                    work.await
                };
                intent.hold(sending).await
            }
            None => Ok(work.await),
        }
    }

    /// See [`WriteIntent::as_around`].
    pub(super) fn as_around(&self) -> Option<Arc<Around>> {
        self.intent.as_ref().filter(|intent| intent.reached_remote()).map(WriteIntent::as_around)
    }

    /// The database has answered, or was never asked.
    pub(crate) async fn finish(self) -> Invalidation {
        self.finish_with(Vec::new()).await
    }

    /// The same, without waiting for the remote tier. See [`WriteIntent::finish_soon`].
    pub(crate) async fn finish_soon(mut self) {
        if let Some(intent) = self.intent.take() {
            intent.finish_soon().await;
        }
    }

    /// The database has answered, and this is what was written.
    pub(crate) async fn finish_with(mut self, written: Vec<Written>) -> Invalidation {
        match self.intent.take() {
            Some(intent) => intent.finish_with(written).await,
            None => Invalidation::Done,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(mut intent) = self.intent.take().filter(|_| self.sent) else { return };
        intent.outcome_is_unknown();
        let clock = self.engine.clock.clone();
        let lease = self.engine.settings().intent_lease;
        let _unless_closed = self.engine.tasks().spawn(async move {
            let _held = intent.hold(clock.sleep(lease)).await;
            let _outcome = intent.finish().await;
        });
    }
}
