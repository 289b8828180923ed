//! Runs one kind of hit in a loop, on one thread or on several at once.

use std::{
    sync::{Arc, Barrier},
    thread,
    time::Instant,
};

use tokio::runtime::Handle;

use crate::report::{Contest, Samples};

/// So many different keys are asked for, in an order that looks random.
pub(super) const KEYS: i64 = 1_024;

type Drive = Box<dyn Fn(usize) -> f64 + Send + Sync>;

/// Which keys threads ask for that read at a time.
#[derive(Clone, Copy)]
pub(super) enum Keys {
    /// All of them.
    Same,
    /// Each its own part.
    Apart,
}

impl Keys {
    /// The first key of a thread, and how many it asks for.
    fn of(self, lane: usize, threads: usize) -> (i64, i64) {
        match self {
            Self::Same => (1, KEYS),
            Self::Apart => {
                let share = KEYS / threads as i64;
                (1 + share * lane as i64, share)
            }
        }
    }
}

/// All kinds of hits.
pub(super) struct Track {
    hits: u32,
    only: Vec<String>,
    entrants: Vec<(String, Drive)>,
}

impl Track {
    /// Takes all kinds, or only those whose name contains one of these texts.
    pub(super) fn new(hits: u32, only: Vec<String>) -> Self {
        Self { hits, only, entrants: Vec::new() }
    }

    /// Adds a kind of hit: `hit` gets the value of a key from 1 to [`KEYS`].
    pub(super) fn enter<F>(&mut self, name: &str, hit: F)
    where
        F: AsyncFn(i64) + Send + Sync + 'static,
    {
        self.enter_counting(name, Keys::Same, 1, hit);
    }

    /// As [`enter`](Self::enter), where threads ask for these keys, and each call is `per_call` hits.
    pub(super) fn enter_counting<F>(&mut self, name: &str, keys: Keys, per_call: u32, hit: F)
    where
        F: AsyncFn(i64) + Send + Sync + 'static,
    {
        if !self.only.is_empty() && !self.only.iter().any(|text| name.contains(text)) {
            return;
        }
        let (runtime, calls) = (Handle::current(), self.hits / per_call);
        let drive = move |threads| {
            let barrier = Barrier::new(threads);
            let (hit, runtime, barrier) = (&hit, &runtime, &barrier);
            let spans: Vec<f64> = thread::scope(|scope| {
                let run = |lane| scope.spawn(move || lap(runtime, barrier, lane, keys.of(lane, threads), calls, hit));
                let running: Vec<_> = (0..threads).map(run).collect();
                running.into_iter().map(|lane| lane.join().expect("no hit panics")).collect()
            });
            spans.iter().sum::<f64>() / threads as f64 / f64::from(calls * per_call)
        };
        self.entrants.push((name.to_owned(), Box::new(drive)));
    }

    /// Nanoseconds per hit and thread.
    pub(super) async fn run(&self, threads: usize, rounds: usize) -> Vec<Samples> {
        let mut contest = Contest::new();
        for (name, drive) in &self.entrants {
            contest.enter(name, move || async move { tokio::task::block_in_place(|| drive(threads)) });
        }
        contest.run(rounds).await
    }
}

fn lap<F: AsyncFn(i64)>(
    runtime: &Handle,
    barrier: &Barrier,
    lane: usize,
    (first, keys): (i64, i64),
    calls: u32,
    hit: &F,
) -> f64 {
    runtime.block_on(async {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(lane as u64 + 1);
        barrier.wait();
        let begun = Instant::now();
        for _ in 0..calls {
            // A linear congruential generator: Knuth, The Art of Computer Programming, volume 2, 3.3.4.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            #[expect(clippy::cast_possible_wrap, reason = "31 bits")]
            hit(first + ((random >> 33) as i64) % keys).await;
        }
        begun.elapsed().as_nanos() as f64
    })
}

/// The text keys of all ids, made beforehand, for libraries that take text.
pub(super) fn text_keys() -> Arc<[String]> {
    (0..=KEYS).map(|id| format!("article:{id}")).collect()
}
