//! Reads of many keys: what is asked of whom, how often, and what is left alone.

use std::collections::BTreeMap;

use super::*;
use crate::{
    engine::call::{Deps, Function, Presence, Read, ShareError},
    envelope::Wire,
    event::FillRefusal,
    memory::{Call, Point},
    policy::TierChoice,
};

static TWEETS: Function = Function::new("test", "tweets", 1, PolicyOverride::NONE);

/// Rows by id, and each call of the body with the ids it was handed.
#[derive(Clone, Default)]
struct Table {
    rows: Arc<Mutex<BTreeMap<u32, i64>>>,
    asked: Arc<Mutex<Vec<Vec<u32>>>>,
}

impl Table {
    fn with(ids: impl IntoIterator<Item = u32>) -> Self {
        let table = Self::default();
        ids.into_iter().for_each(|id| table.set(id, i64::from(id)));
        table
    }

    fn set(&self, id: u32, value: i64) {
        self.rows.lock().unwrap().insert(id, value);
    }

    /// The calls since the last look.
    fn asked(&self) -> Vec<Vec<u32>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn load(&self, ids: Vec<u32>) -> Vec<Option<i64>> {
        let rows = self.rows.lock().unwrap();
        let values = ids.iter().map(|id| rows.get(id).copied()).collect();
        self.asked.lock().unwrap().push(ids);
        values
    }
}

fn deps(id: u32) -> Deps {
    let mut deps = Deps::new();
    deps.push(Tag::row("tweet", &[&id.to_string()]));
    deps.push(Tag::rows("tweet"));
    deps.push_if_absent(Tag::births("tweet"));
    deps
}

fn presence(value: &Option<i64>) -> Presence {
    if value.is_some() { Presence::Present } else { Presence::Absent }
}

fn read(policy: &PolicyOverride) -> Read<'_, Option<i64>, String> {
    Read {
        policy,
        presence,
        share_error: Some(ShareError::by_clone()),
        ..Read::new(&TWEETS, "", Some(Wire::<Option<i64>>::SERDE))
    }
}

fn key(id: u32) -> String {
    format!("tweets:{id}")
}

impl Node {
    async fn many_by(&self, table: &Table, ids: &[u32], policy: &PolicyOverride) -> Result<Vec<Option<i64>>, String> {
        let keys: Vec<String> = ids.iter().copied().map(key).collect();
        let load = async |places: Vec<usize>| Ok(table.load(places.into_iter().map(|at| ids[at]).collect()));
        self.cache.engine().read_many(&read(policy), &keys, |at| deps(ids[at]), |places, _| load(places)).await
    }

    async fn many(&self, table: &Table, ids: &[u32]) -> Vec<Option<i64>> {
        self.many_by(table, ids, &PolicyOverride::NONE).await.unwrap()
    }

    async fn tweet(&self, table: &Table, id: u32) -> Option<i64> {
        let (key, policy) = (key(id), PolicyOverride::NONE);
        let read = Read { key: &key, ..read(&policy) };
        let load = async || Ok(table.load(vec![id]).pop().flatten());
        self.cache.read(read, || deps(id), |_| load()).await.unwrap()
    }

    async fn invalidate(&self, tags: Vec<Tag>) {
        assert!(self.cache.invalidate(tags).await.is_done());
        settle().await;
    }

    fn trips(&self) -> [u64; 3] {
        [Call::Fetch, Call::Capture, Call::Store].map(|call| self.memory.calls(call))
    }
}

fn row(id: u32) -> Tag {
    Tag::row("tweet", &[&id.to_string()])
}

async fn two() -> (Node, Node, Clock) {
    let (store, clock, _) = shared();
    (Node::on(&store, &clock).await, Node::on(&store, &clock).await, clock)
}

#[tokio::test]
async fn many_keys_cost_one_round_trip_of_each_kind_and_one_call_of_the_body() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2, 3]);
    assert_eq!(a.many(&table, &[3, 1, 9, 2]).await, [Some(3), Some(1), None, Some(2)]);
    assert_eq!(table.asked(), [[3, 1, 9, 2]]);
    assert_eq!(a.trips(), [1, 1, 1]);
    assert_eq!(a.many(&table, &[3, 1, 9, 2]).await, [Some(3), Some(1), None, Some(2)]);
    assert_eq!((a.trips(), a.cache.stats().hits_local), ([1, 1, 1], 4), "all from process memory");
    assert_eq!(b.many(&table, &[2, 9]).await, [Some(2), None]);
    assert_eq!((b.trips(), b.cache.stats().hits_remote), ([1, 0, 0], 2), "entries and tags in one round trip");
    assert_eq!(table.asked(), [[0_u32; 0]; 0]);
    let stats = a.cache.stats();
    assert_eq!((stats.misses, stats.loads, stats.fills), (4, 1, 4));
    assert_eq!((a.heard("Miss"), a.heard("Load"), a.heard("Hit")), (4, 1, 4));
}

#[tokio::test]
async fn only_what_is_missing_is_loaded_once_each_and_in_order() {
    let (a, _, _) = two().await;
    let table = Table::with(1..=5);
    a.many(&table, &[2, 4]).await;
    table.asked();
    assert_eq!(a.many(&table, &[5, 4, 3, 5, 2, 3]).await, [5, 4, 3, 5, 2, 3].map(Some));
    assert_eq!(table.asked(), [[5, 3]]);
    assert_eq!(a.many(&table, &[]).await, []);
    assert_eq!((table.asked().len(), a.trips()), (0, [2, 2, 2]), "an empty list asks nobody");
}

#[tokio::test]
async fn a_write_makes_stale_what_it_touches_and_a_birth_what_was_absent() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2]);
    a.many(&table, &[1, 2, 9]).await;
    table.asked();
    table.set(2, 20);
    b.invalidate(vec![row(2)]).await;
    assert_eq!(a.many(&table, &[1, 2, 9]).await, [Some(1), Some(20), None]);
    assert_eq!(table.asked(), [[2]]);
    table.set(9, 9);
    b.invalidate(vec![Tag::births("tweet")]).await;
    assert_eq!(a.many(&table, &[1, 2, 9]).await, [Some(1), Some(20), Some(9)]);
    assert_eq!(table.asked(), [[9]], "rows that are there do not depend on births");
}

#[tokio::test]
async fn absence_is_kept_for_its_own_time() {
    let (a, _, clock) = two().await;
    let table = Table::with([1]);
    a.many(&table, &[1, 9]).await;
    clock.advance(31 * SECOND);
    settle().await;
    a.wait_for_lease().await;
    table.asked();
    a.many(&table, &[1, 9]).await;
    assert_eq!(table.asked(), [[9]]);
}

#[tokio::test]
async fn local_copies_are_verified_by_one_round_trip() {
    let (a, _, _) = two().await;
    let table = Table::with([1, 2, 3]);
    a.many(&table, &[1, 2, 3]).await;
    a.cache.engine().cells.touch_all(a.cache.engine().clock().now());
    table.asked();
    assert_eq!(a.many(&table, &[1, 2, 3]).await, [1, 2, 3].map(Some));
    assert_eq!((table.asked().len(), a.trips(), a.cache.stats().hits_local), (0, [2, 1, 1], 3));
}

#[tokio::test]
async fn one_stale_copy_among_many_costs_one_round_trip_more() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2, 3]);
    a.many(&table, &[1, 2, 3]).await;
    b.invalidate(vec![row(2)]).await;
    b.many(&table, &[2]).await;
    a.cache.engine().cells.touch_all(a.cache.engine().clock().now());
    table.asked();
    let before = a.trips();
    assert_eq!(a.many(&table, &[1, 2, 3]).await, [1, 2, 3].map(Some));
    let stats = a.cache.stats();
    assert_eq!((table.asked().len(), stats.hits_local, stats.hits_remote), (0, 2, 1));
    assert_eq!(a.trips(), [before[0] + 2, before[1], before[2]]);
}

#[tokio::test]
async fn strict_batches_ask_the_remote_tier_every_time() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2]);
    a.many(&table, &[1, 2]).await;
    a.memory.pause_bus();
    table.set(1, 10);
    assert!(b.cache.invalidate([row(1)]).await.is_done());
    assert_eq!(a.many(&table, &[1, 2]).await, [1, 2].map(Some), "one bus delivery behind is allowed");
    table.asked();
    assert_eq!(a.many_by(&table, &[1, 2], &STRICT).await.unwrap(), [Some(10), Some(2)]);
    assert_eq!(table.asked(), [[1]]);
    a.memory.resume_bus();
}

#[tokio::test]
async fn what_is_pending_is_loaded_and_not_stored() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2]);
    let intent = b.cache.begin_write(vec![row(1)]).await.unwrap();
    settle().await;
    assert_eq!(a.many(&table, &[1, 2]).await, [1, 2].map(Some));
    assert_eq!(a.many(&table, &[1, 2]).await, [1, 2].map(Some));
    assert_eq!(table.asked(), [vec![1, 2], vec![1]]);
    assert_eq!(a.heard("FillRefused"), 2);
    let refusal = format!("why: {:?}", FillRefusal::Pending);
    assert!(a.events.lock().unwrap().iter().any(|event| event.contains(&refusal)));
    assert!(intent.finish().await.is_done());
    settle().await;
    table.set(1, 10);
    assert_eq!(a.many(&table, &[1, 2]).await, [Some(10), Some(2)]);
}

#[tokio::test]
async fn a_write_during_the_load_keeps_only_its_own_entries_out() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2]);
    let (keys, ids) = ([key(1), key(2)], [1, 2]);
    let load = async |places: Vec<usize>| {
        let values = table.load(places.into_iter().map(|at| ids[at]).collect());
        table.set(1, 10);
        b.invalidate(vec![row(1)]).await;
        Ok(values)
    };
    let policy = PolicyOverride::NONE;
    let read = read(&policy);
    let many = a.cache.engine().read_many(&read, &keys, |at| deps(ids[at]), |places, _| load(places));
    assert_eq!(many.await.unwrap(), [1, 2].map(Some));
    table.asked();
    assert_eq!(a.many(&table, &ids).await, [Some(10), Some(2)]);
    assert_eq!(table.asked(), [[1]]);
    assert_eq!(a.heard("FillRefused"), 1);
}

#[tokio::test]
async fn batches_and_single_reads_share_loads_and_entries() {
    let (a, _, _) = two().await;
    let table = Table::with([1, 2, 3]);
    let gate = a.memory.hold(Call::Fetch, Point::Before);
    let (first, second, single, ()) =
        tokio::join!(a.many(&table, &[1, 2]), a.many(&table, &[2, 3, 1]), a.tweet(&table, 2), async {
            gate.reached().await;
            settle().await;
            gate.open();
        });
    assert_eq!((first, second, single), (vec![Some(1), Some(2)], [2, 3, 1].map(Some).into(), Some(2)));
    let mut asked = table.asked();
    asked.sort();
    assert_eq!(asked, [vec![1, 2], vec![3]]);
    assert_eq!(a.cache.stats().joined, 3);
    assert_eq!(a.tweet(&table, 3).await, Some(3));
    assert!(table.asked().is_empty(), "an entry of a batch is an entry");
}

#[tokio::test]
async fn batches_that_want_each_others_keys_do_not_wait_for_each_other() {
    let (a, _, _) = two().await;
    let table = Table::with([1, 2]);
    let gate = a.memory.hold(Call::Fetch, Point::Before);
    let work = async { tokio::join!(a.many(&table, &[1]), a.many(&table, &[2, 1]), a.many(&table, &[1, 2])) };
    let (found, ()) = tokio::join!(work, async {
        gate.reached().await;
        settle().await;
        gate.open();
    });
    assert_eq!(found, (vec![Some(1)], [2, 1].map(Some).into(), [1, 2].map(Some).into()));
    let mut asked = table.asked();
    asked.sort();
    assert_eq!(asked, [[1], [2]]);
}

#[tokio::test]
async fn whoever_waits_for_a_batch_that_is_dropped_loads_for_itself() {
    let (a, _, _) = two().await;
    let table = Table::with([1, 2]);
    let gate = a.memory.hold(Call::Capture, Point::Before);
    let mut dropped = Box::pin(a.many(&table, &[1, 2]));
    tokio::select! {
        biased;
        _ = &mut dropped => panic!("held"),
        () = gate.reached() => {}
    }
    let mut waiting = Box::pin(a.many(&table, &[2, 1]));
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("the other loads"),
        () = settle() => {}
    }
    drop(dropped);
    drop(gate);
    assert_eq!(waiting.await, [2, 1].map(Some));
    assert_eq!(table.asked(), [[2, 1]]);
    assert_eq!(a.cache.engine().flights.len(), 0);
}

#[tokio::test]
async fn an_error_of_the_body_is_everybodys_and_nothing_is_stored() {
    let (a, _, _) = two().await;
    let policy = PolicyOverride::NONE;
    let keys = [key(1), key(2)];
    let calls = AtomicU64::new(0);
    let load = async || {
        calls.fetch_add(1, Ordering::SeqCst);
        settle().await;
        Err::<Vec<Option<i64>>, _>("down".to_owned())
    };
    let many = || async {
        let at = |at: usize| deps(u32::try_from(at).unwrap() + 1);
        a.cache.engine().read_many(&read(&policy), &keys, at, |_, _| load()).await
    };
    let (one, two) = tokio::join!(many(), many());
    assert_eq!((one, two), (Err("down".into()), Err("down".into())));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!((a.cache.stats().fills, a.cache.stats().load_errors), (0, 1));
}

#[tokio::test]
async fn an_expired_entry_of_each_answers_for_a_loader_that_fails() {
    let (a, _, clock) = two().await;
    let table = Table::with([1, 2]);
    let grace = PolicyOverride { ttl: Some(10 * SECOND), stale_if_error: Some(1_000 * SECOND), ..PolicyOverride::NONE };
    a.many_by(&table, &[1, 2], &grace).await.unwrap();
    clock.advance(20 * SECOND);
    settle().await;
    a.wait_for_lease().await;
    let keys = [key(1), key(2), key(3)];
    let fail = async || Err::<Vec<Option<i64>>, _>("down".to_owned());
    let at = |at: usize| deps(u32::try_from(at).unwrap() + 1);
    let engine = a.cache.engine();
    let both = engine.read_many(&read(&grace), &keys[..2], at, |_, _| fail()).await;
    assert_eq!(both, Ok(vec![Some(1), Some(2)]));
    assert_eq!((a.cache.stats().stale_served, a.heard("StaleServed")), (2, 2));
    let three = engine.read_many(&read(&grace), &keys, at, |_, _| fail()).await;
    assert_eq!(three, Err("down".into()), "nothing can answer for the third");
}

#[tokio::test]
async fn a_remote_tier_that_is_down_never_fails_a_batch() {
    let (a, _, _) = two().await;
    let table = Table::with([1, 2]);
    a.memory.fail_all();
    assert_eq!(a.many(&table, &[1, 2, 9]).await, [Some(1), Some(2), None]);
    assert_eq!(a.many(&table, &[1, 2, 9]).await, [Some(1), Some(2), None]);
    assert_eq!(table.asked(), [[1, 2, 9]], "what was loaded in an outage answers for a moment");
    assert_eq!(a.cache.stats().hits_degraded, 3);
    a.memory.heal();
}

#[tokio::test]
async fn each_tier_can_be_the_only_one() {
    for (tier, trips) in [(TierChoice::Local, [0, 1, 0]), (TierChoice::Remote, [2, 1, 1])] {
        let (a, _, _) = two().await;
        let table = Table::with([1, 2]);
        let policy = PolicyOverride { tier: Some(tier), ..PolicyOverride::NONE };
        for _ in 0..2 {
            assert_eq!(a.many_by(&table, &[1, 2], &policy).await.unwrap(), [1, 2].map(Some));
        }
        assert_eq!((table.asked().len(), a.trips()), (1, trips), "{tier:?}");
    }
}

#[tokio::test]
async fn a_request_asks_the_tiers_once_for_each_key() {
    let (a, _, _) = two().await;
    let table = Table::with([1, 2]);
    a.cache
        .scope(async {
            a.many(&table, &[1, 2]).await;
            a.many(&table, &[2, 1]).await;
        })
        .await;
    assert_eq!((a.cache.stats().hits_scope, table.asked().len()), (2, 1));
}

#[tokio::test]
async fn a_value_made_of_a_batch_depends_on_what_the_batch_depends_on() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2]);
    let sum = async || {
        let read = Read::<i64, String>::new(&TWEETS, "sum", Some(Wire::<i64>::SERDE));
        a.cache.read(read, Deps::auto, |_| async { Ok(a.many(&table, &[1, 2]).await.iter().flatten().sum()) }).await
    };
    assert_eq!(sum().await, Ok(3));
    table.set(2, 20);
    b.invalidate(vec![row(2)]).await;
    assert_eq!(sum().await, Ok(21));
}

#[tokio::test]
async fn what_the_body_of_a_batch_uses_every_entry_of_it_depends_on() {
    let (a, b, _) = two().await;
    let (table, other) = (Table::with([1, 2]), Table::with([7]));
    let (keys, ids, policy) = ([key(1), key(2)], [1, 2], PolicyOverride::NONE);
    let named = |_| {
        let mut deps = Deps::new();
        deps.push(Tag::named("names"));
        deps
    };
    let load = async |places: Vec<usize>| {
        let name = Read::<Option<i64>, String>::new(&TWEETS, "name", None);
        a.cache.read(name, || named(0), |_| async { Ok(other.load(vec![7]).pop().flatten()) }).await?;
        Ok(table.load(places.into_iter().map(|at| ids[at]).collect()))
    };
    let many = async || {
        let read = read(&policy);
        let reads = a.cache.engine().read_many(&read, &keys, |at| deps(ids[at]), |places, _| load(places));
        reads.await.unwrap()
    };
    many().await;
    many().await;
    assert_eq!((table.asked().len(), other.asked().len()), (1, 1));
    b.invalidate(vec![Tag::named("names")]).await;
    many().await;
    assert_eq!((table.asked(), other.asked().len()), (vec![vec![1, 2]], 1));
}

#[tokio::test]
async fn entries_that_are_due_are_loaded_anew_together_with_what_is_missing() {
    let (a, _, clock) = two().await;
    let table = Table::with([1, 2, 3]);
    let ahead = PolicyOverride { ttl: Some(100 * SECOND), refresh_ahead: Some(0.5), ..PolicyOverride::NONE };
    a.many_by(&table, &[1, 2], &ahead).await.unwrap();
    clock.advance(60 * SECOND);
    settle().await;
    a.wait_for_lease().await;
    table.set(1, 10);
    table.asked();
    assert_eq!(a.many_by(&table, &[1, 2, 3], &ahead).await.unwrap(), [Some(10), Some(2), Some(3)]);
    assert_eq!((table.asked(), a.cache.stats().refreshes), (vec![vec![1, 2, 3]], 2));
    assert_eq!(a.many_by(&table, &[1, 2, 3], &ahead).await.unwrap(), [Some(10), Some(2), Some(3)]);
    assert!(table.asked().is_empty());
}

#[tokio::test]
async fn more_keys_than_one_round_trip_takes_are_asked_for_in_several() {
    let (a, b, _) = two().await;
    let ids: Vec<u32> = (1..=2_001).collect();
    let table = Table::with(ids.iter().copied());
    assert_eq!(a.many(&table, &ids).await.len(), 2_001);
    assert_eq!((table.asked().len(), a.trips()), (1, [3, 3, 3]));
    assert_eq!(b.many(&table, &ids).await.iter().flatten().count(), 2_001);
    assert_eq!((table.asked().len(), b.trips()), (0, [3, 0, 0]));
}

#[tokio::test]
async fn peeking_at_many_loads_nothing_and_refreshing_loads_all() {
    let (a, b, _) = two().await;
    let table = Table::with([1, 2]);
    a.many(&table, &[1, 9]).await;
    table.asked();
    let policy = PolicyOverride::NONE;
    let keys = [key(1), key(2), key(9), key(1)];
    let found = b.cache.engine().peek_many(&read(&policy), &keys).await;
    assert_eq!(found, [Some(Some(1)), None, Some(None), Some(Some(1))]);
    assert_eq!((table.asked().len(), b.trips()), (0, [2, 0, 0]), "the entries, and then the tags that they name");
    let ids = [1, 2];
    let load = async |places: Vec<usize>| Ok(table.load(places.into_iter().map(|at| ids[at]).collect()));
    table.set(1, 10);
    let read = read(&policy);
    let many = b.cache.engine().refresh_many(&read, &keys[..2], |at| deps(ids[at]), |at, _| load(at));
    assert_eq!(many.await.unwrap(), [Some(10), Some(2)]);
    assert_eq!((table.asked(), b.trips()), (vec![vec![1, 2]], [2, 1, 1]));
    assert_eq!(b.many(&table, &ids).await, [Some(10), Some(2)]);
    assert!(table.asked().is_empty());
}
