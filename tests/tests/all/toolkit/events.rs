//! Event streams.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{FutureExt, StreamExt, future::join_all};
use sea_orm_cache::{
    Cache,
    toolkit::{EventId, Events, StreamEvent},
};

use super::World;

const IDLE: Duration = Duration::from_millis(40);

fn events(cache: &Cache) -> Events {
    Events::builder(cache, "posts").build().expect("the settings are good")
}

fn numbers(events: &[StreamEvent]) -> Vec<u64> {
    events.iter().map(|event| event.json().expect("events are numbers")).collect()
}

async fn append(events: &Events, numbers: impl IntoIterator<Item = u64>) -> Vec<EventId> {
    let mut ids = Vec::new();
    for number in numbers {
        ids.push(events.append("s", &number).await.expect("an event can be appended"));
    }
    ids
}

pub(super) async fn events_are_read_in_order_from_any_of_them_on(world: &World) {
    let (own, other) = (events(&world.cache), events(&world.other));
    assert_eq!(own.newest("s").await.expect("it can be asked"), EventId::START);
    let ids = append(&own, 1..=5).await;
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let read = async |after, count| numbers(&other.read("s", after, count).await.expect("events can be read"));
    assert_eq!(read(EventId::START, 10).await, [1, 2, 3, 4, 5]);
    assert_eq!(read(ids[1], 2).await, [3, 4]);
    assert!(read(ids[4], 10).await.is_empty());
    assert_eq!(own.newest("s").await.expect("it can be asked"), ids[4]);
    assert_eq!(ids[2].to_string().parse::<EventId>().ok(), Some(ids[2]));
    assert!(own.read("another", EventId::START, 10).await.expect("it is no error").is_empty());
}

pub(super) async fn a_stream_keeps_its_newest_events(world: &World) {
    let own = Events::builder(&world.cache, "posts").length_max(10).build().expect("the settings are good");
    let ids = append(&own, 1..=15).await;
    let all = own.read("s", EventId::START, 100).await.expect("events can be read");
    assert_eq!(numbers(&all), (6..=15).collect::<Vec<_>>());
    assert_eq!(own.trim("s", ids[12]).await.expect("it can be trimmed"), 7);
    assert_eq!(own.trim("s", ids[12]).await.expect("twice is no error"), 0);
    assert_eq!(numbers(&own.read("s", EventId::START, 100).await.expect("events can be read")), [13, 14, 15]);
}

pub(super) async fn consumers_of_a_group_share_the_events(world: &World) {
    let (own, other) = (events(&world.cache), events(&world.other));
    append(&own, 1..=30).await;
    let consumer = async |at: usize| {
        let events = if at.is_multiple_of(2) { &own } else { &other };
        let mut got = Vec::new();
        loop {
            let batch = events.read_group("s", "g", &format!("worker {at}"), 4).await.expect("a group can be read");
            if batch.is_empty() {
                return got;
            }
            assert!(batch.iter().all(|event| !event.again));
            got.extend(numbers(&batch));
            events.acknowledge("s", "g", batch.iter().map(|event| event.id)).await.expect("they can be acknowledged");
        }
    };
    let got: Vec<u64> = join_all((0..4).map(consumer)).await.concat();
    assert_eq!(got.len(), 30, "none twice");
    assert_eq!(got.into_iter().collect::<BTreeSet<_>>(), (1..=30).collect());
    // Another group has them all again.
    assert_eq!(own.read_group("s", "h", "w", 100).await.expect("a group can be read").len(), 30);
}

pub(super) async fn what_is_not_acknowledged_in_time_is_given_to_another(world: &World) {
    let of = |cache| Events::builder(cache, "posts").idle(IDLE).build().expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    append(&own, 1..=3).await;
    let taken = own.read_group("s", "g", "crashed", 2).await.expect("a group can be read");
    assert_eq!(numbers(&taken), [1, 2]);
    assert_eq!(own.acknowledge("s", "g", [taken[0].id]).await.expect("it can be acknowledged"), 1);
    assert_eq!(own.acknowledge("s", "g", [taken[0].id]).await.expect("twice is no error"), 0);
    world.pass(IDLE * 2).await;
    let again = other.read_group("s", "g", "alive", 10).await.expect("a group can be read");
    assert_eq!(again.iter().map(|event| event.again).collect::<Vec<_>>(), [true, false]);
    assert_eq!(numbers(&again), [2, 3], "what was left behind comes first");
    other.acknowledge("s", "g", again.iter().map(|event| event.id)).await.expect("they can be acknowledged");
    world.pass(IDLE * 2).await;
    assert!(own.read_group("s", "g", "crashed", 10).await.expect("a group can be read").is_empty());
}

pub(super) async fn a_new_group_begins_where_it_was_told(world: &World) {
    let later = Events::builder(&world.cache, "posts").from_start(false).build().expect("the settings are good");
    append(&later, 1..=3).await;
    assert!(later.read_group("s", "g", "w", 10).await.expect("a group can be read").is_empty());
    append(&later, [4]).await;
    assert_eq!(numbers(&later.read_group("s", "g", "w", 10).await.expect("a group can be read")), [4]);
    assert!(later.read_group("none yet", "g", "w", 10).await.expect("a group can be made first").is_empty());
}

pub(super) async fn a_tail_has_every_event_once_however_slowly_it_is_read(world: &World) {
    let (own, other) = (events(&world.cache), events(&world.other));
    let ids = append(&own, 1..=150).await;
    let mut tail = std::pin::pin!(own.tail("s", ids[9]));
    let mut got = Vec::new();
    for _ in 10..150 {
        got.push(tail.next().await.expect("a tail has no end").expect("it can be read"));
    }
    append(&other, 151..=153).await;
    for _ in 0..3 {
        got.push(tail.next().await.expect("a tail has no end").expect("it can be read"));
    }
    assert_eq!(numbers(&got), (11..=153).collect::<Vec<_>>());
}

/// Nothing moves the clocks here: a tail that looked from time to time would never look again.
pub(super) async fn tails_that_wait_hear_of_an_event_when_it_is_appended(world: &World) {
    let (own, other) = (events(&world.cache), events(&world.other));
    let mut tails: Vec<_> = [&own, &own, &other].map(|events| Box::pin(events.tail("s", EventId::START))).into();
    let mut stranger = Box::pin(own.tail("another", EventId::START));
    for number in 0..5 {
        for tail in tails.iter_mut().chain([&mut stranger]) {
            assert!(tail.next().now_or_never().is_none(), "nothing is there yet");
        }
        append(&other, [number]).await;
        for tail in &mut tails {
            let event = tail.next().await.expect("a tail has no end").expect("it can be read");
            assert_eq!(numbers(&[event]), [number]);
        }
        if number == 2 {
            // Those that are left wait all the same.
            tails.pop();
        }
    }
    assert!(stranger.next().now_or_never().is_none(), "it was no event of its stream");
}

pub(super) async fn many_writers_at_once_lose_nothing(world: &World) {
    let (own, other) = (events(&world.cache), events(&world.other));
    let ids = join_all((0..40_u64).map(|at| {
        let events = if at % 2 == 0 { &own } else { &other };
        async move { events.append("s", &at).await.expect("an event can be appended") }
    }));
    let ids: BTreeSet<EventId> = ids.await.into_iter().collect();
    let all = own.read("s", EventId::START, 100).await.expect("events can be read");
    assert_eq!(all.iter().map(|event| event.id).collect::<Vec<_>>(), ids.into_iter().collect::<Vec<_>>());
    assert_eq!(numbers(&all).into_iter().collect::<BTreeSet<_>>(), (0..40).collect());
}
