//! An intent that is held around a piece of code, which the intents begun inside it leave the shared tags to.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{engine::Engine, ports::IntentId, tag::Tag};

tokio::task_local! {
    static CURRENT: Arc<Around>;
}

/// An intent that covers everything its task does meanwhile.
///
/// An intent inside that wrote one of its tags under an id of its own would contest it, although both are one writer's. So the inner one
/// leaves those tags to the outer one, and only makes sure that they are still held when its own commit is sent.
pub(crate) struct Around {
    /// The cache, by address.
    engine: usize,
    pub(super) id: IntentId,
    tags: Vec<Tag>,
    gap: AtomicBool,
    unknown: AtomicBool,
}

impl Around {
    pub(super) fn new(engine: &Arc<Engine>, id: IntentId, tags: &[Tag]) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::as_ptr(engine).addr(),
            id,
            tags: tags.to_vec(),
            gap: AtomicBool::new(false),
            unknown: AtomicBool::new(false),
        })
    }

    /// The intent around what this task does, if it shares some of `tags`; takes those out.
    pub(super) fn share(engine: &Arc<Engine>, tags: &mut Vec<Tag>) -> Option<(Arc<Self>, Vec<Tag>)> {
        let around = CURRENT.try_with(Arc::clone).ok().filter(|around| around.engine == Arc::as_ptr(engine).addr())?;
        let shared: Vec<Tag> = tags.extract_if(.., |tag| around.tags.contains(tag)).collect();
        (!shared.is_empty()).then_some((around, shared))
    }

    /// Runs `work` inside.
    pub(crate) async fn run<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        CURRENT.scope(Arc::clone(self), work).await
    }

    /// The remote tier had let the intent go.
    pub(super) fn had_a_gap(&self) {
        self.gap.store(true, Ordering::Release);
    }

    pub(super) fn has_gap(&self) -> bool {
        self.gap.load(Ordering::Acquire)
    }

    /// Nobody knows what became of a write inside.
    pub(super) fn lost_a_write(&self) {
        self.unknown.store(true, Ordering::Release);
    }

    /// Whether the outcome of a write inside is not known: then it may still be under way in the database.
    pub(crate) fn is_unknown(&self) -> bool {
        self.unknown.load(Ordering::Acquire)
    }

    /// Whether an intent inside has not ended yet, although its task has left: its write may come at any time.
    pub(crate) fn is_outlived(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }
}
