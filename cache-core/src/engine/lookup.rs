//! Asks the tiers for an entry: the local copy with its tags re-checked, then the remote one.

use std::{sync::Arc, time::Duration};

use crate::{
    engine::{
        Engine,
        call::Read,
        cells::Cell,
        entry::{Entry, Meta, Recorded, StoredEntry},
        flight::Flight,
        mutation::Mutation,
        refresh,
    },
    envelope::{Envelope, Header, Wire},
    error::Error,
    event::{Event, Tier},
    policy::{Policy, TierChoice},
    ports::TagState,
    tag::Tag,
};

/// How a lookup is made.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub(crate) policy: &'a Policy,
    /// The cells of the tags known beforehand.
    pub(crate) cells: &'a [Arc<Cell>],
    /// Whether what this node verified earlier may be trusted; else every tag is asked for.
    pub(crate) trust_cells: bool,
    pub(crate) flight: Option<&'a Flight>,
    /// Whether to ask the remote tier even if process memory has a valid entry.
    pub(crate) past_local: bool,
}

/// What the tiers have.
pub(crate) enum Found {
    /// A valid entry.
    Fresh(Arc<StoredEntry>, Tier),
    /// An entry past its TTL, within the grace that the policy gives, and never made stale.
    Stale(Arc<StoredEntry>),
    /// Nothing that could be served.
    Nothing,
    /// The remote tier did not say.
    Down,
}

/// The states of tags, as found out during one read.
#[derive(Default)]
struct Known(Vec<(Arc<Cell>, TagState)>);

impl Known {
    fn state(&self, cell: &Arc<Cell>) -> Option<TagState> {
        self.0.iter().find(|(known, _)| Arc::ptr_eq(known, cell)).map(|(_, state)| *state)
    }
}

impl Engine {
    /// The entry from whichever tier can prove it valid. A fault of the remote tier is an event.
    pub(crate) async fn lookup<T, E>(&self, read: &Read<'_, T, E>, how: Lookup<'_>) -> Found
    where
        T: Send + Sync + 'static,
    {
        match self.try_lookup(read, how).await {
            Ok(found) => found,
            Err(error) => {
                self.remote_failed("read an entry", &error);
                Found::Down
            }
        }
    }

    async fn try_lookup<T, E>(&self, read: &Read<'_, T, E>, how: Lookup<'_>) -> Result<Found, Error>
    where
        T: Send + Sync + 'static,
    {
        let mut known = Known::default();
        let mut stale = Found::Nothing;
        if let Some(entry) = self.local_candidate(read, how.policy).filter(|_| !how.past_local) {
            let cells: Vec<_> = entry.meta.deps.iter().map(|dep| Arc::clone(&dep.cell)).collect();
            self.ask(None, &cells, how, &mut known).await?;
            if entry.meta.deps.iter().all(|dep| how.is_valid(&known, dep)) {
                if entry.meta.is_alive(self.clock.now()) {
                    return Ok(Found::Fresh(entry, Tier::Local));
                }
                stale = Found::Stale(entry);
            }
        }
        let Some(wire) = read.wire.filter(|_| how.policy.tier != TierChoice::Local && self.remote.is_shared()) else {
            return Ok(stale);
        };
        let removals = self.removals.count(read.key);
        let Some(bytes) = self.ask(Some(read.key), how.cells, how, &mut known).await? else { return Ok(stale) };
        let entry = match self.open(read, wire, how, &bytes, &mut known).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(stale),
            Err(error) if error.is_remote() => return Err(error),
            Err(error) => {
                self.poisoned(read.key, &error).await;
                return Ok(stale);
            }
        };
        if how.policy.tier == TierChoice::Both {
            self.keep_local(read.key, &entry, how.policy, self.bytes_of(read, &entry), removals);
        }
        if entry.meta.is_alive(self.clock.now()) {
            Ok(Found::Fresh(entry, Tier::Remote))
        } else {
            Ok(Found::Stale(entry))
        }
    }

    /// A local copy that only lacks the proof that its tags still have their versions.
    fn local_candidate<T, E>(&self, read: &Read<'_, T, E>, policy: &Policy) -> Option<Arc<StoredEntry>>
    where
        T: Send + Sync + 'static,
    {
        self.local_copy(read, policy.tier).filter(|entry| {
            entry.meta.complete
                && self.clock.now() < entry.meta.expires.after(policy.grace())
                && self.heard_of_removals_since(entry.meta.created)
        })
    }

    /// What this node loaded while the remote tier was down, if it may still answer.
    pub(crate) fn degraded<T, E>(&self, read: &Read<'_, T, E>, policy: &Policy) -> Option<Arc<StoredEntry>>
    where
        T: Send + Sync + 'static,
    {
        self.local_copy(read, policy.tier)
            .filter(|entry| entry.meta.is_alive(self.clock.now()) && entry.meta.is_good_in_an_outage())
    }

    /// The local entry at the read's key, if this function stored it, with this type.
    fn local_copy<T, E>(&self, read: &Read<'_, T, E>, tier: TierChoice) -> Option<Arc<StoredEntry>>
    where
        T: Send + Sync + 'static,
    {
        if tier == TierChoice::Remote {
            return None;
        }
        self.local
            .get(read.key)
            .filter(|entry| std::ptr::eq(entry.meta.function, read.function) && entry.value.is::<T>())
    }

    /// One round trip: the bytes at `key`, and the states of those cells that are not known yet.
    async fn ask(
        &self,
        key: Option<&str>,
        cells: &[Arc<Cell>],
        how: Lookup<'_>,
        known: &mut Known,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut asked = Vec::new();
        for cell in cells {
            // The sequence is taken before the request is sent, and before the version is looked at.
            let sequence = cell.sequence();
            if let Some(flight) = how.flight {
                flight.watch(cell, sequence);
            }
            if known.state(cell).is_none() && !(how.trust_cells && cell.version() != 0) {
                asked.push((Arc::clone(cell), sequence));
            }
        }
        if key.is_none() && asked.is_empty() {
            return Ok(None);
        }
        let keys: Vec<&str> = key.into_iter().collect();
        let tags: Vec<Tag> = asked.iter().map(|(cell, _)| cell.tag().clone()).collect();
        let mut fetched = self.remote.fetch(&keys, &tags).await?;
        for ((cell, sequence), state) in asked.into_iter().zip(fetched.states) {
            let state = cell.verify(sequence, state, self.settings.mutation != Some(Mutation::NoSequence));
            known.0.push((cell, state));
        }
        Ok(fetched.entries.pop().flatten())
    }

    /// Reads the bytes: `None` if the entry is not valid (any more), an error if the bytes are not ours to understand.
    async fn open<T, E>(
        &self,
        read: &Read<'_, T, E>,
        wire: &Wire<T>,
        how: Lookup<'_>,
        bytes: &[u8],
        known: &mut Known,
    ) -> Result<Option<Arc<StoredEntry>>, Error>
    where
        T: Send + Sync + 'static,
    {
        let envelope = Envelope::parse(bytes)?;
        let header = envelope.header();
        let (now, grace) = (self.clock.unix_ms(), millis(how.policy.grace()));
        if header.expires_unix_ms.saturating_add(grace) <= now || header.schema != self.schema_of(read, wire) {
            return Ok(None);
        }
        let deps: Box<[Recorded]> = header
            .tags
            .iter()
            .map(|(tag, version)| Recorded { cell: self.cells.cell(tag), version: *version })
            .collect();
        let cells: Vec<_> = deps.iter().map(|dep| Arc::clone(&dep.cell)).collect();
        self.ask(None, &cells, how, known).await?;
        if !deps.iter().all(|dep| how.is_valid(known, dep)) {
            return Ok(None);
        }
        let meta = self.meta_of(read, how.policy, header, deps);
        Ok(Some(Arc::new(Entry { meta, value: (wire.decode)(&envelope)? })))
    }

    fn meta_of<T, E>(
        &self,
        read: &Read<'_, T, E>,
        policy: &Policy,
        header: &Header<'_>,
        deps: Box<[Recorded]>,
    ) -> Meta {
        let (now, unix) = (self.clock.now(), self.clock.unix_ms());
        let born = now.before(Duration::from_millis(unix.saturating_sub(header.created_unix_ms)));
        let left = Duration::from_millis(header.expires_unix_ms.saturating_sub(unix));
        let overdue = Duration::from_millis(unix.saturating_sub(header.expires_unix_ms));
        let expires = now.after(left).before(overdue);
        let ahead_from = refresh::ahead_from(policy, born, expires);
        Meta {
            function: read.function,
            counters: self.figures.of(read.function),
            deps,
            created: now,
            expires,
            load_cost: header.load_cost,
            negative: header.negative,
            complete: true,
            ahead_from,
            refresh_from: ahead_from.min(refresh::xfetch_from(policy, expires, header.load_cost)),
            degraded: None,
        }
    }

    /// What a stored value must have been made by: this type, by this function.
    pub(crate) fn schema_of<T, E>(&self, read: &Read<'_, T, E>, wire: &Wire<T>) -> u64 {
        (wire.schema)() ^ read.function.identity()
    }

    /// Puts an entry into process memory, unless its key was removed since `removals` was read.
    pub(crate) fn keep_local(
        &self,
        key: &str,
        entry: &Arc<StoredEntry>,
        policy: &Policy,
        value_bytes: usize,
        removals: u64,
    ) {
        let weight = self.weight(key, entry, value_bytes);
        let ttl = entry.meta.expires.after(policy.grace()).since(self.clock.now());
        self.local.put(key, Arc::clone(entry), weight, ttl);
        if self.removals.count(key) != removals {
            self.local.remove(key);
        }
    }

    async fn poisoned(&self, key: &str, error: &Error) {
        self.counters.poisoned.up();
        tracing::warn!(key, error = %error, "unreadable entry removed");
        self.tell(&Event::Poisoned { key, error });
        if let Err(error) = self.remote.remove(&[key]).await {
            self.remote_failed("remove an unreadable entry", &error);
        }
    }
}

impl Lookup<'_> {
    /// Whether a recorded version is the current one.
    fn is_valid(self, known: &Known, dep: &Recorded) -> bool {
        match known.state(&dep.cell) {
            Some(state) => state == TagState::Version(dep.version),
            None => self.trust_cells && dep.cell.version() == dep.version,
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
