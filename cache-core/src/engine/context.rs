//! Whether the current task runs within anything that a read must know of.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
};

thread_local! {
    /// How many scopes the task that this thread is polling runs within. Apart from the scopes themselves, so that a hit looks once, and
    /// at a place that needs no initialisation.
    static SCOPES: Cell<usize> = const { Cell::new(0) };
}

/// Whether the task runs within no load, no request scope and no order to refresh.
#[inline]
pub(crate) fn is_plain() -> bool {
    SCOPES.get() == 0
}

/// Runs `work`, which has set up a scope of its own.
pub(crate) async fn within<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _inside = Inside::enter();
        work.as_mut().poll(context)
    })
    .await
}

/// Also ends if `work` panics.
struct Inside;

impl Inside {
    fn enter() -> Self {
        SCOPES.set(SCOPES.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        SCOPES.set(SCOPES.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_task_is_within_a_scope_while_it_is_polled_and_no_longer() {
        assert!(is_plain());
        let work = within(async {
            assert!(!is_plain());
            within(async { assert!(!is_plain()) }).await;
            tokio::task::yield_now().await;
            assert!(!is_plain());
        });
        let mut work = pin!(work);
        assert!(work.as_mut().now_or_never().is_none());
        assert!(is_plain(), "between two polls the thread belongs to others");
        work.await;
        let panicked = AssertUnwindSafe(within(async { panic!("on purpose") })).catch_unwind().await;
        assert!(panicked.is_err());
        assert!(is_plain());
    }
}
