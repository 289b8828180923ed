//! Brings the hook after a statement together with the hook before it.
//!
//! SeaORM hands the two nothing in common but the task they run in and the row. Where several saves of one row are in the air in
//! one task, none of them ends its intent before the last of them is done.

use std::{
    any::TypeId,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use sea_orm::{EntityTrait, Value};
use tokio::{sync::oneshot, task};

use crate::{engine::Engine, error::Error, tag::Tag};

/// What the hooks are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Save,
    Delete,
}

/// What a hook before and its hook after have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HookKey {
    task: Option<task::Id>,
    entity: TypeId,
    operation: Operation,
    /// The primary key; `None` for a row whose key the database chooses.
    row: Option<String>,
}

impl HookKey {
    pub(super) fn new<E: EntityTrait>(operation: Operation, key: Option<Vec<Value>>) -> Self {
        Self {
            task: task::try_id(),
            entity: TypeId::of::<E>(),
            operation,
            row: key.map(|values| format!("{values:?}")),
        }
    }

    fn unborn(&self) -> Self {
        Self { row: None, ..self.clone() }
    }
}

/// Statements under way on one row.
#[derive(Default)]
struct Bucket {
    running: Vec<Running>,
    /// How many of them have come to their hook after.
    done: usize,
}

struct Running {
    id: u64,
    /// Dropped or sent: the statement is over.
    end: oneshot::Sender<()>,
    /// Answers when the intent has ended.
    ended: oneshot::Receiver<()>,
}

static BUCKETS: LazyLock<Mutex<HashMap<HookKey, Bucket>>> = LazyLock::new(Mutex::default);

fn buckets() -> MutexGuard<'static, HashMap<HookKey, Bucket>> {
    BUCKETS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes tags pending until [`end`] is called with the same key, or `hook_lease` has passed.
pub(super) async fn begin(engine: &Arc<Engine>, key: HookKey, tags: Vec<Tag>) -> Result<(), Error> {
    let mut intent = engine.begin_write(tags).await?;
    let (end, ending) = oneshot::channel::<()>();
    let (tell, ended) = oneshot::channel::<()>();
    let id = rand::random();
    buckets().entry(key.clone()).or_default().running.push(Running { id, end, ended });
    let clock = engine.clock().clone();
    let lease = engine.settings().hook_lease;
    let _unless_closed = engine.tasks().spawn(async move {
        let until = async {
            tokio::select! {
                _over = ending => {}
                () = clock.sleep(lease) => give_up(&key, id),
            }
        };
        let _held = intent.hold(until).await;
        let _outcome = intent.finish().await;
        let _nobody_waits = tell.send(());
    });
    Ok(())
}

/// The hook after: ends the intents of the row, unless another statement on it is under way in this task. Returns whether the
/// hook before is known: its tags are free again if `hook_lease` has passed meanwhile.
pub(super) async fn end(key: HookKey) -> bool {
    let over = {
        let mut buckets = buckets();
        let known = if buckets.contains_key(&key) { key } else { key.unborn() };
        let Some(bucket) = buckets.get_mut(&known) else { return false };
        bucket.done += 1;
        take_if_over(&mut buckets, &known)
    };
    for Running { end, ended, .. } in over {
        let _already_over = end.send(());
        // A task that was stopped answers by dropping its end.
        let _closed = ended.await;
    }
    true
}

/// The statement of `id` never came to its hook after: it failed, or its caller was cancelled.
fn give_up(key: &HookKey, id: u64) {
    let over = {
        let mut buckets = buckets();
        let Some(bucket) = buckets.get_mut(key) else { return };
        bucket.running.retain(|running| running.id != id);
        bucket.done = bucket.done.min(bucket.running.len());
        take_if_over(&mut buckets, key)
    };
    // The senders are dropped, which is a signal as well.
    drop(over);
}

fn take_if_over(buckets: &mut HashMap<HookKey, Bucket>, key: &HookKey) -> Vec<Running> {
    match buckets.get(key) {
        Some(bucket) if bucket.done >= bucket.running.len() => {
            buckets.remove(key).map(|bucket| bucket.running).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}
