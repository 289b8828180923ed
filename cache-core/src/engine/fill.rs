//! The one way a value gets into the tiers: versions captured before the load, and the store under those versions.

use std::{sync::Arc, time::Duration};

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
    },
    envelope::{Header, Wire},
    error::Error,
    event::{Event, FillRefusal},
    policy::{Consistency, Policy, TierChoice},
    ports::{LockRequest, StoreRequest, TagState},
    tag::Tag,
};

/// How much longer than the longest entry a captured tag is kept: room for the load itself. A tag that ends sooner costs a miss.
const CAPTURE_MARGIN: Duration = Duration::from_secs(60);

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

impl Engine {
    /// Captures the versions of tags, before anything that depends on them is loaded.
    pub(crate) async fn capture(
        &self,
        tags: &[Tag],
        ttl: Duration,
        flight: Option<&Flight>,
    ) -> Result<Vec<Captured>, Error> {
        Ok(self.capture_and_lock(tags, ttl, flight, None).await?.0)
    }

    /// As [`capture`](Self::capture), trying for a load lock in the same round trip; returns whether it was won.
    pub(crate) async fn capture_and_lock(
        &self,
        tags: &[Tag],
        ttl: Duration,
        flight: Option<&Flight>,
        lock: Option<LockRequest<'_>>,
    ) -> Result<(Vec<Captured>, bool), Error> {
        let cells: Vec<(Arc<Cell>, Sequence)> = tags
            .iter()
            .map(|tag| {
                let cell = self.cells.cell(tag);
                let sequence = cell.sequence();
                if let Some(flight) = flight {
                    flight.watch(&cell, sequence);
                }
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
        if let Some(flight) = flight.filter(|_| captured.iter().any(|tag| tag.version.is_none())) {
            flight.close();
        }
        Ok((captured, reply.locks.first().copied().unwrap_or(false)))
    }

    /// Stores what a load has made, if it may be stored, and hands it to those who wait.
    pub(crate) async fn fill<T, E>(
        &self,
        read: &Read<'_, T, E>,
        policy: &Policy,
        deps: &Deps,
        made: Made<T>,
        lead: Lead<'_>,
        lock: Option<LoadLock>,
    ) -> T
    where
        T: Clone + Send + Sync + 'static,
    {
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
        LoadScope::uses(&entry.meta);
        self.remember(read.key, &(Arc::clone(&entry) as Arc<StoredEntry>));
        let stored = match verdict {
            Ok(_) => self.store(read, policy, &entry, before.removals, lead, lock).await,
            Err(why) => {
                let stored: Arc<StoredEntry> = Arc::clone(&entry) as _;
                if stored.meta.degraded.is_some() {
                    self.keep_local(read.key, &stored, policy, self.bytes_of(read, &stored), before.removals);
                }
                lead.finish(Outcome::Value(stored));
                if let Some(lock) = lock {
                    lock.give_back().await;
                }
                Err(why)
            }
        };
        match stored {
            Ok(()) => {
                entry.meta.counters.fills.up();
                self.figures.filled(entry.meta.deps.iter().map(|dep| dep.cell.tag()));
            }
            Err(why) => {
                entry.meta.counters.fills_refused.up();
                self.tell(&Event::FillRefused { function: read.function.name(), key: read.key, why });
            }
        }
        entry.value.clone()
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

    fn meta<T: 'static, E>(
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
            refresh_from: ahead_from.min(refresh::xfetch_from(policy, expires, load_cost)),
            degraded: None,
        }
    }

    /// Stores an entry in the tiers its policy names. What the remote tier refuses, the local one still has.
    async fn store<T, E>(
        &self,
        read: &Read<'_, T, E>,
        policy: &Policy,
        entry: &Arc<Entry<T>>,
        removals: u64,
        lead: Lead<'_>,
        lock: Option<LoadLock>,
    ) -> Result<(), FillRefusal>
    where
        T: Send + Sync + 'static,
    {
        let stored: Arc<StoredEntry> = Arc::clone(entry) as _;
        let to_remote = policy.tier != TierChoice::Local && self.remote.is_shared();
        let wire = read.wire.filter(|_| to_remote);
        let payload = match wire.map(|wire| self.encode(read, wire, policy, entry)).transpose() {
            Ok(payload) => payload,
            Err(why) => {
                lead.finish(Outcome::Value(stored));
                return Err(why);
            }
        };
        let value_bytes = self.value_bytes(read, &entry.value);
        if payload.is_none() && value_bytes > self.settings.payload_bytes_max {
            lead.finish(Outcome::Value(stored));
            return Err(self.too_large(read));
        }
        // Callers who wait find the value in process memory; where that holds none, they have to wait for the remote tier.
        let mut lead = Some(lead);
        if policy.tier != TierChoice::Remote {
            self.keep_local(read.key, &stored, policy, value_bytes, removals);
            if let Some(lead) = lead.take() {
                lead.finish(Outcome::Value(Arc::clone(&stored)));
            }
        }
        if let Some(bytes) = payload.filter(|_| to_remote && self.removals.count(read.key) == removals) {
            let ttl = entry.meta.expires.after(policy.grace()).since(self.clock.now());
            let unlock = lock.as_ref().map(LoadLock::token);
            match self.remote.store(&[StoreRequest { key: read.key, bytes: &bytes, ttl, unlock }]).await {
                Ok(()) => {
                    if let Some(lock) = lock {
                        lock.given_back();
                    }
                }
                Err(error) => self.remote_failed("store an entry", &error),
            }
        }
        if let Some(lead) = lead {
            lead.finish(Outcome::Value(stored));
        }
        Ok(())
    }

    fn too_large<T: 'static, E>(&self, read: &Read<'_, T, E>) -> FillRefusal {
        self.warn_once(&format!(
            "values of {:?} exceed payload_bytes_max = {}: they are not stored",
            read.function.name(),
            self.settings.payload_bytes_max
        ));
        FillRefusal::TooLarge
    }

    fn encode<T: 'static, E>(
        &self,
        read: &Read<'_, T, E>,
        wire: &Wire<T>,
        policy: &Policy,
        entry: &Entry<T>,
    ) -> Result<Vec<u8>, FillRefusal> {
        let created = self.clock.unix_ms();
        let ttl = entry.meta.expires.since(entry.meta.created);
        let header = Header {
            codec: policy.codec,
            schema: self.schema_of(read, wire),
            created_unix_ms: created,
            expires_unix_ms: created.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            load_cost: entry.meta.load_cost,
            negative: entry.meta.negative,
            tags: entry.meta.tags().into(),
        };
        match (wire.encode)(&header, &entry.value, self.settings.compression) {
            Ok(bytes) if bytes.len() <= self.settings.payload_bytes_max => Ok(bytes),
            Ok(_) => Err(self.too_large(read)),
            Err(error) => {
                self.warn_once(&format!("values of {:?} cannot be encoded: {error}", read.function.name()));
                Err(FillRefusal::Encode)
            }
        }
    }
}

/// The tags that matter for a value of this presence.
fn recorded(captured: &[Captured], deps: &Deps, presence: Presence) -> Box<[Recorded]> {
    captured
        .iter()
        .filter(|tag| deps.matters(tag.cell.tag(), presence))
        .filter_map(|tag| Some(Recorded { cell: Arc::clone(&tag.cell), version: tag.version? }))
        .collect()
}
