//! A read: the local hit first, then the shared look at the tiers, then the load.

use std::{future::Future, sync::Arc, time::Duration};

use crate::{
    engine::{
        Engine,
        call::{Deps, Read},
        cells::Cell,
        clear::{Cleared, versions_of},
        entry::StoredEntry,
        flight::{Flight, Outcome, Role},
        hit::Local,
        load::{Lead, Load},
        lookup::{Found, Lookup},
        mutation::Mutation,
        places::while_away,
        refresh::Refreshing,
        request,
        scope::LoadScope,
    },
    event::{Event, StaleReason, Tier},
    policy::{Consistency, Policy, TierChoice},
    tag::Tag,
};

/// The longest time for which a caller waits on another caller's load.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);

/// So often a caller may find that the load it waited for was overtaken by a write, before it loads alone.
pub(super) const OVERTAKEN_MAX: u32 = 3;

/// One read under way.
pub(super) struct Call<'a, 'r, T: 'static, E> {
    pub(super) read: &'a Read<'r, T, E>,
    pub(super) policy: Policy,
    pub(super) deps: Deps,
    pub(super) tags: Vec<Tag>,
    pub(super) cells: Vec<Arc<Cell>>,
    /// An entry past its TTL that may answer for a loader.
    pub(super) fallback: Option<Arc<StoredEntry>>,
}

/// A valid entry that answers its caller unless it is loaded anew.
struct Served {
    entry: Arc<StoredEntry>,
    /// Whether the hit was counted.
    counted: bool,
}

/// What a caller knows after it has tried to share a load.
pub(super) enum Shared<T, E> {
    Done(Result<T, E>),
    /// Nothing could be shared: load alone.
    Alone,
    /// The leader went away: try again.
    Again,
}

impl Engine {
    /// Answers from a tier, or loads and stores. `prepare` makes the dependencies and the loader, on a miss only: the loader may own
    /// what the dependencies are made of.
    pub(crate) async fn read<T, E, P, L, Fut>(self: &Arc<Self>, read: &Read<'_, T, E>, prepare: P) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        P: FnOnce() -> (Deps, L),
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let strict = self.is_strict(read);
        if !strict
            && request::is_any()
            && let Some(value) = self.remembered(read)
        {
            return Ok(value);
        }
        // What is not a hit is boxed, so that the future of a hit stays small.
        match self.local_hit(read, strict) {
            Local::Hit(value) => Ok(value),
            Local::Refresh(entry, place) => {
                let (deps, loader) = prepare();
                let served = Served { entry, counted: false };
                Box::pin(self.refresh_in_front(self.call(read, deps), served, place, loader)).await
            }
            Local::Nothing => {
                let (deps, loader) = prepare();
                Box::pin(self.read_slowly(read, deps, loader)).await
            }
        }
    }

    /// The policy in force. Where no tier is shared, what is meant for it alone is kept in process memory.
    pub(super) fn policy_of<T: 'static, E>(&self, read: &Read<'_, T, E>) -> Policy {
        let mut policy = self.settings.policy.overridden(read.policy);
        if policy.tier == TierChoice::Remote && !self.remote.is_shared() {
            policy.tier = TierChoice::Both;
        }
        policy
    }

    /// Whether the read, or the load that it is part of, asks for strict consistency.
    pub(super) fn is_strict<T: 'static, E>(&self, read: &Read<'_, T, E>) -> bool {
        read.policy.consistency.unwrap_or(self.settings.policy.consistency) == Consistency::Strict
            || LoadScope::is_strict()
    }

    async fn read_slowly<T, E, L, Fut>(self: &Arc<Self>, read: &Read<'_, T, E>, deps: Deps, loader: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let call = self.call(read, deps);
        match call.policy.consistency {
            Consistency::Bounded => self.read_bounded(call, loader).await,
            Consistency::Strict => self.read_strict(call, loader).await,
        }
    }

    pub(super) fn call<'a, 'r, T: 'static, E>(&self, read: &'a Read<'r, T, E>, deps: Deps) -> Call<'a, 'r, T, E> {
        let tags = deps.tags();
        let cells = tags.iter().map(|tag| self.cells.cell(tag)).collect();
        let mut policy = self.policy_of(read);
        if self.is_strict(read) {
            policy.consistency = Consistency::Strict;
        }
        Call { read, policy, deps, tags, cells, fallback: None }
    }

    /// Callers share everything from the look at the tiers on, unless an invalidation comes between.
    async fn read_bounded<T, E, L, Fut>(self: &Arc<Self>, mut call: Call<'_, '_, T, E>, loader: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut overtaken = 0;
        let leading = loop {
            match self.join_or_lead(call.read.key) {
                Role::Lead(leading) => break Some(leading),
                Role::Join(flight) => {
                    let outcome = self.outcome_of(&flight).await;
                    // A load finds out on its way what it depends on; this caller may have come after a write to some of it.
                    if matches!(outcome, Outcome::Value(_)) && !self.may_share(&flight) {
                        overtaken += 1;
                        if overtaken < OVERTAKEN_MAX {
                            continue;
                        }
                        break None;
                    }
                    match self.share_outcome(call.read, outcome) {
                        Shared::Done(result) => return result,
                        Shared::Alone => break None,
                        Shared::Again => {}
                    }
                }
            }
        };
        let lead = Lead { flight: leading, turn: None };
        let trust_cells = self.lease.holds(self.clock.now());
        let found = self.look_up(&call, trust_cells, lead.flight().map(|flight| &**flight)).await;
        if let Some((value, entry)) = self.accept(&mut call, found) {
            lead.finish(Outcome::Value(Arc::clone(&entry)));
            return self.answer_early(call, value, entry, loader).await;
        }
        self.missed(call.read);
        Box::pin(self.obtain(call, lead, trust_cells, loader)).await
    }

    /// Joins a load of the key, unless an invalidation has come since it began, or could have come without being heard; else leads one.
    pub(super) fn join_or_lead(&self, key: &str) -> Role<'_> {
        let now = self.clock.now();
        let trusted = self.lease.holds(now);
        self.flights.join_or_lead(key, now, |flight| {
            self.may_share(flight) && (trusted || now < flight.started().after(self.settings.lease))
        })
    }

    /// Every caller asks the remote tier itself, and shares a load only if that load began under the very versions it was told.
    async fn read_strict<T, E, L, Fut>(self: &Arc<Self>, mut call: Call<'_, '_, T, E>, loader: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let found = self.look_up(&call, false, None).await;
        if let Some((value, entry)) = self.accept(&mut call, found) {
            return self.answer_early(call, value, entry, loader).await;
        }
        self.missed(call.read);
        let lead = loop {
            let (captured, _) = self.capture_for(&call, None, None).await;
            let Some(versions) = versions_of(&captured).filter(|_| !call.deps.is_auto()) else {
                break Lead::default();
            };
            match self.flights.join_or_lead(call.read.key, self.clock.now(), |flight| flight.has_captured(&versions)) {
                Role::Lead(leading) => {
                    for tag in captured.iter().flatten() {
                        leading.flight().watch(&tag.cell, tag.sequence);
                    }
                    leading.flight().set_captured(versions);
                    break Lead { flight: Some(leading), turn: None };
                }
                Role::Join(flight) => match self.share_outcome(call.read, self.outcome_of(&flight).await) {
                    Shared::Done(result) => return result,
                    Shared::Alone => break Lead::default(),
                    Shared::Again => {}
                },
            }
        };
        Box::pin(self.obtain(call, lead, false, loader)).await
    }

    /// Answers with a value found beyond process memory, and sees to its refresh if that is due.
    async fn answer_early<T, E, L, Fut>(
        self: &Arc<Self>,
        call: Call<'_, '_, T, E>,
        value: T,
        entry: Arc<StoredEntry>,
        loader: L,
    ) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.consider_remote(call.read, &call.policy, &entry.meta) {
            Some(place) => Box::pin(self.refresh_in_front(call, Served { entry, counted: true }, place, loader)).await,
            None => Ok(value),
        }
    }

    /// Loads a valid entry anew in front of its caller. Whoever cannot, or need not, is served what there is.
    async fn refresh_in_front<T, E, L, Fut>(
        self: &Arc<Self>,
        mut call: Call<'_, '_, T, E>,
        served: Served,
        place: Refreshing,
        loader: L,
    ) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Served { entry, counted } = served;
        if let Some(value) = self.refreshed_elsewhere(&call, counted).await {
            return Ok(value);
        }
        let (captured, lock) = self.capture_for(&call, None, self.lock_token(&call)).await;
        let may = lock.is_some() || !self.wants_lock(&call);
        if let Some(value) = entry.value.downcast_ref::<T>().filter(|_| !may) {
            if !counted {
                self.hit(call.read.function, call.read.key, &entry, Tier::Local);
            }
            return Ok(value.clone());
        }
        call.fallback = Some(entry);
        let result = self.load(call.load_with(Cleared { captured, lead: Lead::default(), lock }), loader).await;
        drop(place);
        result
    }

    pub(super) async fn look_up<T: Send + Sync + 'static, E>(
        &self,
        call: &Call<'_, '_, T, E>,
        trust_cells: bool,
        flight: Option<&Flight>,
    ) -> Found {
        self.lookup(
            call.read,
            Lookup { policy: &call.policy, cells: &call.cells, trust_cells, flight, past_local: false },
        )
        .await
    }

    /// The value found, if it may be served; notes a fallback otherwise.
    pub(super) fn accept<T, E>(
        self: &Arc<Self>,
        call: &mut Call<'_, '_, T, E>,
        found: Found,
    ) -> Option<(T, Arc<StoredEntry>)>
    where
        T: Clone + Send + Sync + 'static,
    {
        match found {
            Found::Fresh(entry, tier) => {
                let value = self.value_of(&entry)?;
                self.hit(call.read.function, call.read.key, &entry, tier);
                Some((value, entry))
            }
            Found::Stale(entry) => {
                let overdue = self.clock.now().since(entry.meta.expires);
                let served = overdue < call.policy.stale_while_revalidate && call.read.background.is_some();
                if served {
                    let value = self.value_of(&entry)?;
                    LoadScope::uses(&entry.meta);
                    let _in_background = self.refresh_now(call.read);
                    self.stale_served(call.read, StaleReason::Revalidating);
                    return Some((value, entry));
                }
                call.fallback = Some(entry).filter(|_| overdue < call.policy.stale_if_error);
                None
            }
            Found::Down => {
                let entry = self.degraded(call.read, &call.policy).filter(|_| self.may_degrade(&call.policy))?;
                let value = self.value_of(&entry)?;
                LoadScope::uses(&entry.meta);
                self.stale_served(call.read, StaleReason::RemoteDown);
                Some((value, entry))
            }
            Found::Nothing => None,
        }
    }

    /// Waits for a load that another caller runs, and not for ever: that caller's future may never be polled again.
    pub(super) async fn outcome_of(&self, flight: &Flight) -> Outcome {
        while_away(self.clock.timeout(WAIT_MAX, flight.outcome())).await.unwrap_or(Outcome::Failed(None))
    }

    pub(super) fn may_share(&self, flight: &Flight) -> bool {
        self.settings.mutation == Some(Mutation::JoinableFlights) || flight.is_untouched()
    }

    pub(super) fn share_outcome<T, E>(&self, read: &Read<'_, T, E>, outcome: Outcome) -> Shared<T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        let shared = match outcome {
            Outcome::Value(entry) if std::ptr::eq(entry.meta.function, read.function) => {
                let value = self.value_of(&entry);
                self.remember(read.key, &entry);
                LoadScope::uses(&entry.meta);
                value.map(Ok)
            }
            Outcome::Value(_) => None,
            Outcome::Failed(error) => error.and_then(|error| read.share_error.as_ref()?.unwrap(&error)).map(Err),
            Outcome::Abandoned => return Shared::Again,
        };
        shared.map_or(Shared::Alone, |result| {
            self.figures.of(read.function).joined.up();
            self.tell(&Event::Joined { function: read.function.name() });
            Shared::Done(result)
        })
    }

    pub(crate) fn missed<T: 'static, E>(&self, read: &Read<'_, T, E>) {
        self.figures.of(read.function).misses.up();
        self.tell(&Event::Miss { function: read.function.name() });
    }

    /// The cached value, if a tier can prove one valid; never loads.
    pub(crate) async fn peek<T, E>(self: &Arc<Self>, read: &Read<'_, T, E>) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let strict = self.is_strict(read);
        match self.local_hit(read, strict) {
            Local::Hit(value) => return Some(value),
            Local::Refresh(entry, _not_taken) => {
                self.hit(read.function, read.key, &entry, Tier::Local);
                return self.value_of(&entry);
            }
            Local::Nothing => {}
        }
        let policy = self.policy_of(read);
        let trust_cells = !strict && self.lease.holds(self.clock.now());
        let how = Lookup { policy: &policy, cells: &[], trust_cells, flight: None, past_local: false };
        let Found::Fresh(entry, tier) = self.lookup(read, how).await else { return None };
        self.hit(read.function, read.key, &entry, tier);
        self.value_of(&entry)
    }

    /// Loads anew and stores, whatever the tiers hold.
    pub(crate) async fn refresh<T, E, D, L, Fut>(
        self: &Arc<Self>,
        read: &Read<'_, T, E>,
        deps: D,
        loader: L,
    ) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        D: FnOnce() -> Deps,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let call = self.call(read, deps());
        let (captured, _) = self.capture_for(&call, None, None).await;
        self.load(call.load_with(Cleared { captured, lead: Lead::default(), lock: None }), loader).await
    }

    /// What another process has refreshed already: its entry replaces this node's older copy.
    async fn refreshed_elsewhere<T, E>(&self, call: &Call<'_, '_, T, E>, counted: bool) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let how =
            Lookup { policy: &call.policy, cells: &call.cells, trust_cells: false, flight: None, past_local: true };
        let Found::Fresh(entry, tier) = self.lookup(call.read, how).await else { return None };
        if tier == Tier::Local || self.clock.now() >= entry.meta.refresh_from {
            return None;
        }
        let value = self.value_of(&entry)?;
        self.note_refreshed(call.read.key, &entry.meta);
        if !counted {
            self.hit(call.read.function, call.read.key, &entry, tier);
        }
        Some(value)
    }

    /// As [`refresh`](Self::refresh), unless another process is at it, or has been: what a background refresh runs.
    pub(crate) async fn refresh_once<T, E, D, L, Fut>(
        self: &Arc<Self>,
        read: &Read<'_, T, E>,
        deps: D,
        loader: L,
    ) -> Option<Result<T, E>>
    where
        T: Clone + Send + Sync + 'static,
        D: FnOnce() -> Deps,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let call = self.call(read, deps());
        if let Some(value) = self.refreshed_elsewhere(&call, false).await {
            return Some(Ok(value));
        }
        let (captured, lock) = self.capture_for(&call, None, self.lock_token(&call)).await;
        if lock.is_none() && self.wants_lock(&call) {
            return None;
        }
        let cleared = Cleared { captured, lead: Lead::default(), lock };
        Some(self.load(call.load_with(cleared), loader).await)
    }
}

impl<'r, T, E> Call<'_, 'r, T, E> {
    pub(super) fn load_with<'a>(&'a self, cleared: Cleared<'a>) -> Load<'a, 'r, T, E> {
        let Cleared { captured, lead, lock } = cleared;
        let fallback = self.fallback.clone();
        Load { read: self.read, policy: &self.policy, deps: &self.deps, captured, lead, lock, fallback }
    }
}
