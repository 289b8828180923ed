//! The one way a value gets into the tiers: versions captured first, then the load, then the store under those versions.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{
    clock::Moment,
    engine::{
        Engine,
        call::{Deps, Presence, Read},
        cells::{Cell, Sequence},
        entry::{Entry, Meta, Recorded, StoredEntry},
        flight::{Flight, Leading, Outcome},
        mutation::Mutation,
        scope::LoadScope,
    },
    envelope::Header,
    error::Error,
    event::{Event, FillRefusal},
    policy::{Policy, TierChoice},
    ports::{StoreRequest, TagState},
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

/// What a load is run for.
pub(crate) struct Load<'a, 'r, T: 'static, E> {
    pub(crate) read: &'a Read<'r, T, E>,
    pub(crate) policy: &'a Policy,
    pub(crate) deps: &'a Deps,
    /// The versions of the declared tags, or why there are none.
    pub(crate) captured: Result<Vec<Captured>, FillRefusal>,
}

impl Engine {
    /// Captures the versions of tags, before anything that depends on them is loaded.
    pub(crate) async fn capture(
        &self,
        tags: &[Tag],
        ttl: Duration,
        flight: Option<&Flight>,
    ) -> Result<Vec<Captured>, Error> {
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
        let reply = self.remote.capture(tags, ttl + CAPTURE_MARGIN, &[]).await?;
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
        Ok(captured)
    }

    /// Runs the loader and stores what it returns, if it may be stored.
    pub(crate) async fn load<T, E, L, Fut>(
        self: &Arc<Self>,
        load: Load<'_, '_, T, E>,
        leading: Option<Leading<'_>>,
        loader: L,
    ) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Load { read, policy, deps, captured } = load;
        let removals = self.removals.load(Ordering::Acquire);
        let flight = leading.as_ref().map(|leading| Arc::clone(leading.flight()));
        let scope = if deps.is_auto() { LoadScope::recording(self, flight.as_ref()) } else { LoadScope::declared() };
        let begun = self.clock.now();
        let loaded = scope.run(loader(scope.clone())).await;
        let load_cost = self.clock.now().since(begun);
        self.count_load(read.function.name(), load_cost, loaded.is_ok());
        let value = match loaded {
            Ok(value) => value,
            Err(error) => {
                if let Some(leading) = leading {
                    leading.finish(Outcome::Failed(read.share_error.as_ref().map(|share| share.wrap(&error))));
                }
                return Err(error);
            }
        };

        let presence = (read.presence)(&value);
        let collected = scope.collect();
        let verdict = self.verdict(captured, &collected, read.when.is_none_or(|may| may(&value)));
        let mut meta = self.meta(read, policy, presence, load_cost, collected.expires);
        if let Ok(captured) = &verdict {
            meta.deps = recorded(captured, deps, presence);
            meta.complete = true;
        }
        let entry = Arc::new(Entry { meta, value });
        let stored: Arc<StoredEntry> = Arc::clone(&entry) as _;
        if let Some(outer) = LoadScope::current() {
            outer.used(&entry.meta);
        }
        let refused = match verdict {
            Ok(_) => self.store(read, policy, &entry, removals, leading).await.err(),
            Err(why) => {
                if let Some(leading) = leading {
                    leading.finish(Outcome::Value(stored));
                }
                Some(why)
            }
        };
        match refused {
            None => self.counters.fills.up(),
            Some(why) => {
                self.counters.fills_refused.up();
                self.tell(&Event::FillRefused { function: read.function.name(), key: read.key, why });
            }
        }
        Ok(entry.value.clone())
    }

    /// Whether a value loaded under these versions may be stored, and under which.
    fn verdict(
        &self,
        captured: Result<Vec<Captured>, FillRefusal>,
        collected: &super::scope::Collected,
        condition: bool,
    ) -> Result<Vec<Captured>, FillRefusal> {
        let mut captured = captured?;
        if !condition {
            return Err(FillRefusal::Condition);
        }
        if collected.opaque {
            return Err(FillRefusal::Tags);
        }
        captured.extend(collected.captured.iter().cloned());
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

    fn meta<T, E>(
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
        Meta {
            function: read.function,
            deps: Box::default(),
            created,
            expires: ends.map_or(expires, |ends| ends.min(expires)),
            load_cost,
            negative: presence.is_negative(),
            complete: false,
        }
    }

    /// Stores an entry in the tiers its policy names. What the remote tier refuses, the local one still has.
    async fn store<T, E>(
        &self,
        read: &Read<'_, T, E>,
        policy: &Policy,
        entry: &Arc<Entry<T>>,
        removals: u64,
        leading: Option<Leading<'_>>,
    ) -> Result<(), FillRefusal>
    where
        T: Send + Sync + 'static,
    {
        let stored: Arc<StoredEntry> = Arc::clone(entry) as _;
        let remote = policy.tier != TierChoice::Local && self.remote.is_shared();
        let payload = match read.wire.filter(|_| remote || self.local.counts_bytes()) {
            Some(wire) => match self.encode(read, wire, policy, entry) {
                Ok(payload) => Some(payload),
                Err(why) => {
                    finish(leading, stored);
                    return Err(why);
                }
            },
            None => None,
        };
        if policy.tier != TierChoice::Remote {
            self.keep_local(read.key, &stored, payload.as_ref().map_or(0, Vec::len), removals);
            // The followers find the value here and need not wait for the remote tier.
            finish(leading, stored);
            self.store_remote(read.key, entry, payload.filter(|_| remote), removals).await;
        } else {
            self.store_remote(read.key, entry, payload.filter(|_| remote), removals).await;
            finish(leading, stored);
        }
        Ok(())
    }

    async fn store_remote<T>(&self, key: &str, entry: &Entry<T>, payload: Option<Vec<u8>>, removals: u64) {
        let Some(bytes) = payload else { return };
        if self.removals.load(Ordering::Acquire) != removals {
            return;
        }
        let ttl = entry.meta.expires.since(self.clock.now());
        if let Err(error) = self.remote.store(&[StoreRequest { key, bytes: &bytes, ttl, unlock: None }]).await {
            self.remote_failed("store an entry", &error);
        }
    }

    fn encode<T, E>(
        &self,
        read: &Read<'_, T, E>,
        wire: &crate::envelope::Wire<T>,
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
            Ok(bytes) => {
                self.warn_once(&format!(
                    "values of {:?} reach {} bytes, more than payload_bytes_max = {}: they are not stored",
                    read.function.name(),
                    bytes.len().next_power_of_two(),
                    self.settings.payload_bytes_max
                ));
                Err(FillRefusal::TooLarge)
            }
            Err(error) => {
                self.warn_once(&format!("values of {:?} cannot be encoded: {error}", read.function.name()));
                Err(FillRefusal::Encode)
            }
        }
    }

    fn count_load(&self, function: &'static str, cost: Duration, ok: bool) {
        self.counters.loads.up();
        if !ok {
            self.counters.load_errors.up();
        }
        let micros = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
        self.tell(&Event::Load { function, micros, ok });
    }
}

/// The tags that matter for a value of this presence, each once.
fn recorded(captured: &[Captured], deps: &Deps, presence: Presence) -> Box<[Recorded]> {
    captured
        .iter()
        .filter(|tag| deps.matters(tag.cell.tag(), presence))
        .filter_map(|tag| Some(Recorded { cell: Arc::clone(&tag.cell), version: tag.version? }))
        .collect()
}

fn finish(leading: Option<Leading<'_>>, entry: Arc<StoredEntry>) {
    if let Some(leading) = leading {
        leading.finish(Outcome::Value(entry));
    }
}
