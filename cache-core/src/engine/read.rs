//! A read: the local hit first, then the shared look at the tiers, then the load.

use std::{future::Future, sync::Arc};

use crate::{
    engine::{
        Engine,
        call::{Deps, Read},
        cells::Cell,
        entry::StoredEntry,
        fill::{Captured, Load},
        flight::{Flight, Outcome, Role},
        lookup::Lookup,
        mutation::Mutation,
        scope::LoadScope,
    },
    event::{Event, FillRefusal, Tier},
    policy::{Consistency, Policy, TierChoice},
    tag::Tag,
};

/// One read under way.
struct Call<'a, 'r, T: 'static, E> {
    read: &'a Read<'r, T, E>,
    policy: Policy,
    deps: Deps,
    tags: Vec<Tag>,
    cells: Vec<Arc<Cell>>,
}

/// What a caller knows after it has tried to share a load.
enum Shared<T, E> {
    Done(Result<T, E>),
    /// Nothing could be shared: load alone.
    Alone,
    /// The leader went away: try again.
    Again,
}

impl Engine {
    /// Answers from a tier, or loads and stores.
    pub(crate) async fn read<T, E, D, L, Fut>(
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
        if let Some(value) = self.local_hit(read) {
            return Ok(value);
        }
        // Boxed, so that the future of a local hit stays small.
        Box::pin(self.read_slowly(read, deps(), loader)).await
    }

    /// The hot path: no lock, no allocation, nothing asked of anybody.
    fn local_hit<T, E>(&self, read: &Read<'_, T, E>) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let overrides = read.policy;
        if overrides.consistency.unwrap_or(self.settings.policy.consistency) != Consistency::Bounded
            || overrides.tier.unwrap_or(self.settings.policy.tier) == TierChoice::Remote
        {
            return None;
        }
        let entry = self.local.get(read.key)?;
        let value = entry.value.downcast_ref::<T>()?;
        if !std::ptr::eq(entry.meta.function, read.function) {
            return None;
        }
        let now = self.clock.now();
        if !self.lease.holds(now) || !entry.meta.is_alive(now) || !entry.meta.is_verified() {
            return None;
        }
        if let Some(outer) = LoadScope::current() {
            outer.used(&entry.meta);
        }
        self.counters.hits_local.up();
        self.tell(&Event::Hit { function: read.function.name(), tier: Tier::Local });
        Some(value.clone())
    }

    async fn read_slowly<T, E, L, Fut>(self: &Arc<Self>, read: &Read<'_, T, E>, deps: Deps, loader: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let tags = deps.tags();
        let cells = tags.iter().map(|tag| self.cells.cell(tag)).collect();
        let policy = self.settings.policy.overridden(read.policy);
        let call = Call { read, policy, deps, tags, cells };
        match policy.consistency {
            Consistency::Bounded => self.read_bounded(call, loader).await,
            Consistency::Strict => self.read_strict(call, loader).await,
        }
    }

    /// Callers share everything from the look at the tiers on, unless an invalidation comes between.
    async fn read_bounded<T, E, L, Fut>(self: &Arc<Self>, call: Call<'_, '_, T, E>, loader: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let leading = loop {
            let now = self.clock.now();
            let trusted = self.lease.holds(now);
            let role = self.flights.join_or_lead(call.read.key, now, |flight| {
                self.settings.mutation == Some(Mutation::JoinableFlights)
                    || flight.is_untouched() && (trusted || now < flight.started().after(self.settings.lease))
            });
            match role {
                Role::Lead(leading) => break Some(leading),
                Role::Join(flight) => match self.share(call.read, &flight).await {
                    Shared::Done(result) => return result,
                    Shared::Alone => break None,
                    Shared::Again => {}
                },
            }
        };
        let flight = leading.as_ref().map(|leading| Arc::clone(leading.flight()));
        let trust_cells = self.lease.holds(self.clock.now());
        if let Some((entry, tier)) = self.look_up(&call, trust_cells, flight.as_deref()).await {
            let value = self.hit(call.read, &entry, tier);
            if let Some(leading) = leading {
                leading.finish(Outcome::Value(entry));
            }
            if let Some(value) = value {
                return Ok(value);
            }
            return self.load(call.load_uncached(), None, loader).await;
        }
        self.missed(call.read);
        let captured = self.capture_for(&call, flight.as_deref()).await;
        if let (Some(flight), Some(versions)) = (&flight, versions_of(&captured)) {
            flight.set_captured(versions);
        }
        self.load(call.load_under(captured), leading, loader).await
    }

    /// Every caller asks the remote tier itself, and shares a load only if that load began under the very versions it was told.
    async fn read_strict<T, E, L, Fut>(self: &Arc<Self>, call: Call<'_, '_, T, E>, loader: L) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
        L: FnOnce(LoadScope) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some((entry, tier)) = self.look_up(&call, false, None).await
            && let Some(value) = self.hit(call.read, &entry, tier)
        {
            return Ok(value);
        }
        self.missed(call.read);
        loop {
            let captured = self.capture_for(&call, None).await;
            let versions = versions_of(&captured).filter(|_| !call.deps.is_auto());
            let Some(versions) = versions else {
                return self.load(call.load_under(captured), None, loader).await;
            };
            match self.flights.join_or_lead(call.read.key, self.clock.now(), |flight| flight.has_captured(&versions)) {
                Role::Lead(leading) => {
                    for tag in captured.iter().flatten() {
                        leading.flight().watch(&tag.cell, tag.sequence);
                    }
                    leading.flight().set_captured(versions);
                    return self.load(call.load_under(captured), Some(leading), loader).await;
                }
                Role::Join(flight) => match self.share(call.read, &flight).await {
                    Shared::Done(result) => return result,
                    Shared::Alone => return self.load(call.load_under(captured), None, loader).await,
                    Shared::Again => {}
                },
            }
        }
    }

    async fn look_up<T, E>(
        &self,
        call: &Call<'_, '_, T, E>,
        trust_cells: bool,
        flight: Option<&Flight>,
    ) -> Option<(Arc<StoredEntry>, Tier)>
    where
        T: Send + Sync + 'static,
    {
        self.lookup(call.read, Lookup { policy: &call.policy, cells: &call.cells, trust_cells, flight }).await
    }

    async fn capture_for<T, E>(
        &self,
        call: &Call<'_, '_, T, E>,
        flight: Option<&Flight>,
    ) -> Result<Vec<Captured>, FillRefusal> {
        match self.capture(&call.tags, call.policy.ttl, flight).await {
            Ok(captured) => Ok(captured),
            Err(error) => {
                self.remote_failed("capture versions", &error);
                Err(FillRefusal::RemoteDown)
            }
        }
    }

    async fn share<T, E>(&self, read: &Read<'_, T, E>, flight: &Flight) -> Shared<T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        match flight.outcome().await {
            Outcome::Value(entry) => match entry.value.downcast_ref::<T>() {
                Some(value) if std::ptr::eq(entry.meta.function, read.function) => {
                    if let Some(outer) = LoadScope::current() {
                        outer.used(&entry.meta);
                    }
                    self.joined(read);
                    Shared::Done(Ok(value.clone()))
                }
                _ => Shared::Alone,
            },
            Outcome::Failed(error) => {
                let shared = error.and_then(|error| read.share_error.as_ref()?.unwrap(&error));
                shared.map_or(Shared::Alone, |error| {
                    self.joined(read);
                    Shared::Done(Err(error))
                })
            }
            Outcome::Abandoned => Shared::Again,
        }
    }

    fn hit<T, E>(&self, read: &Read<'_, T, E>, entry: &StoredEntry, tier: Tier) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let value = entry.value.downcast_ref::<T>()?.clone();
        if let Some(outer) = LoadScope::current() {
            outer.used(&entry.meta);
        }
        match tier {
            Tier::Local => self.counters.hits_local.up(),
            Tier::Remote => self.counters.hits_remote.up(),
        }
        self.tell(&Event::Hit { function: read.function.name(), tier });
        Some(value)
    }

    fn joined<T, E>(&self, read: &Read<'_, T, E>) {
        self.counters.joined.up();
        self.tell(&Event::Joined { function: read.function.name() });
    }

    fn missed<T, E>(&self, read: &Read<'_, T, E>) {
        self.counters.misses.up();
        self.tell(&Event::Miss { function: read.function.name() });
    }

    /// The cached value, if a tier can prove one valid; never loads.
    pub(crate) async fn peek<T, E>(&self, read: &Read<'_, T, E>) -> Option<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        if let Some(value) = self.local_hit(read) {
            return Some(value);
        }
        let policy = self.settings.policy.overridden(read.policy);
        let trust_cells = policy.consistency == Consistency::Bounded && self.lease.holds(self.clock.now());
        let how = Lookup { policy: &policy, cells: &[], trust_cells, flight: None };
        let (entry, tier) = self.lookup(read, how).await?;
        self.hit(read, &entry, tier)
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
        let deps = deps();
        let call = Call {
            read,
            policy: self.settings.policy.overridden(read.policy),
            tags: deps.tags(),
            deps,
            cells: Vec::new(),
        };
        let captured = self.capture_for(&call, None).await;
        self.load(call.load_under(captured), None, loader).await
    }
}

impl<'r, T, E> Call<'_, 'r, T, E> {
    fn load_under(&self, captured: Result<Vec<Captured>, FillRefusal>) -> Load<'_, 'r, T, E> {
        Load { read: self.read, policy: &self.policy, deps: &self.deps, captured }
    }

    fn load_uncached(&self) -> Load<'_, 'r, T, E> {
        self.load_under(Err(FillRefusal::Tags))
    }
}

/// The versions, if every tag has one.
fn versions_of(captured: &Result<Vec<Captured>, FillRefusal>) -> Option<Box<[u64]>> {
    captured.as_ref().ok()?.iter().map(|tag| tag.version).collect()
}
