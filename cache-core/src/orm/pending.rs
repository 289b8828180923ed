//! An intent around something that is sent to the database.

use std::{future::Future, sync::Arc};

use crate::{
    engine::{Engine, Invalidation, WriteIntent},
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

    /// The database has answered, or was never asked.
    pub(crate) async fn finish(mut self) -> Invalidation {
        match self.intent.take() {
            Some(intent) => intent.finish().await,
            None => Invalidation::Done,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(mut intent) = self.intent.take().filter(|_| self.sent) else { return };
        let clock = self.engine.clock().clone();
        let lease = self.engine.settings().intent_lease;
        let _unless_closed = self.engine.tasks().spawn(async move {
            let _held = intent.hold(clock.sleep(lease)).await;
            let _outcome = intent.finish().await;
        });
    }
}
