//! Collects what the body of an auto-tagged function depends on, while it runs.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    clock::Moment,
    engine::{
        Engine,
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
/// Each statement's tags are captured before the statement runs. The scope follows the body's own task; work that the body
/// spawns is seen only if it uses a connection that the scope was attached to.
#[derive(Clone, Default)]
pub struct LoadScope(Option<Arc<Inner>>);

struct Inner {
    engine: Arc<Engine>,
    flight: Option<Arc<Flight>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    captured: Vec<Captured>,
    /// Something was read whose dependencies are not known.
    opaque: bool,
    /// The earliest end of a cached value that the body used.
    expires: Option<Moment>,
}

/// What a scope has collected.
pub(crate) struct Collected {
    pub(crate) captured: Vec<Captured>,
    pub(crate) opaque: bool,
    pub(crate) expires: Option<Moment>,
}

tokio::task_local! {
    static CURRENT: LoadScope;
}

impl LoadScope {
    /// A scope that records nothing, for a function whose dependencies are declared.
    pub(crate) fn declared() -> Self {
        Self(None)
    }

    /// A scope that records.
    pub(crate) fn recording(engine: &Arc<Engine>, flight: Option<&Arc<Flight>>) -> Self {
        Self(Some(Arc::new(Inner {
            engine: Arc::clone(engine),
            flight: flight.map(Arc::clone),
            state: Mutex::default(),
        })))
    }

    /// The recording scope that this task runs in, if any.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|scope| scope.0.is_some().then(|| scope.clone())).ok().flatten()
    }

    /// Runs `work` with this scope as the current one.
    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// Whether dependencies are recorded at all.
    pub(crate) fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// Captures the versions of the tags of a statement that is about to run.
    pub(crate) async fn before_read(&self, tags: Vec<Tag>) {
        let Some(inner) = &self.0 else { return };
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
        let captured = engine.capture(&fresh, engine.settings.policy.ttl, inner.flight.as_deref()).await;
        let mut state = inner.state();
        match captured {
            Ok(captured) if state.captured.len() + captured.len() <= SCOPE_TAGS_MAX => state.captured.extend(captured),
            _ => state.opaque = true,
        }
    }

    /// Notes that something was read whose dependencies nobody can name: the value will not be stored.
    pub(crate) fn opaque(&self) {
        if let Some(inner) = &self.0 {
            inner.state().opaque = true;
        }
    }

    /// Takes over the dependencies of a cached value that the body used.
    pub(crate) fn used(&self, meta: &Meta) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.state();
        if !meta.complete {
            state.opaque = true;
            return;
        }
        state.expires = Some(state.expires.map_or(meta.expires, |end| end.min(meta.expires)));
        for Recorded { cell, version } in &meta.deps {
            let sequence = cell.sequence();
            if let Some(flight) = &inner.flight {
                flight.watch(cell, sequence);
                if cell.version() != *version {
                    // Overtaken already: good for whoever began before, and for nobody who comes now.
                    flight.close();
                }
            }
            match state.captured.iter().find(|known| known.cell.tag() == cell.tag()) {
                // Two parts of the value saw different versions of one tag.
                Some(known) if known.version != Some(*version) => state.opaque = true,
                Some(_) => {}
                None => state.captured.push(Captured { cell: Arc::clone(cell), sequence, version: Some(*version) }),
            }
        }
    }

    pub(crate) fn collect(&self) -> Collected {
        let Some(inner) = &self.0 else {
            return Collected { captured: Vec::new(), opaque: false, expires: None };
        };
        let mut state = inner.state();
        Collected { captured: std::mem::take(&mut state.captured), opaque: state.opaque, expires: state.expires }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for LoadScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadScope").field("recording", &self.is_recording()).finish()
    }
}
