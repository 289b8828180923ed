//! Locks, registers, counters, visitors, lists.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use sea_orm_cache::{
    Cache,
    toolkit::{Counters, Expect, Lock, Period, RecentList, Register, UniqueVisitors, Window},
};

use super::World;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(40);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn lock(cache: &Cache, ttl: Duration) -> Lock {
    Lock::new(cache, "locks", ttl).expect("the settings are good")
}

pub(super) async fn one_of_many_has_the_lock(world: &World) {
    let (own, other) = (lock(&world.cache, LONG), lock(&world.other, LONG));
    let tries = (0..20).map(|at| if at % 2 == 0 { own.acquire("job") } else { other.acquire("job") });
    let held: Vec<_> = join_all(tries).await.into_iter().filter_map(|tried| tried.expect("it can be tried")).collect();
    assert_eq!(held.len(), 1);
    assert!(own.acquire("another").await.expect("it can be tried").is_some());
    for held in held {
        assert!(held.is_held());
        assert!(held.release().await.expect("it can be released"));
    }
    let again = other.acquire("job").await.expect("it can be tried").expect("it is free");
    assert!(again.release().await.expect("it can be released"));
}

pub(super) async fn fencing_tokens_rise_whoever_holds_and_however_it_ended(world: &World) {
    let (own, other) = (lock(&world.cache, SHORT), lock(&world.other, LONG));
    let mut last = 0;
    for at in 0..6 {
        let locks = if at % 2 == 0 { &own } else { &other };
        let held = locks.acquire("job").await.expect("it can be tried").expect("it is free");
        assert!(held.fence() > last, "{} after {last}", held.fence());
        last = held.fence();
        if at % 2 == 0 {
            world.pass(SHORT * 2).await;
            assert!(!held.is_held());
            assert!(!held.renew().await.expect("it can be tried"), "it is lost");
            assert!(!held.release().await.expect("it can be tried"));
        } else {
            assert!(held.release().await.expect("it can be released"));
        }
    }
}

pub(super) async fn a_lost_lock_is_not_given_back_by_its_old_holder(world: &World) {
    let (own, other) = (lock(&world.cache, SHORT), lock(&world.other, LONG));
    let late = own.acquire("job").await.expect("it can be tried").expect("it is free");
    world.pass(SHORT * 2).await;
    let new = other.acquire("job").await.expect("it can be tried").expect("it has ended");
    assert!(new.fence() > late.fence());
    assert!(!late.release().await.expect("it can be tried"));
    assert!(own.acquire("job").await.expect("it can be tried").is_none(), "the new holder still has it");
    assert!(new.renew().await.expect("it can be renewed"));
    assert!(new.is_held());
}

pub(super) async fn a_renewed_lock_is_held_longer(world: &World) {
    let own = lock(&world.cache, SHORT * 10);
    let held = own.acquire("job").await.expect("it can be tried").expect("it is free");
    for _ in 0..3 {
        world.pass(SHORT * 4).await;
        assert!(held.renew().await.expect("it can be renewed"));
    }
    assert!(held.is_held());
    assert!(lock(&world.other, LONG).acquire("job").await.expect("it can be tried").is_none());
}

pub(super) async fn a_dropped_lock_is_given_back(world: &World) {
    let own = lock(&world.cache, LONG);
    drop(own.acquire("job").await.expect("it can be tried").expect("it is free"));
    let waiting = lock(&world.other, LONG);
    let moving = async {
        loop {
            world.move_clocks(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    };
    // By the lock's own end a minute of the nodes' clocks has passed, and none of the server's.
    tokio::select! {
        held = waiting.acquire_within("job", LONG * 1_000) => assert!(held.expect("it can be tried").is_some()),
        () = moving => {}
    }
}

pub(super) async fn what_a_lock_guards_is_done_by_one_at_a_time(world: &World) {
    let (own, other) = (lock(&world.cache, LONG * 60), lock(&world.other, LONG * 60));
    let (inside, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = async |at: usize| {
        let locks = if at.is_multiple_of(2) { &own } else { &other };
        let held = locks.acquire_within("job", LONG * 30).await.expect("it can be tried").expect("it becomes free");
        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
        tokio::task::yield_now().await;
        inside.fetch_sub(1, Ordering::SeqCst);
        done.fetch_add(1, Ordering::SeqCst);
        held.release().await.expect("it can be released");
    };
    let moving = async {
        loop {
            world.move_clocks(Duration::from_millis(20));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! { _ = join_all((0..8).map(work)) => {}, () = moving => {} }
    assert_eq!(done.load(Ordering::SeqCst), 8);
}

pub(super) async fn a_register_changes_only_as_expected(world: &World) {
    let of = |cache| Register::new(cache, "state", LONG).expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    assert_eq!(own.get::<String>("k").await.expect("it can be read"), None);
    let refused = own.compare_and_set("k", Expect::Version::<()>(1), "x").await.expect("it can be tried");
    assert_eq!((refused.done, refused.current), (false, None));
    let first = own.compare_and_set("k", Expect::Absent::<()>, "one").await.expect("it can be tried");
    let version = first.into_result().expect("there was nothing");
    let refused = other.compare_and_set("k", Expect::Absent::<()>, "two").await.expect("it can be tried");
    assert_eq!(refused.current.map(|current| (current.version, current.value)), Some((version, "one".to_owned())));
    let second = other.compare_and_set("k", Expect::Version::<()>(version), "two").await.expect("it can be tried");
    let newer = second.into_result().expect("the version was right");
    assert!(newer > version);
    let stale = own.compare_and_set("k", Expect::Version::<()>(version), "three").await.expect("it can be tried");
    assert!(!stale.done);
    let third = own.compare_and_set("k", Expect::Value("two"), "three").await.expect("it can be tried");
    assert!(third.done);
    assert!(!own.compare_and_remove("k", Expect::Value("two".to_owned())).await.expect("it can be tried").done);
    assert!(own.compare_and_remove("k", Expect::Value("three".to_owned())).await.expect("it can be tried").done);
    assert_eq!(other.get::<String>("k").await.expect("it can be read"), None);
    assert!(own.get::<u64>("k").await.expect("nothing is no error").is_none());
}

pub(super) async fn a_version_does_not_come_back(world: &World) {
    let own = Register::new(&world.cache, "state", LONG).expect("the settings are good");
    let before = own.set("k", &1).await.expect("it can be set");
    assert!(own.compare_and_remove("k", Expect::Version::<u64>(before)).await.expect("it can be tried").done);
    let after = own.set("k", &1).await.expect("it can be set");
    assert!(after > before);
    assert!(!own.compare_and_set("k", Expect::Version::<()>(before), &2).await.expect("it can be tried").done);
    let current = own.get::<u64>("k").await.expect("it can be read").expect("it is there");
    assert_eq!((current.version, current.value), (after, 1));
}

pub(super) async fn many_increments_by_compare_and_set_are_all_there(world: &World) {
    let of = |cache| Register::new(cache, "state", LONG).expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    own.set("k", &0_u64).await.expect("it can be set");
    let increment = async |at: usize| {
        let register = if at.is_multiple_of(2) { &own } else { &other };
        loop {
            let current = register.get::<u64>("k").await.expect("it can be read").expect("it is there");
            let next = current.value + 1;
            let swap = register.compare_and_set("k", Expect::Version::<()>(current.version), &next).await;
            if swap.expect("it can be tried").done {
                return;
            }
        }
    };
    join_all((0..12).map(increment)).await;
    assert_eq!(own.get::<u64>("k").await.expect("it can be read").map(|current| current.value), Some(12));
}

pub(super) async fn a_register_ends(world: &World) {
    let brief = Register::new(&world.cache, "state", SHORT).expect("the settings are good");
    brief.set("k", &1).await.expect("it can be set");
    world.pass(SHORT * 2).await;
    assert!(brief.get::<u64>("k").await.expect("it can be read").is_none());
}

pub(super) async fn counters_count_whoever_adds(world: &World) {
    let of = |cache| Counters::new(cache, "likes", LONG).expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    join_all((0..40).map(|at| if at % 2 == 0 { own.add("a", 2) } else { other.add("a", -1) })).await;
    assert_eq!(other.get("a").await.expect("it can be read"), 20);
    assert_eq!(own.add("big", i64::MAX).await.expect("it can be added to"), i64::MAX, "exact, above 2^53");
    let error = own.add("big", 1).await.expect_err("the sum does not fit");
    assert!(error.is_remote(), "{error:?}");
    assert_eq!(other.get_all(&["big", "none", "a"]).await.expect("they can be read"), [i64::MAX, 0, 20]);
    assert!(own.get_all::<&str>(&[]).await.expect("nothing is no error").is_empty());
}

pub(super) async fn what_is_taken_is_counted_once(world: &World) {
    let of = |cache| Counters::new(cache, "likes", LONG).expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    let taken = AtomicU64::new(0);
    let adding = async {
        for _ in 0..30 {
            own.add("a", 1).await.expect("it can be added to");
        }
    };
    let taking = async {
        for _ in 0..30 {
            let count = other.take("a").await.expect("it can be taken");
            taken.fetch_add(u64::try_from(count).expect("it is not negative"), Ordering::Relaxed);
        }
    };
    tokio::join!(adding, taking);
    let rest = other.take("a").await.expect("it can be taken");
    assert_eq!(taken.load(Ordering::Relaxed) + u64::try_from(rest).expect("it is not negative"), 30);
    assert_eq!(own.get("a").await.expect("it can be read"), 0);
}

pub(super) async fn a_counter_ends(world: &World) {
    let brief = Counters::new(&world.cache, "likes", SHORT).expect("the settings are good");
    brief.add("a", 5).await.expect("it can be added to");
    world.pass(SHORT * 2).await;
    assert_eq!(brief.add("a", 1).await.expect("it can be added to"), 1);
}

pub(super) async fn visitors_are_counted_once_within_two_percent(world: &World) {
    let of = |cache| UniqueVisitors::new(cache, "pages", Window::Daily, DAY * 40).expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    assert_eq!(own.count("home", Period::Current).await.expect("it can be counted"), 0);
    for half in 0..2 {
        for batch in 0..10 {
            let names: Vec<String> =
                (0..500).map(|at| format!("visitor {}", (half * 2_500 + batch * 500 + at) % 7_500)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let visitors = if batch % 2 == 0 { &own } else { &other };
            visitors.add("home", &names).await.expect("they can be added");
        }
        world.move_clocks(DAY);
    }
    let near = |count: u64, expected: u64| count.abs_diff(expected) * 50 <= expected;
    let count = async |period| own.count("home", period).await.expect("it can be counted");
    let counts = [count(Period::Ago(2)).await, count(Period::Ago(1)).await, count(Period::Last(3)).await];
    assert!(near(counts[0], 5_000) && near(counts[1], 5_000) && near(counts[2], 7_500), "{counts:?}");
    assert_eq!(count(Period::Current).await, 0);
    assert_eq!(own.count("another", Period::Last(3)).await.expect("it can be counted"), 0);
}

pub(super) async fn a_visitor_who_was_there_changes_nothing(world: &World) {
    let own = UniqueVisitors::new(&world.cache, "pages", Window::AllTime, LONG).expect("the settings are good");
    assert!(own.add("home", &["ann", "bob"]).await.expect("they can be added"));
    assert!(!own.add("home", &["bob", "ann"]).await.expect("they can be added"));
    assert!(own.add("home", &["eve"]).await.expect("she can be added"));
    assert_eq!(own.count("home", Period::Current).await.expect("it can be counted"), 3);
}

pub(super) async fn a_list_has_its_newest_items(world: &World) {
    let of = |cache| RecentList::new(cache, "seen", 4, LONG).expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    for item in [1, 2, 3, 2, 4, 5] {
        own.push("joe", &item).await.expect("it can be pushed");
    }
    assert_eq!(other.newest::<u64>("joe", 10).await.expect("it can be read"), [5, 4, 2, 3]);
    assert_eq!(other.newest::<u64>("joe", 2).await.expect("it can be read"), [5, 4]);
    assert!(other.newest::<u64>("ann", 2).await.expect("it can be read").is_empty());
    let unique = other.unique();
    for item in [3, 6, 5] {
        unique.push("joe", &item).await.expect("it can be pushed");
    }
    assert_eq!(own.newest::<u64>("joe", 10).await.expect("it can be read"), [5, 6, 3, 4]);
    assert_eq!(own.remove("joe", &3).await.expect("it can be removed"), 1);
    assert_eq!(own.newest::<u64>("joe", 10).await.expect("it can be read"), [5, 6, 4]);
}

pub(super) async fn a_list_ends(world: &World) {
    let brief = RecentList::new(&world.cache, "seen", 4, SHORT).expect("the settings are good");
    brief.push("joe", "x").await.expect("it can be pushed");
    world.pass(SHORT * 2).await;
    assert!(brief.newest::<String>("joe", 10).await.expect("it can be read").is_empty());
}
