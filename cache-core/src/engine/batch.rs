//! Reads many keys of one function: what is missing is asked for together, loaded by one call, and stored together.

use std::{collections::HashMap, future::Future, sync::Arc};

use smallvec::SmallVec;

use crate::{
    clock::Moment,
    engine::{
        Engine,
        call::{Deps, Read},
        entry::StoredEntry,
        fill::{Captured, Fill, Made},
        flight::{Flight, Outcome, Role},
        hit::Local,
        load::{Fallback, Lead, Loaded, Running},
        lookup::{Found, KEYS_PER_TRIP_MAX, Lookup, Sought},
        places::while_away,
        read::{Call, OVERTAKEN_MAX, Shared, WAIT_MAX},
        refresh::Refreshing,
        scope::{LoadScope, ScopeOf},
        store::Parcel,
    },
    event::FillRefusal,
    key::Key,
    policy::{Consistency, Policy},
    tag::Tag,
};

/// A key that process memory had no answer for.
struct Asked<'a, T: 'static, E> {
    /// Its place among the keys.
    at: usize,
    read: Read<'a, T, E>,
    /// A valid entry that is to be loaded anew before its end, and the right to do so.
    due: Option<(Arc<StoredEntry>, Refreshing)>,
}

/// A key whose answer this caller finds, for itself and for whoever waits.
struct Member<'a, 'r, T: 'static, E> {
    at: usize,
    call: Call<'a, 'r, T, E>,
    lead: Lead<'a>,
    is_due: bool,
    captured: Result<Vec<Captured>, FillRefusal>,
}

/// The answers so far, by place.
struct Answers<T>(Vec<Option<T>>);

impl<T> Answers<T> {
    fn set(&mut self, at: usize, value: T) {
        if let Some(place) = self.0.get_mut(at) {
            *place = Some(value);
        }
    }
}

impl Engine {
    /// The values at many keys of one function, in their order; a key may occur more than once. `read` is the read of each, but for its key.
    ///
    /// `deps` and `loader` name keys by their places. The loader is called with the places that are missing, each once and in order; what
    /// it leaves out at the end of its list is `T::default()`. It is called again only for keys that were waited for in vain,
    /// because the caller who loaded them was cancelled or overtaken by a write. Between processes there is no lock.
    pub(crate) async fn read_many<T, E, K, D, L, Fut>(
        self: &Arc<Self>,
        read: &Read<'_, T, E>,
        keys: &[K],
        deps: D,
        loader: L,
    ) -> Result<Vec<T>, E>
    where
        T: Clone + Default + Send + Sync + 'static,
        K: Key,
        D: Fn(usize) -> Deps,
        L: Fn(Vec<usize>, LoadScope) -> Fut,
        Fut: Future<Output = Result<Vec<T>, E>>,
    {
        let strict = self.is_strict(read);
        let (mut answers, asked, copies) = self.all_at_hand(read, keys, strict);
        if !asked.is_empty() {
            // What is not all hits is boxed, so that the future of hits stays small.
            Box::pin(self.find_missing(asked, strict, &mut answers, &deps, &loader)).await?;
        }
        for (at, first) in copies {
            if let Some(value) = answers.0.get(first).cloned().flatten() {
                answers.set(at, value);
            }
        }
        Ok(answers.0.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// The cached values at many keys, where a tier can prove one valid; never loads.
    pub(crate) async fn peek_many<T, E, K>(self: &Arc<Self>, read: &Read<'_, T, E>, keys: &[K]) -> Vec<Option<T>>
    where
        T: Clone + Send + Sync + 'static,
        K: Key,
    {
        let strict = self.is_strict(read);
        let (mut answers, asked, copies) = self.all_at_hand(read, keys, strict);
        let policy = self.policy_of(read);
        let trust_cells = !strict && self.lease.holds(self.clock.now());
        let how = Lookup { policy: &policy, cells: &[], trust_cells, flight: None, past_local: false };
        let sought: Vec<_> = asked.iter().map(|one| Sought { read: &one.read, how }).collect();
        for (one, found) in asked.iter().zip(self.lookup_many(&sought).await) {
            if let Found::Fresh(entry, tier) = found
                && let Some(value) = self.value_of(&entry)
            {
                self.hit(one.read.function, one.read.key, &entry, tier);
                answers.set(one.at, value);
            }
        }
        for (at, first) in copies {
            if let Some(value) = answers.0.get(first).cloned().flatten() {
                answers.set(at, value);
            }
        }
        answers.0
    }

    /// Loads the values at many keys anew and stores them, whatever the tiers hold.
    pub(crate) async fn refresh_many<T, E, K, D, L, Fut>(
        self: &Arc<Self>,
        read: &Read<'_, T, E>,
        keys: &[K],
        deps: D,
        loader: L,
    ) -> Result<Vec<T>, E>
    where
        T: Clone + Default + Send + Sync + 'static,
        K: Key,
        D: Fn(usize) -> Deps,
        L: Fn(Vec<usize>, LoadScope) -> Fut,
        Fut: Future<Output = Result<Vec<T>, E>>,
    {
        let reads: Vec<Read<'_, T, E>> = keys.iter().map(|key| read.with_key(key)).collect();
        let members = reads.iter().enumerate().map(|(at, read)| Member::new(self, read, at, &deps)).collect();
        let mut answers = Answers(reads.iter().map(|_| None).collect());
        self.load_members(members, &mut answers, &loader).await?;
        Ok(answers.0.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// What the request scope and process memory answer; what is left to ask for, each key once; and the places of keys that
    /// occur again, with the first place of each.
    #[allow(clippy::type_complexity)]
    fn all_at_hand<'a, T, E, K>(
        self: &Arc<Self>,
        read: &Read<'a, T, E>,
        keys: &'a [K],
        strict: bool,
    ) -> (Answers<T>, Vec<Asked<'a, T, E>>, Vec<(usize, usize)>)
    where
        T: Clone + Send + Sync + 'static,
        K: Key,
    {
        let mut answers = Answers(Vec::with_capacity(keys.len()));
        let mut asked: Vec<Asked<'a, T, E>> = Vec::new();
        let mut first: HashMap<&str, usize> = HashMap::new();
        let mut copies = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let read = read.with_key(key);
            let remembered = if strict { None } else { self.remembered(&read) };
            let due = match remembered.map_or_else(|| self.local_hit(&read, strict), Local::Hit) {
                Local::Hit(value) => {
                    answers.0.push(Some(value));
                    continue;
                }
                Local::Refresh(entry, place) => Some((entry, place)),
                Local::Nothing => None,
            };
            answers.0.push(None);
            match first.get(key.text()) {
                Some(first) => copies.push((at, *first)),
                None => {
                    first.insert(key.text(), at);
                    asked.push(Asked { at, read, due });
                }
            }
        }
        (answers, asked, copies)
    }

    /// Finds what is missing: leads where nobody does, and then waits for whoever leads the rest.
    async fn find_missing<T, E, D, L, Fut>(
        self: &Arc<Self>,
        mut asked: Vec<Asked<'_, T, E>>,
        strict: bool,
        answers: &mut Answers<T>,
        deps: &D,
        loader: &L,
    ) -> Result<(), E>
    where
        T: Clone + Default + Send + Sync + 'static,
        D: Fn(usize) -> Deps,
        L: Fn(Vec<usize>, LoadScope) -> Fut,
        Fut: Future<Output = Result<Vec<T>, E>>,
    {
        let give_up = self.clock.now().after(WAIT_MAX);
        // A strict caller shares only a load of the very versions that it was told; many of them are not worth the search.
        let mut alone = strict;
        // The right to refresh is given back when all is over.
        let mut places: Vec<Refreshing> = Vec::new();
        for round in 0..=OVERTAKEN_MAX {
            alone |= round == OVERTAKEN_MAX;
            let mut joined: Vec<(usize, Arc<Flight>)> = Vec::new();
            let mut members = Vec::new();
            for (nth, one) in asked.iter_mut().enumerate() {
                let due = one.due.take();
                let lead = match self.role(&one.read, alone || due.is_some()) {
                    None => Lead::default(),
                    Some(Role::Lead(leading)) => Lead { flight: Some(leading), turn: None },
                    Some(Role::Join(flight)) => {
                        joined.push((nth, flight));
                        continue;
                    }
                };
                let mut member = Member::new(self, &one.read, one.at, deps);
                member.lead = lead;
                if let Some((entry, place)) = due {
                    member.is_due = true;
                    member.call.fallback = Some(entry);
                    places.push(place);
                }
                members.push(member);
            }
            let missing = self.find_in_tiers(members, strict, answers).await;
            self.load_members(missing, answers, loader).await?;
            let mut left: Vec<usize> = Vec::new();
            for (nth, flight) in joined {
                let Some(one) = asked.get(nth) else { continue };
                match self.wait_for(&one.read, &flight, give_up).await {
                    Shared::Done(value) => answers.set(one.at, value?),
                    Shared::Again => left.push(nth),
                    Shared::Alone => {
                        alone = true;
                        left.push(nth);
                    }
                }
            }
            if left.is_empty() {
                break;
            }
            let mut nth = 0;
            asked.retain(|_| {
                nth += 1;
                left.binary_search(&(nth - 1)).is_ok()
            });
        }
        drop(places);
        Ok(())
    }

    /// Whether to lead or to join the load of a key, unless this caller keeps to itself.
    fn role<T: 'static, E>(&self, read: &Read<'_, T, E>, alone: bool) -> Option<Role<'_>> {
        (!alone).then(|| self.join_or_lead(read.key))
    }

    /// The outcome of another caller's load, if it may be shared still when it ends.
    async fn wait_for<T, E>(&self, read: &Read<'_, T, E>, flight: &Flight, give_up: Moment) -> Shared<T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        let patience = give_up.since(self.clock.now());
        let outcome = while_away(self.clock.timeout(patience, flight.outcome())).await;
        let outcome = outcome.unwrap_or(Outcome::Failed(None));
        if matches!(outcome, Outcome::Value(_)) && !self.may_share(flight) {
            return Shared::Again;
        }
        self.share_outcome(read, outcome)
    }

    /// Takes what the tiers have; returns what they have not.
    async fn find_in_tiers<'a, 'r, T, E>(
        self: &Arc<Self>,
        members: Vec<Member<'a, 'r, T, E>>,
        strict: bool,
        answers: &mut Answers<T>,
    ) -> Vec<Member<'a, 'r, T, E>>
    where
        T: Clone + Send + Sync + 'static,
    {
        let trust_cells = !strict && self.lease.holds(self.clock.now());
        let found = {
            let sought: Vec<_> = members.iter().map(|member| member.sought(trust_cells)).collect();
            self.lookup_many(&sought).await
        };
        let mut missing = Vec::new();
        for (mut member, found) in members.into_iter().zip(found) {
            let renewed = !member.is_due || self.is_newer(&found);
            if renewed && let Some((value, entry)) = self.accept(&mut member.call, found) {
                self.note_refreshed(member.call.read.key, &entry.meta);
                member.lead.finish(Outcome::Value(entry));
                answers.set(member.at, value);
                continue;
            }
            if !member.is_due {
                self.missed(member.call.read);
            }
            missing.push(member);
        }
        missing
    }

    /// Whether another process has loaded anew what was due.
    fn is_newer(&self, found: &Found) -> bool {
        matches!(found, Found::Fresh(entry, _) if self.clock.now() < entry.meta.refresh_from)
    }

    /// Captures the versions of all, loads all by one call, and stores each.
    async fn load_members<T, E, L, Fut>(
        self: &Arc<Self>,
        mut members: Vec<Member<'_, '_, T, E>>,
        answers: &mut Answers<T>,
        loader: &L,
    ) -> Result<(), E>
    where
        T: Clone + Default + Send + Sync + 'static,
        L: Fn(Vec<usize>, LoadScope) -> Fut,
        Fut: Future<Output = Result<Vec<T>, E>>,
    {
        let Some(first) = members.first() else { return Ok(()) };
        let (policy, read) = (first.call.policy, first.call.read);
        let strict = policy.consistency == Consistency::Strict;
        for some in members.chunks_mut(KEYS_PER_TRIP_MAX) {
            self.capture_members(some, &policy).await;
        }
        let before: Vec<_> =
            members.iter().map(|one| self.before(one.call.read.key, &one.call.deps, &policy)).collect();
        let flights: SmallVec<_> = members.iter().filter_map(|one| one.lead.flight().map(Arc::clone)).collect();
        let statements = members.iter().any(|one| one.call.deps.is_auto());
        let of = ScopeOf { flights, statements, strict, ttl: policy.kept(), declared: Vec::new() };
        let scope = LoadScope::new(self, of);
        let running = Running {
            function: read.function,
            soft_timeout: policy.soft_timeout,
            hard_timeout: read.hard_timeout,
            fallback: fallback_of(&members),
            scope: &scope,
        };
        let places = members.iter().map(|one| one.at).collect();
        let (loaded, load_cost) = self.run_loader(running, |scope| loader(places, scope)).await;
        match loaded {
            Loaded::Done(values) => {
                let collected = scope.collect();
                let values = values.into_iter().chain(std::iter::repeat_with(T::default));
                let calls: Vec<_> = members.iter_mut().map(Member::take).collect();
                let mut parcels: Vec<Parcel<'_>> = Vec::with_capacity(members.len());
                for (((one, (lead, captured)), value), before) in members.iter().zip(calls).zip(values).zip(before) {
                    let (declared, refused) = match captured {
                        Ok(captured) => (captured, None),
                        Err(why) => (Vec::new(), Some(why)),
                    };
                    let collected = collected.with_declared(declared);
                    let made = Made { value, load_cost, refused, collected, before };
                    let fill = Fill { read: one.call.read, deps: &one.call.deps, made, lead, lock: None };
                    let (value, parcel) = self.shelve(&policy, fill);
                    answers.set(one.at, value);
                    parcels.push(parcel);
                }
                self.ship(&mut parcels).await;
                Ok(())
            }
            Loaded::Failed(error) => {
                for one in members {
                    let shared = one.call.read.share_error.as_ref().map(|share| share.wrap(&error));
                    one.lead.finish(Outcome::Failed(shared));
                }
                Err(error)
            }
            Loaded::Stale(Fallback { value: values, entries }, why) => {
                for ((one, value), entry) in members.into_iter().zip(values).zip(&entries) {
                    self.answered_stale(one.call.read, Some(entry), one.lead, strict, why);
                    answers.set(one.at, value);
                }
                Ok(())
            }
        }
    }

    /// Captures the tags of all, each once. What is pending, or cannot be captured, is loaded and not stored.
    async fn capture_members<T: 'static, E>(&self, members: &mut [Member<'_, '_, T, E>], policy: &Policy) {
        let mut tags: Vec<Tag> = Vec::new();
        let mut places: HashMap<Tag, usize> = HashMap::new();
        for one in &*members {
            if let Some(flight) = one.lead.flight() {
                one.call.cells.iter().for_each(|cell| flight.watch(cell, cell.sequence()));
            }
            for tag in &one.call.tags {
                places.entry(tag.clone()).or_insert_with(|| {
                    tags.push(tag.clone());
                    tags.len() - 1
                });
            }
        }
        let captured = self.capture(&tags, policy.kept(), &[]).await.map_err(|error| {
            self.remote_failed("capture versions", &error);
            FillRefusal::RemoteDown
        });
        for one in members {
            let own = |all: &Vec<Captured>| -> Vec<Captured> {
                let places = one.call.tags.iter().filter_map(|tag| places.get(tag));
                places.filter_map(|place| all.get(*place).cloned()).collect()
            };
            one.captured = captured.as_ref().map(own).map_err(|why| *why);
            let (Some(flight), Ok(captured)) = (one.lead.flight(), &one.captured) else { continue };
            match captured.iter().map(|tag| tag.version).collect() {
                Some(versions) => flight.set_captured(versions),
                None => flight.close(),
            }
        }
    }
}

impl<'a, 'r, T: 'static, E> Member<'a, 'r, T, E> {
    fn new(engine: &Engine, read: &'a Read<'r, T, E>, at: usize, deps: impl Fn(usize) -> Deps) -> Self {
        let call = engine.call(read, deps(at));
        Self { at, call, lead: Lead::default(), is_due: false, captured: Err(FillRefusal::RemoteDown) }
    }

    fn sought(&self, trust_cells: bool) -> Sought<'_, 'r, T, E> {
        let flight = self.lead.flight().map(|flight| &**flight);
        let Call { read, policy, cells, .. } = &self.call;
        Sought { read, how: Lookup { policy, cells, trust_cells, flight, past_local: self.is_due } }
    }

    /// What the fill takes over.
    fn take(&mut self) -> (Lead<'a>, Result<Vec<Captured>, FillRefusal>) {
        let captured = std::mem::replace(&mut self.captured, Err(FillRefusal::RemoteDown));
        (std::mem::take(&mut self.lead), captured)
    }
}

/// What may answer for the loader, if there is something for each.
fn fallback_of<T, E>(members: &[Member<'_, '_, T, E>]) -> Option<Fallback<Vec<T>>>
where
    T: Clone + Send + Sync + 'static,
{
    let entries: Option<SmallVec<[Arc<StoredEntry>; 1]>> =
        members.iter().map(|one| one.call.fallback.clone()).collect();
    let entries = entries?;
    let value: Option<Vec<T>> = entries.iter().map(|entry| entry.value.downcast_ref::<T>().cloned()).collect();
    Some(Fallback { value: value?, entries })
}
