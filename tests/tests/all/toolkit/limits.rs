//! Rate limits.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm_cache::{
    Cache,
    toolkit::{Algorithm, Decision, RateLimiter, TimeSource},
};

use super::World;

const ALL: [Algorithm; 4] = [Algorithm::FixedWindow, Algorithm::SlidingLog, Algorithm::SlidingCounter, Algorithm::Gcra];
const WINDOW: Duration = Duration::from_secs(1_000);
const MS: Duration = Duration::from_millis(1);

fn limiter(cache: &Cache, algorithm: Algorithm, limit: u64) -> RateLimiter {
    let builder = RateLimiter::builder(cache, format!("{algorithm:?}")).algorithm(algorithm).limit(limit, WINDOW);
    builder.time(TimeSource::Caller).build().expect("the settings are good")
}

async fn check(limiter: &RateLimiter, key: &str) -> Decision {
    limiter.check(key).await.expect("a limiter can be asked")
}

/// Calls until one is refused; returns how many passed and the refusal.
async fn exhaust(limiter: &RateLimiter, key: &str) -> (u64, Decision) {
    for passed in 0.. {
        let decision = check(limiter, key).await;
        if !decision.allowed {
            return (passed, decision);
        }
    }
    unreachable!("the loop has no end")
}

pub(super) async fn no_more_than_the_limit_pass_however_many_call_at_once(world: &World) {
    for algorithm in ALL {
        let (own, other) = (limiter(&world.cache, algorithm, 10), limiter(&world.other, algorithm, 10));
        let calls = (0..40).map(|at| check(if at % 2 == 0 { &own } else { &other }, "joe"));
        let passed = join_all(calls).await.into_iter().filter(|decision| decision.allowed).count();
        assert_eq!(passed, 10, "{algorithm:?}");
    }
}

pub(super) async fn a_refused_call_may_pass_after_the_time_it_was_told(world: &World) {
    for algorithm in ALL {
        let own = limiter(&world.cache, algorithm, 5);
        for _ in 0..3 {
            check(&own, "joe").await;
        }
        world.move_clocks(Duration::from_secs(7));
        let (passed, refused) = exhaust(&own, "joe").await;
        assert_eq!(passed, 2, "{algorithm:?}");
        assert!(refused.retry_after > MS && refused.retry_after <= WINDOW * 11 / 10, "{algorithm:?} {refused:?}");
        assert_eq!((refused.limit, refused.remaining), (5, 0));
        world.move_clocks(refused.retry_after - MS);
        assert!(!check(&own, "joe").await.allowed, "{algorithm:?}: too early");
        world.move_clocks(MS);
        assert!(check(&own, "joe").await.allowed, "{algorithm:?}: it was told {:?}", refused.retry_after);
    }
}

pub(super) async fn remaining_and_reset_are_true(world: &World) {
    for algorithm in ALL {
        let own = limiter(&world.cache, algorithm, 4);
        for left in [3, 2, 1, 0] {
            let decision = check(&own, "joe").await;
            assert_eq!((decision.allowed, decision.remaining, decision.limit), (true, left, 4), "{algorithm:?}");
            assert_eq!(decision.retry_after, Duration::ZERO);
        }
        let refused = check(&own, "joe").await;
        assert_eq!((refused.allowed, refused.remaining), (false, 0), "{algorithm:?}");
        world.move_clocks(refused.reset);
        assert_eq!(check(&own, "joe").await.remaining, 3, "{algorithm:?}: all is free after {:?}", refused.reset);
    }
}

pub(super) async fn a_clock_that_is_behind_reopens_nothing(world: &World) {
    world.clock.advance(WINDOW * 3 / 2);
    for algorithm in ALL {
        let (ahead, behind) = (limiter(&world.cache, algorithm, 5), limiter(&world.other, algorithm, 5));
        assert_eq!(exhaust(&ahead, "joe").await.0, 5, "{algorithm:?}");
        let refused = check(&behind, "joe").await;
        assert!(!refused.allowed, "{algorithm:?}");
        assert!(refused.retry_after > Duration::ZERO);
    }
}

pub(super) async fn keys_and_names_are_apart(world: &World) {
    for algorithm in ALL {
        let named = |name: &str| {
            let builder = RateLimiter::builder(&world.cache, name).algorithm(algorithm).limit(1, WINDOW);
            builder.time(TimeSource::Caller).build().expect("the settings are good")
        };
        let (one, two) = (named("one"), named("two"));
        for key in ["", "joe", "joe}", "{joe}", "one:joe", "ü"] {
            assert!(check(&one, key).await.allowed, "{algorithm:?} {key:?}");
            assert!(!check(&one, key).await.allowed, "{algorithm:?} {key:?}");
            assert!(check(&two, key).await.allowed, "{algorithm:?} {key:?}");
            one.forget(key).await.expect("a key can be forgotten");
            two.forget(key).await.expect("a key can be forgotten");
        }
    }
}

pub(super) async fn a_call_that_weighs_more_passes_whole_or_not_at_all(world: &World) {
    for algorithm in ALL {
        let own = limiter(&world.cache, algorithm, 10);
        let cost = async |cost| own.check_cost("joe", cost).await.expect("a limiter can be asked");
        assert_eq!(cost(7).await.remaining, 3, "{algorithm:?}");
        let refused = cost(4).await;
        assert_eq!((refused.allowed, refused.remaining), (false, 3), "{algorithm:?}");
        assert!(cost(3).await.allowed, "{algorithm:?}");
        assert!(!cost(1).await.allowed, "{algorithm:?}");
        assert!(own.check_cost("joe", 11).await.is_err(), "{algorithm:?}: it could never pass");
        assert!(own.check_cost("joe", 0).await.is_err(), "{algorithm:?}");
    }
}

pub(super) async fn a_forgotten_key_begins_anew(world: &World) {
    for algorithm in ALL {
        let own = limiter(&world.cache, algorithm, 2);
        assert_eq!(exhaust(&own, "joe").await.0, 2, "{algorithm:?}");
        own.forget("joe").await.expect("a key can be forgotten");
        assert_eq!(exhaust(&own, "joe").await.0, 2, "{algorithm:?}");
    }
}

pub(super) async fn a_fixed_window_begins_anew_at_its_border(world: &World) {
    let own = limiter(&world.cache, Algorithm::FixedWindow, 3);
    let (_, refused) = exhaust(&own, "joe").await;
    let into_window = world.clock.unix_ms() % 1_000_000;
    assert_eq!(refused.retry_after, Duration::from_millis(1_000_000 - into_window));
    world.move_clocks(refused.retry_after);
    assert_eq!(exhaust(&own, "joe").await.0, 3);
}

pub(super) async fn a_burst_is_followed_by_a_steady_rate(world: &World) {
    let builder = RateLimiter::builder(&world.cache, "g").algorithm(Algorithm::Gcra).limit(100, WINDOW).burst(3);
    let own = builder.time(TimeSource::Caller).build().expect("the settings are good");
    assert_eq!(exhaust(&own, "joe").await.0, 3);
    for _ in 0..5 {
        world.move_clocks(WINDOW / 100);
        assert_eq!(exhaust(&own, "joe").await.0, 1, "one each tenth of a second");
    }
    world.move_clocks(WINDOW);
    assert_eq!(exhaust(&own, "joe").await.0, 3, "never more than the burst, however long it was quiet");
}

pub(super) async fn the_stores_own_time_counts_as_well(world: &World) {
    for algorithm in ALL {
        let window = Duration::from_secs(3_600);
        let builder = RateLimiter::builder(&world.cache, "own").algorithm(algorithm).limit(5, window);
        let own = builder.build().expect("the settings are good");
        let before = exhaust(&own, &format!("{algorithm:?}")).await.0;
        // At the border of two hours, a fixed window may begin in between.
        assert!(before == 5 || algorithm == Algorithm::FixedWindow, "{algorithm:?}: {before}");
        if !world.is_memory() {
            world.move_clocks(window * 2);
            assert!(!check(&own, &format!("{algorithm:?}")).await.allowed, "the nodes' clocks do not matter");
        }
    }
}
