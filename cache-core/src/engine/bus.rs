//! Keeps the bus subscription and the lease alive, and applies what the bus delivers.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use crate::{
    clock::Moment,
    engine::{Engine, mutation::Mutation},
    event::Event,
    ports::BusListener,
};

/// Pings per lease: a single lost echo must not end local hits.
const PINGS_PER_LEASE: u32 = 4;

/// Between two attempts to subscribe.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// Starts the subscription and the pings.
pub(crate) fn start(engine: &Arc<Engine>) {
    let listener: Arc<dyn BusListener> = Arc::new(Listener(Arc::downgrade(engine)));
    let weak = Arc::downgrade(engine);
    let bus = Arc::clone(&engine.bus);
    let clock = engine.clock.clone();
    engine.tasks.spawn_loop(async move {
        let mut backoff = BACKOFF_MIN;
        while weak.strong_count() > 0 {
            let begun = clock.now();
            if let Err(error) = bus.run(Arc::clone(&listener)).await
                && let Some(engine) = weak.upgrade()
            {
                engine.remote_failed("subscribe to the bus", &error);
            }
            if clock.now().since(begun) > BACKOFF_MAX {
                backoff = BACKOFF_MIN;
            }
            clock.sleep(backoff.mul_f64(rand::random_range(0.5..1.0))).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    });
    if !engine.bus.is_synchronous() {
        start_pings(engine);
    }
}

fn start_pings(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    let clock = engine.clock.clone();
    let bus = Arc::clone(&engine.bus);
    let mut subscribed = engine.subscribed.subscribe();
    let pause = engine.settings.lease / PINGS_PER_LEASE;
    engine.tasks.spawn_loop(async move {
        while weak.strong_count() > 0 {
            if subscribed.wait_for(|is| *is).await.is_err() {
                return;
            }
            // The nonce is the time of sending: the lease reaches from there, not from the echo.
            let _missed = bus.ping(clock.now().to_nanos()).await;
            clock.sleep(pause).await;
        }
    });
}

struct Listener(Weak<Engine>);

impl Listener {
    fn with(&self, apply: impl FnOnce(&Engine)) {
        if let Some(engine) = self.0.upgrade() {
            apply(&engine);
        }
    }
}

impl BusListener for Listener {
    fn subscribed(&self) {
        self.with(|engine| {
            // Whatever was missed lies before this: no cell may keep what it knew. The lease is not granted before the walk is done.
            engine.cells.touch_all(engine.clock.now());
            engine.removals.note_all();
            if engine.bus.is_synchronous() {
                engine.lease.renew_for_ever();
            } else {
                engine.heard_since.store(engine.clock.now().to_nanos(), Ordering::Release);
                engine.changes.note();
            }
            engine.subscribed.send_replace(true);
            engine.tell(&Event::BusJoined);
        });
    }

    fn invalidated(&self, tag: &str) {
        self.with(|engine| {
            if engine.settings.mutation != Some(Mutation::NoPublish)
                && let Some(cell) = engine.cells.existing(tag)
            {
                cell.touch(engine.clock.now());
                let entries = cell.ended_by_message();
                if entries > 0 {
                    engine.figures.died(cell.tag(), entries);
                    engine.tell(&Event::InvalidatedElsewhere { tag: cell.tag(), entries });
                }
            }
        });
    }

    fn removed(&self, key: &str) {
        self.with(|engine| {
            engine.removals.note(key);
            engine.local.remove(key);
        });
    }

    fn pinged(&self, nonce: u64) {
        self.with(|engine| engine.lease.renew(Moment::from_nanos(nonce).after(engine.settings.lease)));
    }

    fn lost(&self) {
        self.with(|engine| {
            engine.lease.revoke();
            engine.subscribed.send_replace(false);
            engine.counters.bus_losses.up();
            tracing::warn!("bus subscription lost; local entries are re-checked on use");
            engine.tell(&Event::BusLost);
        });
    }
}
