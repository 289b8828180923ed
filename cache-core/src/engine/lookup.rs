//! Asks the tiers for an entry: the local copy with its tags re-checked, then the remote one.

use std::sync::{Arc, atomic::Ordering};

use foldhash::HashSet;

use crate::{
    clock::Moment,
    engine::{
        Engine,
        call::Read,
        cells::{Cell, Sequence},
        entry::{Meta, StoredEntry, enters_local_tier},
        flight::Flight,
        front::Front,
        judge::{Candidate, Judged, Known},
        mutation::Mutation,
    },
    error::Error,
    event::Tier,
    policy::{Policy, TierChoice},
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

/// So many keys at the most are asked for, captured or stored in one round trip.
pub(crate) const KEYS_PER_TRIP_MAX: usize = 1_000;

/// One entry that is looked for, among others or alone.
pub(crate) struct Sought<'a, 'r, T: 'static, E> {
    pub(crate) read: &'a Read<'r, T, E>,
    pub(crate) how: Lookup<'a>,
}

/// What the next round trip asks about.
#[derive(Default)]
struct Question {
    cells: Vec<(Arc<Cell>, Sequence)>,
    seen: HashSet<usize>,
}

impl Question {
    /// Asks for the states of those cells that are not known yet.
    fn add(&mut self, cells: &[Arc<Cell>], how: Lookup<'_>, known: &Known) {
        for cell in cells {
            // The sequence is taken before the request is sent, and before the version is looked at.
            let sequence = cell.sequence();
            if let Some(flight) = how.flight {
                flight.watch(cell, sequence);
            }
            let decided = known.state(cell).is_some() || (how.trust_cells && cell.version() != 0);
            if !decided && self.seen.insert(Arc::as_ptr(cell).addr()) {
                self.cells.push((Arc::clone(cell), sequence));
            }
        }
    }
}

impl Engine {
    /// The entry from whichever tier can prove it valid. A fault of the remote tier is an event.
    pub(crate) async fn lookup<T, E>(&self, read: &Read<'_, T, E>, how: Lookup<'_>) -> Found
    where
        T: Send + Sync + 'static,
    {
        self.lookup_many(&[Sought { read, how }]).await.pop().unwrap_or(Found::Nothing)
    }

    /// As [`lookup`](Self::lookup), for several: what each is, in their order. One round trip asks for the entries and the tags known
    /// beforehand; another follows where local copies turn out stale, or entries name tags that nobody here knows yet.
    pub(crate) async fn lookup_many<T, E>(&self, sought: &[Sought<'_, '_, T, E>]) -> Vec<Found>
    where
        T: Send + Sync + 'static,
    {
        let mut found = Vec::with_capacity(sought.len());
        for some in sought.chunks(KEYS_PER_TRIP_MAX) {
            found.extend(self.lookup_some(some).await);
        }
        found
    }

    async fn lookup_some<T, E>(&self, sought: &[Sought<'_, '_, T, E>]) -> Vec<Found>
    where
        T: Send + Sync + 'static,
    {
        let mut known = Known::default();
        let mut found: Vec<Option<Found>> = Vec::with_capacity(sought.len());
        let mut fetching: Vec<(usize, &Sought<'_, '_, T, E>)> = Vec::new();
        let mut judging: Vec<(usize, &Sought<'_, '_, T, E>, Candidate)> = Vec::new();
        let mut question = Question::default();
        for (at, one) in sought.iter().enumerate() {
            found.push(None);
            match self.local_candidate(one.read, one.how.policy).filter(|_| !one.how.past_local) {
                Some(entry) => {
                    question.add(&cells_of(&entry.meta), one.how, &known);
                    if self.seems_stale(&entry.meta) {
                        fetching.push((at, one));
                    }
                    judging.push((at, one, Candidate::Copy(entry)));
                }
                None => fetching.push((at, one)),
            }
        }
        while !fetching.is_empty() || !judging.is_empty() {
            fetching.retain(|(_, one)| self.has_wire(one));
            let keys: Vec<&str> = fetching.iter().map(|(_, one)| one.read.key).collect();
            fetching.iter().for_each(|(_, one)| question.add(one.how.cells, one.how, &known));
            let removals: Vec<u64> = keys.iter().map(|key| self.removals.count(key)).collect();
            let fetched = match self.ask(&keys, std::mem::take(&mut question), &mut known).await {
                Ok(fetched) => fetched,
                Err(error) => {
                    self.remote_failed("read an entry", &error);
                    for at in fetching.iter().map(|(at, _)| *at).chain(judging.iter().map(|(at, ..)| *at)) {
                        set(&mut found, at, Found::Down);
                    }
                    break;
                }
            };
            let came_along: Vec<usize> = fetching.iter().map(|(at, _)| *at).collect();
            let arrived = std::mem::take(&mut fetching).into_iter().zip(fetched.into_iter().zip(removals));
            let proven = std::mem::take(&mut judging);
            for (at, one, candidate) in proven {
                let is_copy = matches!(candidate, Candidate::Copy(_));
                // What is still not proven now never will be.
                if let Judged::Valid(entry) = self.judge(one, &candidate, &known).await {
                    set(&mut found, at, self.as_found(entry, is_copy));
                }
                if is_copy && !is_fresh(&found, at) && !came_along.contains(&at) {
                    fetching.push((at, one));
                }
            }
            for ((at, one), (bytes, removals)) in arrived {
                let Some(bytes) = bytes.filter(|_| !is_fresh(&found, at)) else { continue };
                let candidate = Candidate::Bytes { bytes, removals };
                match self.judge(one, &candidate, &known).await {
                    Judged::Valid(entry) => set(&mut found, at, self.as_found(entry, false)),
                    Judged::Invalid => {}
                    Judged::Unproven(cells) => {
                        question.add(&cells, one.how, &known);
                        judging.push((at, one, candidate));
                    }
                }
            }
        }
        found.into_iter().map(|found| found.unwrap_or(Found::Nothing)).collect()
    }

    /// Whether a local copy has probably been made stale, so that the entry of the remote tier is asked for at once: a message has named one
    /// of its tags. After a loss of the bus all tags are in doubt, and few of them changed.
    fn seems_stale(&self, meta: &Meta) -> bool {
        let heard_since = Moment::from_nanos(self.heard_since.load(Ordering::Acquire));
        meta.deps.iter().any(|dep| match dep.cell.version() {
            0 => dep.cell.touched().is_some_and(|touched| touched > heard_since && touched > meta.created),
            version => version != dep.version,
        })
    }

    /// Whether the remote tier may have the entry.
    fn has_wire<T, E>(&self, one: &Sought<'_, '_, T, E>) -> bool {
        one.read.wire.is_some() && one.how.policy.tier != TierChoice::Local && self.remote.is_shared()
    }

    /// A valid entry, by whether its TTL holds.
    fn as_found(&self, entry: Arc<StoredEntry>, is_copy: bool) -> Found {
        if entry.meta.is_alive(self.clock.now()) {
            Found::Fresh(entry, if is_copy { Tier::Local } else { Tier::Remote })
        } else {
            Found::Stale(entry)
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

    /// One round trip: the bytes at each key, and the states of the cells in question. None, if there is nothing to ask.
    async fn ask(&self, keys: &[&str], question: Question, known: &mut Known) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if keys.is_empty() && question.cells.is_empty() {
            return Ok(Vec::new());
        }
        let tags: Vec<Tag> = question.cells.iter().map(|(cell, _)| cell.tag().clone()).collect();
        let fetched = self.remote.fetch(keys, &tags).await?;
        for ((cell, sequence), state) in question.cells.into_iter().zip(fetched.states) {
            let state = cell.verify(sequence, state, self.settings.mutation != Some(Mutation::NoSequence));
            known.learn(cell, state);
        }
        Ok(fetched.entries)
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
        let ttl = entry.meta.expires.after(policy.grace()).since(self.clock.now());
        if ttl.is_zero() {
            return;
        }
        let weight = self.weight(key, entry, value_bytes);
        let is_light = self.local.capacity_bytes().is_none_or(|bytes| u64::from(weight) <= Front::weight_max(bytes));
        entry.meta.in_front.store(is_light, Ordering::Release);
        enters_local_tier(entry);
        self.local.put(key, Arc::clone(entry), weight, ttl);
        if self.removals.count(key) != removals {
            self.local.remove(key);
        }
    }
}

pub(super) fn cells_of(meta: &Meta) -> Vec<Arc<Cell>> {
    meta.deps.iter().map(|dep| Arc::clone(&dep.cell)).collect()
}

fn is_fresh(found: &[Option<Found>], at: usize) -> bool {
    matches!(found.get(at), Some(Some(Found::Fresh(..))))
}

fn set(found: &mut [Option<Found>], at: usize, what: Found) {
    if let Some(place) = found.get_mut(at) {
        *place = Some(what);
    }
}
