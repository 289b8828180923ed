//! A writer's hold on its tags, from before the commit until they are stale everywhere.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tracing::Instrument;

use crate::{
    clock::Moment,
    engine::{
        Engine,
        around::Around,
        cells::{Pins, Sequence},
        deferred::Invalidation,
        mutation::Mutation,
        settings::WhenRemoteIsDown,
    },
    error::{Error, ErrorKind},
    event::{Event, PutRefusal},
    ports::{EndWith, Ended, IntentId},
    tag::Tag,
    telemetry::spans,
};

/// More tags than this in one write collapse into [`Tag::all`].
pub(crate) const INTENT_TAGS_MAX: usize = 1_024;

/// A COMMIT is sent only while at least this share of the lease is left.
const COMMIT_MARGIN: u32 = 3;

/// The lease is renewed this often while a commit is in the air.
const RENEWALS_PER_LEASE: u32 = 3;

/// Tags kept pending by this node. Dropped without [`finish`](WriteIntent::finish), the outcome of the write is unknown: it
/// counts as committed, and the intent is ended in the background.
pub(crate) struct WriteIntent {
    engine: Arc<Engine>,
    tags: Vec<Tag>,
    /// An intent around this one, and the tags that are left to it.
    around: Option<(Arc<Around>, Vec<Tag>)>,
    pins: Pins,
    id: IntentId,
    /// Whether the remote tier holds the intent.
    reached: bool,
    /// Until when it is known to, by this node's own clock.
    until: Moment,
    finished: bool,
    /// Whether the remote tier may have let the intent go, and taken it up again, while the commit was in the air.
    gap: bool,
    /// Whether this is the attempt in the background that a dropped intent is handed to; there is only one.
    in_background: bool,
}

impl Engine {
    /// Makes tags pending. Fails only if the remote tier cannot be reached and the cache is set to refuse the write.
    pub(crate) async fn begin_write(self: &Arc<Self>, tags: Vec<Tag>) -> Result<WriteIntent, Error> {
        let mut intent = self.new_intent(tags);
        if self.settings.mutation == Some(Mutation::NoIntent) {
            intent.pins = Pins::new();
            return Ok(intent);
        }
        intent.begin().await?;
        Ok(intent)
    }

    /// Makes tags stale now, without a write of this node around it.
    pub(crate) async fn invalidate(self: &Arc<Self>, tags: Vec<Tag>) -> Invalidation {
        if tags.is_empty() {
            return Invalidation::Done;
        }
        self.new_intent(tags).finish().await
    }

    /// Keeps tags pending for `span`, and makes them stale then: for a commit that nobody here can see.
    pub(crate) async fn pend(self: &Arc<Self>, tags: Vec<Tag>, span: Duration) -> Result<(), Error> {
        let mut intent = self.begin_write(tags).await?;
        let clock = self.clock.clone();
        let _unless_closed = self.tasks.spawn(async move {
            let _slept = intent.hold(clock.sleep(span)).await;
            let _landed = intent.finish().await;
        });
        Ok(())
    }

    /// Makes tags pending on this node, at once; [`WriteIntent::begin`] tells the others.
    pub(crate) fn new_intent(self: &Arc<Self>, mut tags: Vec<Tag>) -> WriteIntent {
        tags.sort_unstable();
        tags.dedup();
        if tags.len() > INTENT_TAGS_MAX {
            self.warn_once("a write touched more than 1024 tags: every entry is made stale");
            tags = vec![Tag::all()];
        }
        let around = Around::share(self, &mut tags);
        let mut pins = Pins::new();
        self.pin(&mut pins, &tags);
        WriteIntent {
            engine: Arc::clone(self),
            tags,
            around,
            pins,
            id: rand::random(),
            reached: false,
            until: Moment::ZERO,
            finished: false,
            gap: false,
            in_background: false,
        }
    }

    /// Makes tags stale: at once, or after they were kept pending until replicas have caught up. An id that holds nothing does
    /// the same as one that does.
    pub(super) async fn end(self: &Arc<Self>, tags: &[Tag], id: IntentId) -> Result<(), Error> {
        if tags.is_empty() {
            return Ok(());
        }
        let settle = self.settings.settle;
        if settle.is_zero() {
            return self.remote.end_intent(tags, id, EndWith::Absent).await.map(|_| ());
        }
        self.remote.begin_intent(tags, id, settle + self.settings.intent_lease).await?;
        let (engine, tags) = (Arc::clone(self), tags.to_vec());
        let _unless_closed = self.tasks.spawn_loop(async move {
            engine.clock.sleep(settle).await;
            // An end that does not arrive is made up for by the lease's own.
            if let Err(error) = engine.remote.end_intent(&tags, id, EndWith::Absent).await {
                engine.remote_failed("end a write intent", &error);
            }
        });
        Ok(())
    }

    pub(super) fn pin(&self, pins: &mut Pins, tags: &[Tag]) {
        let now = self.clock.now();
        for tag in tags {
            pins.add(self.cells.cell(tag), now);
        }
    }
}

impl WriteIntent {
    /// What is pending, the tags left to an intent around this one included.
    pub(crate) fn all_tags(&self) -> Vec<Tag> {
        let shared = self.around.iter().flat_map(|(_, shared)| shared);
        self.tags.iter().chain(shared).cloned().collect()
    }

    /// The tags that this intent itself ends.
    pub(crate) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Lets intents that are begun while this one is held, on the task that runs inside, leave its tags to it.
    pub(crate) fn as_around(&self) -> Arc<Around> {
        Around::new(&self.engine, self.id, &self.tags)
    }

    /// Nobody will learn what became of the write.
    pub(crate) fn outcome_is_unknown(&self) {
        if let Some((around, _)) = &self.around {
            around.lost_a_write();
        }
    }

    /// Whether the remote tier holds the intent. If not, a crash before [`finish`](WriteIntent::finish) would lose it.
    pub(crate) fn reached_remote(&self) -> bool {
        self.reached
    }

    /// Runs `commit` while the intent is known to hold: it is begun anew first if its lease has nearly run out, and renewed
    /// while the commit is in the air.
    ///
    /// # Errors
    ///
    /// If the intent has to be begun anew, cannot, and the cache is set to refuse the write. The future was not polled then.
    pub(crate) async fn hold<F: Future>(&mut self, commit: F) -> Result<F::Output, Error> {
        let lease = self.engine.settings.intent_lease;
        let mutation = self.engine.settings.mutation;
        if self.reached && mutation != Some(Mutation::CommitAfterLease) {
            while self.reached && self.until.since(self.engine.clock.now()) < lease / COMMIT_MARGIN {
                self.begin().await?;
            }
        }
        if !self.reached {
            return Ok(commit.await);
        }
        let Self { engine, tags, id, gap, .. } = self;
        let renewals = async {
            loop {
                engine.clock.sleep(lease / RENEWALS_PER_LEASE).await;
                if mutation == Some(Mutation::CommitAfterLease) || tags.is_empty() {
                    continue;
                }
                match engine.remote.begin_intent(tags, *id, lease).await {
                    Ok(held) => *gap |= held.contains(&false),
                    Err(error) => {
                        // It may have come too late all the same.
                        *gap = true;
                        engine.remote_failed("renew a write intent", &error);
                    }
                }
            }
        };
        tokio::select! {
            biased;
            done = commit => Ok(done),
            never = renewals => never,
        }
    }

    /// Ends the write: its tags become stale. What cannot be told to the remote tier now is retried until it lands, and
    /// counts as pending on this node until then.
    pub(crate) async fn finish(self) -> Invalidation {
        let entries = self.count_end();
        self.land(Some(entries)).await
    }

    /// Ends the write in the remote tier, and tells how many entries ended, unless that is `None`: told already.
    async fn land(mut self, entries: Option<Vec<u64>>) -> Invalidation {
        let span = spans::invalidate(self.tags.len());
        let ended = self.engine.end(&self.tags, self.id).instrument(span.clone()).await;
        span.record("outcome", if ended.is_ok() { "done" } else { "deferred" });
        self.finished = true;
        match ended {
            Ok(()) => {
                if let Some(entries) = entries {
                    self.tell_invalidated(&entries);
                }
                Invalidation::Done
            }
            Err(error) => {
                // Pinned by the queue before this intent's own pins go.
                self.engine.defer(&self.tags, &error);
                Invalidation::Deferred
            }
        }
    }

    /// Ends the write as [`finish`](WriteIntent::finish) does. Its caller waits until that is asked for, and not for the answer: the tags
    /// stay pending in the remote tier until then, so that nothing stale is served by anybody. Where the remote tier answers one
    /// connection's requests in their order, whatever this process asks later already finds the intent ended.
    pub(crate) async fn finish_soon(mut self) {
        if !self.reached || self.gap || !self.engine.settings.settle.is_zero() {
            let _outcome = self.finish().await;
            return;
        }
        let engine = Arc::clone(&self.engine);
        // Listeners are told on the writer's own task: they may know it by its task-locals or its span.
        let entries = self.count_end();
        self.tell_invalidated(&entries);
        let pins = std::mem::replace(&mut self.pins, Pins::new());
        self.in_background = true;
        let mut ending = Box::pin(self.land(None));
        let sent = poll_fn(|context| Poll::Ready(ending.as_mut().poll(context))).await;
        if sent.is_ready() {
            return;
        }
        // What is pending for everybody need not be so once more for this node. A failure pins the tags again.
        drop(pins);
        let _unless_closed = engine.tasks.spawn(async move {
            let _outcome = ending.await;
        });
    }

    /// Counts the end; returns for each tag how many entries of this process end with it.
    fn count_end(&self) -> Vec<u64> {
        self.engine.counters.invalidations.add(self.tags.len() as u64);
        self.engine.figures.wrote(&self.tags);
        let entries = self.pins.end_dependents();
        for (tag, entries) in self.tags.iter().zip(&entries).filter(|(_, entries)| **entries > 0) {
            self.engine.figures.died(tag, *entries);
        }
        entries
    }

    fn tell_invalidated(&self, entries: &[u64]) {
        if !self.tags.is_empty() {
            self.engine.tell(&Event::Invalidated { tags: &self.tags, entries });
        }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Why the end of this intent cannot leave versions behind, if it cannot.
    pub(super) fn leaves_nothing(&self) -> Option<PutRefusal> {
        if !self.engine.settings.settle.is_zero() {
            return Some(PutRefusal::Settling);
        }
        if !self.reached {
            return Some(PutRefusal::RemoteDown);
        }
        self.gap.then_some(PutRefusal::Expired)
    }

    /// Ends the write as [`finish`](WriteIntent::finish) does, except that the tags in `wanted` end as `with` says. Returns how each of
    /// these ended, and the sequences of the cells from then on; `None` if the remote tier did not say so of all tags.
    pub(super) async fn finish_leaving(
        mut self,
        wanted: &[Tag],
        with: EndWith,
    ) -> (Invalidation, Option<(Vec<Ended>, Vec<(Tag, Sequence)>)>) {
        let entries = self.count_end();
        let rest: Vec<Tag> = self.tags.iter().filter(|tag| !wanted.contains(tag)).cloned().collect();
        let sent_at = self.pins.sequences();
        let end = async |tags: &[Tag], with| match tags {
            [] => Ok(Vec::new()),
            tags => self.engine.remote.end_intent(tags, self.id, with).await,
        };
        let (left, ended) = futures_util::future::join(end(wanted, with), end(&rest, EndWith::Absent)).await;
        self.finished = true;
        match left.and_then(|left| ended.map(|_| left)) {
            Ok(left) => {
                let EndWith::Version { version, .. } = with else { return (Invalidation::Done, None) };
                let pins = std::mem::replace(&mut self.pins, Pins::new());
                let is_left = |tag: &Tag| {
                    let at = wanted.iter().position(|wanted| wanted == tag)?;
                    (*left.get(at)? == (Ended::Held { stored: true })).then_some(version)
                };
                let sequences = pins.settle(&sent_at, is_left);
                self.tell_invalidated(&entries);
                (Invalidation::Done, Some((left, sequences)))
            }
            Err(error) => {
                // Pinned by the queue before this intent's own pins go.
                self.engine.defer(&self.tags, &error);
                (Invalidation::Deferred, None)
            }
        }
    }

    /// Tells the remote tier. Fails only if it cannot be reached and the cache is set to refuse the write.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        let lease = self.engine.settings.intent_lease;
        // The lease is counted from before the request was sent.
        let sent = self.engine.clock.now();
        let begin = async |tags: &[Tag], id| match tags {
            [] => Ok(Vec::new()),
            tags => self.engine.remote.begin_intent(tags, id, lease).await,
        };
        let begun = match &self.around {
            None => begin(&self.tags, self.id).await,
            Some((around, shared)) => {
                let (own, renewed) =
                    futures_util::future::join(begin(&self.tags, self.id), begin(shared, around.id)).await;
                if !renewed.as_ref().is_ok_and(|held| held.iter().all(|held| *held)) {
                    around.had_a_gap();
                }
                own.and_then(|own| renewed.map(|_| own))
            }
        };
        match begun {
            Ok(_) => {
                self.reached = true;
                self.until = sent.after(lease);
                Ok(())
            }
            Err(error) => {
                self.engine.remote_failed("begin a write intent", &error);
                self.reached = false;
                if self.engine.settings.when_remote_is_down == WhenRemoteIsDown::Refuse {
                    return Err(Error::with_source(
                        ErrorKind::Unreachable,
                        "write refused: its tags could not be made pending in the remote tier",
                        error,
                    ));
                }
                Ok(())
            }
        }
    }
}

impl Drop for WriteIntent {
    fn drop(&mut self) {
        // A background attempt is dropped when the cache is closed or its runtime ends: then nothing reads this process's
        // memory any more, and the lease ends what the remote tier holds.
        if self.finished || self.in_background {
            return;
        }
        // Cancelled, or the connection was lost: the write may have been committed.
        self.outcome_is_unknown();
        let rest = Self {
            engine: Arc::clone(&self.engine),
            tags: std::mem::take(&mut self.tags),
            around: self.around.take(),
            pins: std::mem::replace(&mut self.pins, Pins::new()),
            id: self.id,
            reached: self.reached,
            until: self.until,
            finished: false,
            gap: self.gap,
            in_background: true,
        };
        let _unless_closed = self.engine.tasks.spawn(async move {
            let _landed = rest.finish().await;
        });
    }
}
