//! Write-through: a writer leaves the value it has written behind, under versions that prove it current.
//!
//! A written value may be stored because nobody else can have written what it depends on since: each tag that the write itself makes
//! stale gets its fresh version from the end of an intent that no other intent overlapped, and each other tag has the version that was
//! captured *before* the statement ran. If one of them lacks its version, the write makes stale and stores nothing.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use rand::Rng;

use crate::{
    engine::{
        Engine,
        call::{Deps, Function, Presence, Read},
        cells::Sequence,
        entry::{Entry, StoredEntry},
        fill::{CAPTURE_MARGIN, Captured, recorded},
        intent::WriteIntent,
        mutation::Mutation,
        store::Parcel,
    },
    envelope::Wire,
    event::{Event, FillRefusal, PutRefusal},
    key::KeyText,
    policy::{PolicyOverride, TierChoice},
    ports::{EndWith, Ended},
    tag::Tag,
};

/// A value on its way into the tiers, of a type that the intent does not know.
pub(crate) trait Put: Send + Sync {
    /// What the entry will depend on.
    fn tags(&self) -> Vec<Tag>;
    /// How long the entry's tags have to be kept.
    fn kept(&self, engine: &Engine) -> Duration;
    /// Whose entry it is, and its key.
    fn name(&self) -> (&'static Function, &str);
    /// Stores the value under these versions, one for each tag.
    fn store<'a>(
        self: Box<Self>,
        engine: &'a Arc<Engine>,
        captured: Vec<Captured>,
    ) -> BoxFuture<'a, Result<(), FillRefusal>>;
}

/// An entry that a writer may fill.
pub(crate) struct Slot<T: 'static> {
    pub(crate) function: &'static Function,
    pub(crate) key: KeyText,
    pub(crate) policy: PolicyOverride,
    pub(crate) wire: Option<&'static Wire<T>>,
    pub(crate) presence: fn(&T) -> Presence,
    pub(crate) deps: Deps,
}

/// A value for one entry.
pub(crate) struct PutValue<T: 'static> {
    pub(crate) slot: Slot<T>,
    pub(crate) value: T,
    /// The count of removals by key when the value was written.
    pub(crate) removals: u64,
}

impl<T: 'static> Slot<T> {
    pub(super) fn read(&self) -> Read<'_, T, Infallible> {
        Read { policy: &self.policy, presence: self.presence, ..Read::new(self.function, &self.key, self.wire) }
    }
}

impl<T: Send + Sync + 'static> Put for PutValue<T> {
    fn tags(&self) -> Vec<Tag> {
        let Slot { presence, deps, .. } = &self.slot;
        let presence = presence(&self.value);
        deps.tags().into_iter().filter(|tag| deps.matters(tag, presence)).collect()
    }

    fn kept(&self, engine: &Engine) -> Duration {
        engine.policy_of(&self.slot.read()).kept()
    }

    fn name(&self) -> (&'static Function, &str) {
        (self.slot.function, &self.slot.key)
    }

    fn store<'a>(
        self: Box<Self>,
        engine: &'a Arc<Engine>,
        captured: Vec<Captured>,
    ) -> BoxFuture<'a, Result<(), FillRefusal>> {
        Box::pin(async move {
            let Self { slot, value, removals } = *self;
            let read = slot.read();
            let policy = engine.policy_of(&read);
            let presence = (slot.presence)(&value);
            let mut meta = engine.meta(&read, &policy, presence, Duration::ZERO, None);
            meta.deps = recorded(&captured, &slot.deps, presence);
            meta.complete = true;
            let entry = Arc::new(Entry { meta, value });
            let to_remote = policy.tier != TierChoice::Local && engine.remote.is_shared();
            let payload = engine.payload(&read, &policy, &entry, to_remote)?;
            if policy.tier != TierChoice::Remote {
                let stored: Arc<StoredEntry> = Arc::clone(&entry) as _;
                engine.keep_local(read.key, &stored, &policy, engine.value_bytes(&read, &entry.value), removals);
            }
            let bytes = payload.filter(|_| engine.removals_of(read.key) == removals);
            let ttl = entry.meta.expires.after(policy.grace()).since(engine.clock.now());
            engine.ship(&mut [Parcel { key: read.key, bytes, ttl, lead: None, lock: None }]).await;
            Ok(())
        })
    }
}

/// A value that a write has made, until the write's intent ends.
pub(crate) struct Written {
    put: Box<dyn Put>,
    tags: Vec<Tag>,
    /// Versions of tags that the write need not make stale, captured before its statement ran.
    before: Vec<Captured>,
    /// A tag of the write that no other write may have touched either: for versions that were captured late.
    witness: Option<Tag>,
}

impl Written {
    pub(crate) fn new(put: Box<dyn Put>, before: Vec<Captured>) -> Self {
        let tags = put.tags();
        Self { put, tags, before, witness: None }
    }

    /// What the value depends on.
    pub(crate) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// The tags whose versions have to come from the end of the intent: nobody has captured them.
    pub(crate) fn uncaptured(&self) -> impl Iterator<Item = &Tag> {
        self.tags.iter().filter(|tag| !self.before.iter().any(|known| known.cell.tag() == *tag))
    }

    /// Adds versions that were captured after the statement, while the intent on `witness` was held. Every write that could touch the
    /// row makes `witness` stale too: if no other intent overlapped on it, there was no such write.
    pub(crate) fn captured_late(&mut self, captured: Vec<Captured>, witness: Tag) {
        self.before.extend(captured);
        self.witness = Some(witness);
    }

    /// Whether the end of the intent has to leave a version of this tag.
    fn needs(&self, tag: &Tag) -> bool {
        self.witness.as_ref() == Some(tag) || self.tags.contains(tag)
    }

    /// The value is not stored.
    pub(crate) fn refuse(&self, engine: &Engine, why: PutRefusal) {
        let (function, key) = self.put.name();
        engine.put_refused(function, key, why);
    }
}

/// What the end of an intent has left behind.
struct Left {
    /// The tags asked for, and how their intents ended.
    ended: Vec<(Tag, Ended)>,
    /// The versions that were set, with the cells' sequences from then on.
    fresh: Vec<Captured>,
}

impl Engine {
    /// The versions of tags before a statement runs. What this node has verified at any time before is as good as what the remote tier
    /// says now: a version never comes back. A tag whose version cannot be had has none.
    pub(crate) async fn capture_before(&self, tags: &[Tag], kept: Duration) -> Vec<Captured> {
        let (known, unknown): (Vec<Captured>, Vec<Captured>) = tags
            .iter()
            .map(|tag| {
                let cell = self.cells.cell(tag);
                let sequence = cell.sequence();
                let version = Some(cell.version()).filter(|version| *version != 0);
                Captured { cell, sequence, version }
            })
            .partition(|captured| captured.version.is_some());
        if unknown.is_empty() {
            return known;
        }
        let missing: Vec<Tag> = unknown.iter().map(|captured| captured.cell.tag().clone()).collect();
        match self.capture(&missing, kept, &[]).await {
            Ok(captured) => known.into_iter().chain(captured).collect(),
            Err(error) => {
                self.remote_failed("capture versions for a write-through", &error);
                known.into_iter().chain(unknown).collect()
            }
        }
    }

    pub(super) fn put_refused(&self, function: &'static Function, key: &str, why: PutRefusal) {
        self.figures.of(function).write_through_refused.up();
        self.tell(&Event::WriteThroughRefused { function: function.name(), key, why });
    }

    /// How often the entry at `key` has been removed by its key.
    pub(crate) fn removals_of(&self, key: &str) -> u64 {
        self.removals.count(key)
    }

    /// How long tags are kept that entries of the cache's own policy record.
    pub(crate) fn kept(&self) -> Duration {
        self.settings.policy.kept()
    }
}

impl WriteIntent {
    /// Ends the write as [`finish`](WriteIntent::finish) does, and stores what it has written if nobody else wrote.
    pub(crate) async fn finish_with(self, written: Vec<Written>) -> crate::engine::Invalidation {
        if written.is_empty() {
            return self.finish().await;
        }
        let engine = Arc::clone(self.engine());
        if let Some(why) = self.leaves_nothing() {
            written.iter().for_each(|written| written.refuse(&engine, why));
            return self.finish().await;
        }
        let wanted: Vec<Tag> =
            self.tags().iter().filter(|tag| written.iter().any(|written| written.needs(tag))).cloned().collect();
        let kept = written.iter().map(|written| written.put.kept(&engine)).max().unwrap_or_default();
        let version = rand::rng().random_range(1..=u64::MAX);
        let with = EndWith::Version { version, ttl: kept.saturating_add(CAPTURE_MARGIN) };
        let (outcome, ended) = self.finish_leaving(&wanted, with).await;
        let Some((ended, sequences)) = ended else {
            written.iter().for_each(|written| written.refuse(&engine, PutRefusal::RemoteDown));
            return outcome;
        };
        let mut left = Left { ended: wanted.into_iter().zip(ended).collect(), fresh: Vec::new() };
        left.note_fresh(&engine, version, &sequences);
        if engine.settings.mutation == Some(Mutation::WriteThroughContested) {
            left.capture_the_rest(&engine, kept).await;
        }
        for written in written {
            left.store(&engine, written).await;
        }
        outcome
    }
}

impl Left {
    fn note_fresh(&mut self, engine: &Engine, version: u64, sequences: &[(Tag, Sequence)]) {
        for (tag, ended) in &self.ended {
            if *ended == (Ended::Held { stored: true }) {
                let cell = engine.cells.cell(tag);
                let sequence = sequences.iter().find(|(known, _)| known == tag).map_or(0, |(_, sequence)| *sequence);
                self.fresh.push(Captured { cell, sequence, version: Some(version) });
            }
        }
    }

    /// The rule left out: what was contested is stored all the same, under whatever versions there are now.
    async fn capture_the_rest(&mut self, engine: &Engine, kept: Duration) {
        let rest: Vec<Tag> = self.ended.iter().map(|(tag, _)| tag).filter(|tag| !self.is_fresh(tag)).cloned().collect();
        if let Ok(captured) = engine.capture(&rest, kept, &[]).await {
            self.fresh.extend(captured);
        }
    }

    fn is_fresh(&self, tag: &Tag) -> bool {
        self.fresh.iter().any(|known| known.cell.tag() == tag)
    }

    async fn store(&self, engine: &Arc<Engine>, written: Written) {
        let captured = match self.versions_for(engine, &written) {
            Ok(captured) => captured,
            Err(why) => return written.refuse(engine, why),
        };
        let (function, key) = (written.put.name().0, written.put.name().1.to_owned());
        match written.put.store(engine, captured).await {
            Ok(()) => {
                engine.figures.of(function).write_through.up();
                engine.tell(&Event::WriteThrough { function: function.name(), key: &key });
            }
            Err(FillRefusal::TooLarge) => engine.put_refused(function, &key, PutRefusal::TooLarge),
            Err(_) => engine.put_refused(function, &key, PutRefusal::Encode),
        }
    }

    /// A version for each tag that the value depends on.
    fn versions_for(&self, engine: &Engine, written: &Written) -> Result<Vec<Captured>, PutRefusal> {
        for (tag, ended) in &self.ended {
            if written.needs(tag) && !self.is_fresh(tag) {
                let expired = *ended == Ended::Expired;
                return Err(if expired { PutRefusal::Expired } else { PutRefusal::Contested });
            }
        }
        if written.witness.as_ref().is_some_and(|witness| !self.is_fresh(witness)) {
            return Err(PutRefusal::Uncovered);
        }
        let unchecked = engine.settings.mutation == Some(Mutation::WriteThroughContested);
        let version_of = |tag: &Tag| {
            if let Some(fresh) = self.fresh.iter().find(|known| known.cell.tag() == tag) {
                return fresh.version.is_some().then(|| fresh.clone()).ok_or(PutRefusal::Pending);
            }
            let before = written.before.iter().find(|known| known.cell.tag() == tag).ok_or(PutRefusal::Uncovered)?;
            match before.version {
                None => Err(PutRefusal::Pending),
                Some(_) if !unchecked && before.cell.sequence() != before.sequence => Err(PutRefusal::Invalidated),
                Some(_) => Ok(before.clone()),
            }
        };
        written.tags.iter().map(version_of).collect()
    }
}
