//! The in-process tier: embedded in one process, and as a store with faults on demand.

use std::{sync::Arc, time::Duration};

use sea_orm_cache::{
    __testing::{Call, EndWith, LockRequest, MemoryStore, Point, RemoteTier, StoreRequest, TagState},
    Clock, ErrorKind, Tag,
};

use crate::contract::Heard;

const LONG: Duration = Duration::from_secs(60);

fn tag() -> [Tag; 1] {
    [Tag::table("user")]
}

async fn state(tier: &Arc<dyn RemoteTier>) -> TagState {
    tier.fetch(&[], &tag()).await.expect("a tag can be fetched").states[0]
}

#[tokio::test]
async fn embedded_messages_are_delivered_within_the_call() {
    let store = MemoryStore::new(Clock::manual());
    let (tier, bus) = (store.tier(), store.bus());
    assert!(!tier.is_shared() && bus.is_synchronous());
    let listening = Heard::listen(&bus).await;
    tier.begin_intent(&tag(), 1, LONG).await.expect("an intent can be begun");
    assert_eq!(listening.heard.log(), ["subscribed", "invalidated user"]);
    bus.ping(5).await.expect("the bus can be pinged");
    tier.remove(&["key"]).await.expect("an entry can be removed");
    assert_eq!(listening.heard.log()[2..], ["pinged 5", "removed key"]);
}

#[tokio::test]
async fn what_has_expired_does_not_pile_up() {
    let clock = Clock::manual();
    let store = MemoryStore::new(clock.clone());
    let tier = store.tier();
    for round in 0..100 {
        for id in 0..100 {
            let key = format!("{round}:{id}");
            let locks = [LockRequest { key: &key, token: 1, ttl: LONG }];
            tier.capture(&[Tag::row("user", &[&key])], LONG, &locks).await.expect("a capture works");
            let entry = StoreRequest { key: &key, bytes: b"x", ttl: LONG, unlock: None };
            tier.store(&[entry]).await.expect("an entry can be stored");
            let written = [Tag::row("post", &[&key])];
            tier.begin_intent(&written, 1, LONG).await.expect("an intent can be begun");
            tier.end_intent(&written, 1, EndWith::Absent).await.expect("an intent can be ended");
        }
        clock.advance(LONG);
    }
    assert!(store.size() < 3_000, "{} of 30000 are kept", store.size());
}

#[tokio::test]
async fn faults_meet_one_node_and_one_kind_of_call() {
    let store = MemoryStore::shared(Clock::manual());
    let (sick, well) = (store.node(), store.node());
    let kind = |result: Result<Vec<bool>, sea_orm_cache::Error>| result.map_err(|error| error.kind());
    sick.fail(Call::Begin, 1);
    assert_eq!(kind(sick.tier().begin_intent(&tag(), 1, LONG).await), Err(ErrorKind::Unreachable));
    assert_eq!(state(&well.tier()).await, TagState::Absent, "it had no effect");

    sick.lose_replies(Call::Begin, 1);
    assert_eq!(kind(sick.tier().begin_intent(&tag(), 1, LONG).await), Err(ErrorKind::Timeout));
    assert_eq!(state(&well.tier()).await, TagState::Pending, "only the reply was lost");
    assert_eq!(kind(sick.tier().begin_intent(&tag(), 1, LONG).await), Ok(vec![true]), "the faults are used up");

    sick.fail_all();
    for _ in 0..3 {
        sick.tier().fetch(&[], &tag()).await.expect_err("everything fails");
        sick.bus().ping(1).await.expect_err("everything fails");
        well.tier().fetch(&[], &tag()).await.expect("the other node is well");
    }
    sick.heal();
    sick.tier().fetch(&[], &tag()).await.expect("it is well again");
}

#[tokio::test]
async fn a_gate_holds_one_call_before_or_after_its_effect() {
    let store = MemoryStore::shared(Clock::manual());
    let node = store.node();
    for (point, expected) in [(Point::Before, TagState::Absent), (Point::After, TagState::Pending)] {
        let gate = node.hold(Call::Begin, point);
        let tier = node.tier();
        let held = tokio::spawn(async move { tier.begin_intent(&tag(), 1, LONG).await });
        gate.reached().await;
        assert_eq!(state(&store.tier()).await, expected);
        store.tier().begin_intent(&[Tag::all()], 2, LONG).await.expect("another node's call is not held");
        assert!(!held.is_finished());
        gate.open();
        held.await.expect("the call does not panic").expect("it succeeds");
        node.tier().end_intent(&tag(), 1, EndWith::Absent).await.expect("an intent can be ended");
    }
}

#[tokio::test]
async fn a_paused_bus_delivers_one_message_at_a_time_and_a_cut_one_none() {
    let store = MemoryStore::shared(Clock::manual());
    let node = store.node();
    let mut listening = Heard::listen(&node.bus()).await;
    node.pause_bus();
    for name in ["a", "b", "c"] {
        store.tier().begin_intent(&[Tag::table(name)], 1, LONG).await.expect("an intent can be begun");
    }
    assert_eq!((listening.heard.log().len(), node.undelivered()), (1, 3));
    assert!(node.deliver_next());
    assert_eq!(listening.heard.log(), ["subscribed", "invalidated a"]);
    assert_eq!(node.deliver(), 2);
    assert_eq!(listening.heard.log()[2..], ["invalidated b", "invalidated c"]);

    store.tier().begin_intent(&tag(), 1, LONG).await.expect("an intent can be begun");
    node.cut_bus();
    (&mut listening.task).await.expect("`run` does not panic").expect_err("the subscription was cut");
    node.resume_bus();
    assert_eq!(listening.heard.log()[4..], ["lost"], "what was under way is lost");
    let again = Heard::listen(&node.bus()).await;
    store.tier().begin_intent(&tag(), 2, LONG).await.expect("an intent can be begun");
    again.heard.wait_for("invalidated user").await;
}
