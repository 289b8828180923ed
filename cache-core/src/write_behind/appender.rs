//! Brings operations to the journal, in groups and in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::{
    core::{Core, Phase, closed},
    entity::WriteBehindEntity,
    settings::Backpressure,
};
use crate::{
    clock::Moment,
    error::{Error, ErrorKind},
    ports::journal::{Accepted, Appended, Entry, Group},
};

/// Operations in one group. Callers that come while a group is on its way go with the next.
const GROUP_MAX: usize = 256;

/// Between two attempts to append.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The queue before one shard of the journal. It is as long as there are callers who wait.
#[derive(Default)]
pub(super) struct Appender {
    queue: Mutex<Queue>,
    /// The shard has become shorter.
    pub(super) room: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiter>,
    runs: bool,
    sequence: u64,
}

struct Waiter {
    entry: Entry,
    until: Moment,
    /// Taken once it is used.
    answer: Option<oneshot::Sender<Result<(), Error>>>,
}

/// Has an operation appended: it is in the journal when this returns `Ok`. When the future is dropped, it may get there or not.
pub(super) async fn submit<E: WriteBehindEntity>(core: &Arc<Core<E>>, entry: Entry) -> Result<(), Error> {
    if core.phase() != Phase::Open {
        return Err(closed());
    }
    let shard = core.shard_of(&entry.key);
    let patience = match core.settings.backpressure {
        Backpressure::Wait(most) => most,
        Backpressure::Fail => Duration::ZERO,
    };
    let (answer, answered) = oneshot::channel();
    let waiter = Waiter { entry, until: core.clock.now().after(patience), answer: Some(answer) };
    let starts = {
        let mut queue = core.lane(shard)?.appender.lock();
        queue.waiting.push_back(waiter);
        !std::mem::replace(&mut queue.runs, true)
    };
    if starts && !core.spawn(drain(Arc::clone(core), shard)) {
        drop(Abandons(Some(&core.lane(shard)?.appender)));
    }
    // Whoever drops the other end does so since the cache is closed.
    let result = answered.await.unwrap_or_else(|_| Err(closed()));
    match result {
        Ok(()) => core.counters.accepted.add(1),
        Err(_) => core.counters.refused.add(1),
    }
    result
}

async fn drain<E: WriteBehindEntity>(core: Arc<Core<E>>, shard: u32) {
    let Ok(lane) = core.lane(shard) else { return };
    let mut unless_done = Abandons(Some(&lane.appender));
    loop {
        let (group, sequence) = {
            let mut queue = lane.appender.lock();
            if queue.waiting.is_empty() {
                queue.runs = false;
                unless_done.0 = None;
                return;
            }
            queue.sequence += 1;
            let count = queue.waiting.len().min(GROUP_MAX);
            (queue.waiting.drain(..count).collect::<Vec<_>>(), queue.sequence)
        };
        append(&core, shard, group, sequence).await;
    }
}

/// The task may be stopped at any await, when the cache is closed: nobody is to wait for it then.
struct Abandons<'a>(Option<&'a Appender>);

impl Drop for Abandons<'_> {
    fn drop(&mut self) {
        if let Some(appender) = self.0 {
            let mut queue = appender.lock();
            queue.runs = false;
            queue.waiting.clear();
        }
    }
}

async fn append<E: WriteBehindEntity>(core: &Core<E>, shard: u32, mut group: Vec<Waiter>, mut sequence: u64) {
    let Ok(lane) = core.lane(shard) else { return };
    let backlog_max = core.settings.backlog_per_shard();
    let waits = core.settings.backpressure != Backpressure::Fail;
    let mut pause = PAUSE_MIN;
    while !group.is_empty() {
        let entries: Vec<Entry> = group.iter().map(|waiter| waiter.entry.clone()).collect();
        let sent = Group { owner: core.owner, sequence, entries: &entries, backlog_max };
        let error = match core.journal.append(shard, sent).await {
            Ok(appended) => {
                answer(&mut group, &appended);
                wake(core, shard, &appended, &group);
                // What is left had no room; what is tried again is another group.
                let mut queue = lane.appender.lock();
                queue.sequence += 1;
                sequence = queue.sequence;
                full(backlog_max)
            }
            Err(error) => error,
        };
        let now = core.clock.now();
        let final_error = error.kind() != ErrorKind::Full && !error.is_remote();
        for waiter in &mut group {
            if (!waits || final_error || waiter.until <= now || core.phase() == Phase::Ended)
                && let Some(answer) = waiter.answer.take()
            {
                let _ = answer.send(Err(error.clone()));
            }
        }
        if error.kind() == ErrorKind::Full {
            // Nothing of them is in the journal.
            group.retain(|waiter| waiter.answer.is_some());
        } else if group.iter().all(|waiter| waiter.answer.is_none()) {
            return;
        }
        if !group.is_empty() {
            // The same group again, if its outcome is not known: those who have given up stay in it, since they may be in the journal.
            tokio::select! {
                () = core.clock.sleep(pause) => {}
                () = lane.appender.room.notified() => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Answers those whose fate is known, and leaves the others in the group.
fn answer(group: &mut Vec<Waiter>, appended: &Appended) {
    let mut outcomes = appended.outcomes.iter();
    group.retain_mut(|waiter| {
        let result = match outcomes.next() {
            Some(Accepted::Yes) => Ok(()),
            Some(Accepted::Overflow) => {
                Err(Error::new(ErrorKind::Full, "the sum of the pending increments of a column does not fit 64 bits"))
            }
            Some(Accepted::Full) | None => return true,
        };
        if let Some(answer) = waiter.answer.take() {
            let _ = answer.send(result);
        }
        false
    });
}

/// Wakes the flusher if there is enough for a batch, if its time has to be set, or if somebody waits for room.
fn wake<E: WriteBehindEntity>(core: &Core<E>, shard: u32, appended: &Appended, left: &[Waiter]) {
    let accepted = appended.outcomes.iter().filter(|outcome| **outcome == Accepted::Yes).count() as u64;
    let is_first = accepted > 0 && appended.backlog == accepted;
    let is_enough = appended.backlog >= core.settings.batch_size as u64;
    if (is_first || is_enough || !left.is_empty())
        && let Ok(lane) = core.lane(shard)
    {
        lane.wake.notify_one();
    }
}

fn full(backlog_max: u64) -> Error {
    Error::new(ErrorKind::Full, format!("the journal holds {backlog_max} operations of this shard, and takes no more"))
}

impl Appender {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
