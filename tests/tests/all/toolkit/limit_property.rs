//! A limiter never lets more through than its limit, whatever the calls and the clocks.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use sea_orm_cache::toolkit::{Algorithm, RateLimiter, TimeSource};

use super::World;

/// One call: how much later, on which node, how heavy.
#[derive(Clone, Copy, Debug)]
struct Step {
    later_ms: u64,
    on_other: bool,
    cost: u64,
}

#[derive(Clone, Debug)]
struct Case {
    algorithm: Algorithm,
    limit: u64,
    window_ms: u64,
    burst: u64,
    /// How much the other node's clock is behind.
    skew_ms: u64,
    steps: Vec<Step>,
}

fn cases(steps: usize) -> impl Strategy<Value = Case> {
    let algorithms = prop_oneof![
        Just(Algorithm::FixedWindow),
        Just(Algorithm::SlidingLog),
        Just(Algorithm::SlidingCounter),
        Just(Algorithm::Gcra)
    ];
    let later = prop_oneof![4 => Just(0_u64), 4 => 0..30_000_u64, 2 => 0..300_000_u64, 1 => 0..3_000_000_u64];
    let step = (later, any::<bool>(), prop_oneof![5 => Just(1_u64), 1 => 1..4_u64]);
    let step = step.prop_map(|(later_ms, on_other, cost)| Step { later_ms, on_other, cost });
    // Clocks may differ by up to a window, of which the shortest here is this.
    let skew = prop_oneof![Just(0_u64), 0..100_000_u64];
    (algorithms, 1..12_u64, 100_000..400_000_u64, 1..12_u64, skew, prop::collection::vec(step, 1..steps)).prop_map(
        |(algorithm, limit, window_ms, burst, skew_ms, steps)| Case {
            algorithm,
            limit,
            window_ms,
            burst,
            skew_ms,
            steps,
        },
    )
}

/// Plays a case; returns when calls passed, by the time that the store went by, and how heavy they were.
async fn play(world: &World, case: &Case) -> Result<Vec<(u64, u64)>, TestCaseError> {
    // The first node is ahead by the skew.
    world.clock.advance(Duration::from_millis(case.skew_ms));
    let make = |cache| {
        let window = Duration::from_millis(case.window_ms);
        let builder = RateLimiter::builder(cache, "property").algorithm(case.algorithm).limit(case.limit, window);
        let builder = if case.algorithm == Algorithm::Gcra { builder.burst(case.burst) } else { builder };
        builder.time(TimeSource::Caller).build().expect("the settings are good")
    };
    let (own, other) = (make(&world.cache), make(&world.other));
    let key = harness::unique("key");
    let most = if case.algorithm == Algorithm::Gcra { case.burst } else { case.limit };
    let (mut passed, mut latest) = (Vec::new(), 0);
    for step in &case.steps {
        world.move_clocks(Duration::from_millis(step.later_ms));
        let (limiter, clock) = if step.on_other { (&other, &world.other_clock) } else { (&own, &world.clock) };
        let cost = step.cost.min(most);
        let decision = limiter.check_cost(&key, cost).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
        if decision.allowed {
            // A key's time does not go back: a call counts at the latest time that a passed call has told.
            latest = clock.unix_ms().max(latest);
            passed.push((latest, cost));
        }
    }
    world.other_clock.advance(Duration::from_millis(case.skew_ms));
    Ok(passed)
}

/// What may pass, by each algorithm's own promise.
fn check(case: &Case, passed: &[(u64, u64)]) -> Result<(), TestCaseError> {
    let window = case.window_ms;
    for (at, (first, _)) in passed.iter().enumerate() {
        let within = |from: u64, to: u64| -> u64 {
            passed.iter().filter(|(time, _)| (from..to).contains(time)).map(|(_, cost)| cost).sum()
        };
        let (most, calls) = match case.algorithm {
            Algorithm::FixedWindow => {
                let begin = first / window * window;
                (case.limit, within(begin, begin + window))
            }
            Algorithm::SlidingLog | Algorithm::SlidingCounter => (case.limit, within(*first, first + window)),
            _ => {
                // GCRA: in a stretch of time from the first call to the last, the burst and one call per interval.
                for (last, _) in passed.iter().skip(at) {
                    let interval_us = (window * 1_000).div_ceil(case.limit);
                    let most = case.burst + (last - first) * 1_000 / interval_us;
                    let calls = within(*first, last + 1);
                    prop_assert!(calls <= most, "{} calls in {} ms, and not {}", calls, last - first, most);
                }
                continue;
            }
        };
        prop_assert!(calls <= most, "{calls} calls in the window from {first}, and not {most}");
    }
    Ok(())
}

fn run(make: impl AsyncFn() -> World, cases_run: u32, steps: usize) {
    let seed: [u8; 32] = rand::random();
    println!("seed {seed:?}");
    let config = Config { cases: cases_run, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("tokio starts");
    let world = runtime.block_on(make());
    let (calls, refused) = (std::cell::Cell::new(0_usize), std::cell::Cell::new(0_usize));
    let result = runner.run(&cases(steps), |case| {
        let passed = runtime.block_on(play(&world, &case))?;
        calls.set(calls.get() + case.steps.len());
        refused.set(refused.get() + case.steps.len() - passed.len());
        check(&case, &passed)
    });
    if let Err(error) = result {
        panic!("seed {seed:?}: {error}");
    }
    // A limiter that refuses nothing, or everything, shows nothing.
    assert!(refused.get() * 20 > calls.get() && refused.get() * 20 < calls.get() * 19, "{refused:?} of {calls:?}");
}

#[test]
fn never_more_pass_than_the_limit_says_in_process_memory() {
    run(World::memory, 400, 80);
}

#[test]
fn never_more_pass_than_the_limit_says_on_redis() {
    run(async || World::redis("").await, 60, 50);
}

#[test]
fn a_limiter_that_lets_one_too_many_through_is_noticed() {
    let step = Step { later_ms: 0, on_other: false, cost: 1 };
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingLog, Algorithm::SlidingCounter, Algorithm::Gcra] {
        let case = Case { algorithm, limit: 3, window_ms: 100_000, burst: 3, skew_ms: 0, steps: vec![step] };
        let passed = |calls: u64| (0..calls).map(|at| (1_700_000_000_000 + at, 1)).collect::<Vec<_>>();
        assert!(check(&case, &passed(3)).is_ok(), "{algorithm:?}");
        assert!(check(&case, &passed(4)).is_err(), "{algorithm:?}");
    }
}
