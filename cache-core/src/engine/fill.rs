//! The one way a value gets into the tiers: versions captured before the load, and the store under those versions.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use crate::{
    clock::Moment,
    engine::{
        Engine,
        call::{Deps, Presence, Read},
        cells::{Cell, Sequence},
        entry::{Entry, Meta, Recorded, StoredEntry},
        flight::{Flight, Outcome},
        load::Lead,
        lock::LoadLock,
        mutation::Mutation,
        refresh,
        scope::{Collected, LoadScope},
        store::Parcel,
    },
    error::Error,
    event::{Event, FillRefusal},
    policy::{Consistency, Policy, TierChoice},
    ports::{LockRequest, TagState},
    tag::Tag,
};

/// How much longer than the longest entry a captured tag is kept: room for the load itself. A tag that ends sooner costs a miss.
pub(super) const CAPTURE_MARGIN: Duration = Duration::from_secs(60);

/// A tag's version as it was before the load.
#[derive(Clone)]
pub(crate) struct Captured {
    pub(crate) cell: Arc<Cell>,
    pub(crate) sequence: Sequence,
    /// `None` while a write is in flight.
    pub(crate) version: Option<u64>,
}

/// How things were before the load.
pub(crate) struct Before {
    /// The count of removals by key.
    pub(crate) removals: u64,
    /// The cells of the declared tags, if the value may be kept through an outage.
    pub(crate) cells: Vec<(Arc<Cell>, Sequence)>,
}

/// What a load has made.
pub(crate) struct Made<T> {
    pub(crate) value: T,
    pub(crate) load_cost: Duration,
    /// Why there are no versions, if there are none.
    pub(crate) refused: Option<FillRefusal>,
    pub(crate) collected: Collected,
    pub(crate) before: Before,
}

/// A value to be stored, and who waits for it.
pub(crate) struct Fill<'a, 'r, T: 'static, E> {
    pub(crate) read: &'a Read<'r, T, E>,
    pub(crate) deps: &'a Deps,
    pub(crate) made: Made<T>,
    pub(crate) lead: Lead<'a>,
    pub(crate) lock: Option<LoadLock>,
}

impl Engine {
    /// Captures the versions of tags, before anything that depends on them is loaded.
    pub(crate) async fn capture(
        &self,
        tags: &[Tag],
        ttl: Duration,
        flights: &[Arc<Flight>],
    ) -> Result<Vec<Captured>, Error> {
        Ok(self.capture_and_lock(tags, ttl, flights, None).await?.0)
    }

    /// As [`capture`](Self::capture), trying for a load lock in the same round trip; returns whether it was won.
    pub(crate) async fn capture_and_lock(
        &self,
        tags: &[Tag],
        ttl: Duration,
        flights: &[Arc<Flight>],
        lock: Option<LockRequest<'_>>,
    ) -> Result<(Vec<Captured>, bool), Error> {
        let cells: Vec<(Arc<Cell>, Sequence)> = tags
            .iter()
            .map(|tag| {
                let cell = self.cells.cell(tag);
                let sequence = cell.sequence();
                flights.iter().for_each(|flight| flight.watch(&cell, sequence));
                (cell, sequence)
            })
            .collect();
        let locks: Vec<LockRequest<'_>> = lock.into_iter().collect();
        let reply = self.remote.capture(tags, ttl.saturating_add(CAPTURE_MARGIN), &locks).await?;
        let check = self.settings.mutation != Some(Mutation::NoSequence);
        let captured: Vec<Captured> = cells
            .into_iter()
            .zip(reply.states)
            .map(|((cell, sequence), state)| {
                let version = match cell.verify(sequence, state, check) {
                    TagState::Version(version) => Some(version),
                    TagState::Pending | TagState::Absent => None,
                };
                Captured { cell, sequence, version }
            })
            .collect();
        if captured.iter().any(|tag| tag.version.is_none()) {
            flights.iter().for_each(|flight| flight.close());
        }
        Ok((captured, reply.locks.first().copied().unwrap_or(false)))
    }

    /// Stores what a load has made, if it may be stored, and hands it to those who wait.
    pub(crate) async fn fill<T, E>(&self, policy: &Policy, fill: Fill<'_, '_, T, E>) -> T
    where
        T: Clone + Send + Sync + 'static,
    {
        let (value, parcel) = self.shelve(policy, fill);
        self.ship(&mut [parcel]).await;
        value
    }

    /// Makes an entry of what a load has made, keeps it in process memory if it may be stored, and hands it to those who wait. What is
    /// left is for the remote tier.
    pub(crate) fn shelve<'a, T, E>(&self, policy: &Policy, fill: Fill<'a, '_, T, E>) -> (T, Parcel<'a>)
    where
        T: Clone + Send + Sync + 'static,
    {
        let Fill { read, deps, made, lead, lock } = fill;
        let Made { value, load_cost, refused, collected, before } = made;
        let presence = (read.presence)(&value);
        let mut meta = self.meta(read, policy, presence, load_cost, collected.expires);
        let verdict = self.verdict(refused, collected, read.when.is_none_or(|may| may(&value)));
        match &verdict {
            Ok(captured) => {
                meta.deps = recorded(captured, deps, presence);
                meta.complete = true;
            }
            Err(FillRefusal::RemoteDown) if !before.cells.is_empty() => {
                meta.expires = meta.expires.min(meta.created.after(self.settings.degraded_ttl));
                meta.degraded = Some(before.cells.into());
            }
            Err(_) => {}
        }
        let entry = Arc::new(Entry { meta, value });
        let stored: Arc<StoredEntry> = Arc::clone(&entry) as _;
        LoadScope::uses(&entry.meta);
        self.remember(read.key, &stored);
        let to_remote = policy.tier != TierChoice::Local && self.remote.is_shared();
        let payload = verdict.and_then(|_| self.payload(read, policy, &entry, to_remote));
        let keeps = match &payload {
            Ok(_) => policy.tier != TierChoice::Remote,
            Err(_) => stored.meta.degraded.is_some(),
        };
        if keeps {
            self.keep_local(read.key, &stored, policy, self.value_bytes(read, &entry.value), before.removals);
        }
        // Callers who wait find the value in process memory; where that holds none, they have to wait for the remote tier.
        let mut lead = Some(lead);
        if (keeps || payload.is_err())
            && let Some(lead) = lead.take()
        {
            lead.finish(Outcome::Value(Arc::clone(&stored)));
        }
        self.count_fill(read, &entry.meta, payload.as_ref().err().copied());
        let bytes = payload.ok().flatten().filter(|_| to_remote && self.removals.count(read.key) == before.removals);
        let ttl = entry.meta.expires.after(policy.grace()).since(self.clock.now());
        let value = entry.value.clone();
        (value, Parcel { key: read.key, bytes, ttl, lead: lead.map(|lead| (lead, stored)), lock })
    }

    fn count_fill<T: 'static, E>(&self, read: &Read<'_, T, E>, meta: &Meta, refused: Option<FillRefusal>) {
        match refused {
            None => {
                meta.counters.fills.up();
                self.note_refreshed(read.key, meta);
                self.figures.filled(meta.deps.iter().map(|dep| dep.cell.tag()));
            }
            Some(why) => {
                meta.counters.fills_refused.up();
                self.tell(&Event::FillRefused { function: read.function.name(), key: read.key, why });
            }
        }
    }

    /// Whether values loaded without versions may answer for a moment while the remote tier is down.
    pub(crate) fn may_degrade(&self, policy: &Policy) -> bool {
        self.remote.is_shared()
            && policy.consistency == Consistency::Bounded
            && policy.tier != TierChoice::Remote
            && !self.settings.degraded_ttl.is_zero()
    }

    /// Whether a value loaded under these versions may be stored, and under which.
    fn verdict(
        &self,
        refused: Option<FillRefusal>,
        collected: Collected,
        condition: bool,
    ) -> Result<Vec<Captured>, FillRefusal> {
        if !condition {
            return Err(FillRefusal::Condition);
        }
        if let Some(why) = refused {
            return Err(why);
        }
        if collected.opaque {
            return Err(FillRefusal::Tags);
        }
        let captured = collected.captured;
        if captured.iter().any(|tag| tag.version.is_none()) {
            return Err(FillRefusal::Pending);
        }
        // Storing would be harmless, since the version is dead; but it would push out what a later load has stored.
        if self.settings.mutation != Some(Mutation::JoinableFlights)
            && captured.iter().any(|tag| tag.cell.sequence() != tag.sequence)
        {
            return Err(FillRefusal::Invalidated);
        }
        Ok(captured)
    }

    pub(super) fn meta<T: 'static, E>(
        &self,
        read: &Read<'_, T, E>,
        policy: &Policy,
        presence: Presence,
        load_cost: Duration,
        ends: Option<Moment>,
    ) -> Meta {
        let ttl = if presence.is_negative() { policy.ttl.min(policy.negative_ttl) } else { policy.ttl };
        let created = self.clock.now();
        let expires = created.after(ttl.mul_f64(1.0 - policy.jitter * rand::random::<f64>()));
        let expires = ends.map_or(expires, |ends| ends.min(expires));
        let ahead_from = refresh::ahead_from(policy, created, expires);
        Meta {
            function: read.function,
            counters: self.figures.of(read.function),
            deps: Box::default(),
            created,
            expires,
            load_cost,
            negative: presence.is_negative(),
            complete: false,
            ahead_from,
            refresh_from: ahead_from.min(refresh::xfetch_from(policy, created, expires, load_cost)),
            degraded: None,
            in_front: AtomicBool::new(false),
        }
    }
}

/// The tags that matter for a value of this presence.
pub(super) fn recorded(captured: &[Captured], deps: &Deps, presence: Presence) -> Box<[Recorded]> {
    captured
        .iter()
        .filter(|tag| deps.matters(tag.cell.tag(), presence))
        .filter_map(|tag| Some(Recorded { cell: Arc::clone(&tag.cell), version: tag.version? }))
        .collect()
}
