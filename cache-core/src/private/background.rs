//! Calls that load whatever is cached: on demand, and in the background.

use std::{cell::RefCell, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::site::Site;
use crate::engine::within;

/// Makes the same call again, as a future of its own.
pub type Background<'a> = &'a (dyn Fn() -> BackgroundCall + Sync);

/// A call with arguments of its own.
pub type BackgroundCall = BoxFuture<'static, ()>;

/// That the next call of a function on this task is to load.
pub(super) struct Order {
    site: &'static Site,
    /// For a refresh that one process makes for all: told if another process makes it.
    over: Option<Arc<Notify>>,
}

tokio::task_local! {
    static ORDER: RefCell<Option<Order>>;
}

impl Order {
    /// The order, if it is this function's. It is used up: what the body calls is not refreshed.
    pub(super) fn take(site: &'static Site) -> Option<Self> {
        let order = ORDER.try_with(|order| {
            let mut order = order.borrow_mut();
            if order.as_ref().is_some_and(|order| std::ptr::eq(order.site, site)) { order.take() } else { None }
        });
        order.ok().flatten()
    }

    /// Whether one process is enough.
    pub(super) fn is_for_one(&self) -> bool {
        self.over.is_some()
    }

    /// Ends the call without a value: whoever gave the order drops it.
    pub(super) async fn leave<T>(self) -> T {
        if let Some(over) = &self.over {
            over.notify_one();
        }
        std::future::pending().await
    }
}

/// Runs a call of the function at `site` that loads, whatever is cached.
pub async fn refreshing<F: Future>(site: &'static Site, call: F) -> F::Output {
    within(ORDER.scope(RefCell::new(Some(Order { site, over: None })), call)).await
}

/// The same, unless another process does so. What comes of it is in the cache, and an error is counted.
pub async fn refreshing_once<F: Future>(site: &'static Site, call: F) {
    let over = Arc::new(Notify::new());
    let order = Order { site, over: Some(Arc::clone(&over)) };
    tokio::select! {
        _ = within(ORDER.scope(RefCell::new(Some(order)), call)) => {}
        () = over.notified() => {}
    }
}

/// An argument that can be kept for a call in the background.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept for a refresh in the background",
    label = "cannot be kept",
    note = "implement `Clone` for it, with values that are `Send`, `Sync` and borrow nothing, or write `background = false`: then the caller refreshes"
)]
pub trait Keep {
    /// What is kept of it.
    type Kept: Send + Sync + 'static;
    /// Keeps it.
    fn keep(&self) -> Self::Kept;
    /// As the function takes it.
    fn kept(kept: &Self::Kept) -> &Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Keep for T {
    type Kept = T;

    fn keep(&self) -> T {
        self.clone()
    }

    fn kept(kept: &T) -> &T {
        kept
    }
}

macro_rules! keeps_unsized {
    ($($({$($bounds:tt)*})? $ty:ty),*) => {$(
        impl$(<$($bounds)*>)? Keep for $ty {
            type Kept = <$ty as ToOwned>::Owned;

            fn keep(&self) -> Self::Kept {
                self.to_owned()
            }

            fn kept(kept: &Self::Kept) -> &$ty {
                kept
            }
        }
    )*};
}

keeps_unsized!(str, std::path::Path, {T: Clone + Send + Sync + 'static} [T]);

/// An argument that can be handed to a body several times.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed to the body more than once",
    label = "cannot be copied",
    note = "the body may run again, for keys that another caller was to load, or in the background: implement `Clone`, or take the argument by reference"
)]
pub trait Again: Sized {
    /// One more of it.
    fn again(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Again for T {
    fn again(&self) -> T {
        self.clone()
    }
}
