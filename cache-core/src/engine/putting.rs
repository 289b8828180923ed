//! Runs a piece of code that writes, and stores the value that it returns.

use std::sync::Arc;

use futures_util::future::join;

use crate::{
    engine::{
        Engine,
        pending::Pending,
        through::{PutValue, Slot, Written},
    },
    error::Error,
    event::PutRefusal,
    tag::Tag,
};

/// How an annotated writer says that it did not run.
pub(crate) type Refusal<R> = Option<fn(Error) -> R>;

impl Engine {
    /// Runs `work`, which writes what the slot's value depends on, and stores the value that `value_of` finds in its outcome.
    ///
    /// The slot's own tags (a row, an index value, a name) are pending from before `work` until after it, whoever writes in it and in
    /// however many statements and transactions: intents begun inside leave them to this one. The tags of whole groups (`*`, `user:*`)
    /// are captured before `work`. So whatever the value is made of, nobody else has written it meanwhile, or it is not stored.
    ///
    /// If the write is to be refused while the remote tier is down, and the outcome cannot say so, `work` runs all the same.
    pub(crate) async fn put_around<T, R>(
        self: &Arc<Self>,
        slot: Slot<T>,
        refusal: Refusal<R>,
        work: impl Future<Output = R>,
        value_of: impl FnOnce(&R) -> Option<T>,
    ) -> R
    where
        T: Send + Sync + 'static,
    {
        if slot.deps.is_auto() {
            // What the statements of a body will read is not known before it runs.
            let output = work.await;
            self.put_refused(slot.function, &slot.key, PutRefusal::Uncovered);
            return output;
        }
        let removals = self.removals_of(&slot.key);
        let kept = self.policy_of(&slot.read()).kept();
        let (wide, own): (Vec<Tag>, Vec<Tag>) = slot.deps.tags().into_iter().partition(Tag::is_wide);
        let (before, intent) = join(self.capture_before(&wide, kept), self.begin_write(own.clone())).await;
        let mut intent = match (intent, refusal) {
            (Ok(intent), _) => Pending::new(self, intent),
            (Err(error), Some(refuse)) => return refuse(error),
            (Err(_), None) => {
                let output = work.await;
                let _deferred = self.invalidate(own).await;
                return output;
            }
        };
        let around = intent.as_around();
        let output = {
            let mut work = Box::pin(async {
                match &around {
                    Some(around) => around.run(work).await,
                    None => work.await,
                }
            });
            match (intent.hold(work.as_mut()).await, refusal) {
                (Ok(output), _) => output,
                (Err(error), Some(refuse)) => return refuse(error),
                (Err(_), None) => work.await,
            }
        };
        let refused = match &around {
            None => Some(PutRefusal::RemoteDown),
            Some(around) if around.is_unknown() || around.is_outlived() => {
                // Stays pending for one more lease, in which what was sent arrives.
                drop(intent);
                self.put_refused(slot.function, &slot.key, PutRefusal::Expired);
                return output;
            }
            Some(around) => around.has_gap().then_some(PutRefusal::Expired),
        };
        let written = match (value_of(&output), refused) {
            (None, _) => Vec::new(),
            (Some(_), Some(why)) => {
                self.put_refused(slot.function, &slot.key, why);
                Vec::new()
            }
            (Some(value), None) => vec![Written::new(Box::new(PutValue { slot, value, removals }), before)],
        };
        let _landed_or_retried = intent.finish_with(written).await;
        output
    }
}
