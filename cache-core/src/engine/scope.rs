//! Collects what a load depends on, while its body runs.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smallvec::SmallVec;

use crate::{
    clock::Moment,
    engine::{
        Engine,
        context::within,
        entry::{Meta, Recorded},
        fill::Captured,
        flight::Flight,
    },
    tag::Tag,
};

/// More tags than this, and the value is not stored.
const SCOPE_TAGS_MAX: usize = 256;

/// The dependencies of a load that runs.
///
/// Cached values that the body uses always count: what they depend on, the load's own value depends on too, under the versions
/// that they were loaded under. The statements of the body count where nothing was declared; their tags are captured before
/// each statement runs. The scope follows the body's own task; work that the body spawns is seen only if it uses a connection
/// that the scope was attached to.
#[derive(Clone)]
pub struct LoadScope(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    /// Whoever may share what is loaded: one flight for each key.
    flights: SmallVec<[Arc<Flight>; 1]>,
    /// Whether statements count.
    statements: bool,
    /// Whether the value must not be older than the read that loads it.
    strict: bool,
    /// The TTL of the entry to be.
    ttl: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Begins with the declared tags.
    captured: Vec<Captured>,
    /// Something was read whose dependencies are not known.
    opaque: bool,
    /// The earliest end of a cached value that the body used.
    expires: Option<Moment>,
}

/// How a scope is made.
pub(crate) struct ScopeOf {
    pub(crate) flights: SmallVec<[Arc<Flight>; 1]>,
    pub(crate) statements: bool,
    pub(crate) strict: bool,
    pub(crate) ttl: Duration,
    pub(crate) declared: Vec<Captured>,
}

/// What a scope has collected: the declared tags and whatever else the body used.
pub(crate) struct Collected {
    pub(crate) captured: Vec<Captured>,
    pub(crate) opaque: bool,
    pub(crate) expires: Option<Moment>,
}

tokio::task_local! {
    static CURRENT: LoadScope;
}

impl LoadScope {
    pub(crate) fn new(engine: &Arc<Engine>, of: ScopeOf) -> Self {
        Self(Arc::new(Inner {
            engine: Arc::clone(engine),
            flights: of.flights,
            statements: of.statements,
            strict: of.strict,
            ttl: of.ttl,
            state: Mutex::new(State { captured: of.declared, opaque: false, expires: None }),
        }))
    }

    /// The scope whose statements this task runs, if they count.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|scope| scope.0.statements.then(|| scope.clone())).ok().flatten()
    }

    /// The scope of the load that this task runs, if any.
    pub(crate) fn enclosing() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Whether this task runs a load that must not use values older than itself.
    pub(crate) fn is_strict() -> bool {
        CURRENT.try_with(|scope| scope.0.strict).unwrap_or(false)
    }

    /// Tells the load that this task runs, if any, which cached value it uses.
    pub(crate) fn uses(meta: &Meta) {
        if let Some(outer) = Self::enclosing() {
            outer.used(meta);
        }
    }

    /// Runs `work` with this scope as the current one.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        within(CURRENT.scope(self.clone(), work)).await
    }

    /// Whether the statements of the body count.
    pub(crate) fn is_recording(&self) -> bool {
        self.0.statements
    }

    /// Captures the versions of the tags of a statement that is about to run.
    pub(crate) async fn before_read(&self, tags: Vec<Tag>) {
        let inner = &self.0;
        if !inner.statements {
            return;
        }
        let fresh: Vec<Tag> = {
            let state = inner.state();
            if state.opaque {
                return;
            }
            tags.into_iter().filter(|tag| !state.captured.iter().any(|known| known.cell.tag() == tag)).collect()
        };
        if fresh.is_empty() {
            return;
        }
        let engine = &inner.engine;
        let captured = engine.capture(&fresh, inner.ttl, &inner.flights).await;
        let mut state = inner.state();
        match captured {
            Ok(captured) if state.captured.len() + captured.len() <= SCOPE_TAGS_MAX => state.captured.extend(captured),
            _ => inner.make_opaque(&mut state),
        }
    }

    /// Notes that something was read whose dependencies nobody can name: the value will not be stored.
    pub(crate) fn opaque(&self) {
        if self.0.statements {
            self.0.make_opaque(&mut self.0.state());
        }
    }

    /// Takes over the dependencies of a cached value that the body used.
    pub(crate) fn used(&self, meta: &Meta) {
        let inner = &self.0;
        let mut state = inner.state();
        if !meta.complete {
            inner.make_opaque(&mut state);
            return;
        }
        state.expires = Some(state.expires.map_or(meta.expires, |end| end.min(meta.expires)));
        for Recorded { cell, version } in &meta.deps {
            let sequence = cell.sequence();
            for flight in &inner.flights {
                flight.watch(cell, sequence);
                if cell.version() != *version {
                    // Overtaken already: good for whoever began before, and for nobody who comes now.
                    flight.close();
                }
            }
            match state.captured.iter().find(|known| known.cell.tag() == cell.tag()) {
                // Two parts of the value saw different versions of one tag.
                Some(known) if known.version != Some(*version) => inner.make_opaque(&mut state),
                Some(_) => {}
                None => state.captured.push(Captured { cell: Arc::clone(cell), sequence, version: Some(*version) }),
            }
        }
    }

    pub(crate) fn collect(&self) -> Collected {
        let mut state = self.0.state();
        Collected { captured: std::mem::take(&mut state.captured), opaque: state.opaque, expires: state.expires }
    }
}

impl Collected {
    /// What one of several values of a load depends on: its own declared tags, and whatever the body used.
    pub(crate) fn with_declared(&self, declared: Vec<Captured>) -> Self {
        let mut all = Self { captured: declared, opaque: self.opaque, expires: self.expires };
        for used in &self.captured {
            match all.captured.iter().find(|known| Arc::ptr_eq(&known.cell, &used.cell)) {
                Some(known) if known.version != used.version => all.opaque = true,
                Some(_) => {}
                None => all.captured.push(used.clone()),
            }
        }
        all
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value will not be stored; nor may whoever comes later share it, since nobody watches what it is made of.
    fn make_opaque(&self, state: &mut State) {
        state.opaque = true;
        self.flights.iter().for_each(|flight| flight.close());
    }
}

impl std::fmt::Debug for LoadScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadScope").field("statements", &self.0.statements).finish_non_exhaustive()
    }
}
