//! The bus.

use std::time::Duration;

use sea_orm_cache::{
    __testing::{EndWith, Ended},
    Tag,
};

use super::{Heard, World, world::patiently};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

pub(super) async fn the_beginning_of_an_intent_is_heard_by_every_node(world: &World) {
    let (own, other) = (Heard::listen(&world.bus).await, Heard::listen(&world.other_bus).await);
    let tags = [Tag::row("user", &["7"]), Tag::named("feed {42}")];
    world.tier.begin_intent(&tags, 1, LONG).await.expect("an intent can be begun");
    for listening in [&own, &other] {
        for tag in &tags {
            listening.heard.wait_for(&format!("invalidated {tag}")).await;
        }
    }
}

pub(super) async fn the_end_is_heard_only_if_the_intent_had_expired(world: &World) {
    let tag = [Tag::table("t")];
    let end = || world.tier.end_intent(&tag, 1, EndWith::Absent);
    world.tier.begin_intent(&tag, 1, LONG).await.expect("an intent can be begun");
    let listening = Heard::listen(&world.bus).await;
    end().await.expect("an intent can be ended");
    assert_eq!(listening.heard_so_far(&world.bus).await, ["subscribed"]);
    assert_eq!(end().await.expect("an intent can be ended"), [Ended::Expired]);
    listening.heard.wait_for("invalidated t").await;
}

pub(super) async fn messages_come_in_the_order_of_the_calls(world: &World) {
    let listening = Heard::listen(&world.bus).await;
    let mut expected = vec!["subscribed".to_owned()];
    for at in 0..50 {
        let tag = Tag::row("t", &[at.to_string()]);
        world.tier.begin_intent(std::slice::from_ref(&tag), 1, SHORT).await.expect("an intent can be begun");
        expected.push(format!("invalidated {tag}"));
    }
    listening.heard.wait_for("invalidated t:49").await;
    let heard = listening.heard.log();
    // Several servers forward to a subscriber each in its own order.
    if expected != heard {
        expected.sort();
        let mut heard = heard;
        heard.sort();
        assert!(!world.is_one_server() && expected == heard, "{heard:?}");
    }
}

pub(super) async fn a_removal_is_heard_by_every_node(world: &World) {
    let (own, other) = (Heard::listen(&world.bus).await, Heard::listen(&world.other_bus).await);
    world.tier.remove(&["f:v1:[1]", "f:v1:[\"ü\"]"]).await.expect("entries can be removed");
    for listening in [&own, &other] {
        listening.heard.wait_for("removed f:v1:[1]").await;
        listening.heard.wait_for("removed f:v1:[\"ü\"]").await;
    }
}

pub(super) async fn a_ping_is_heard_by_its_own_node_only(world: &World) {
    let (own, other) = (Heard::listen(&world.bus).await, Heard::listen(&world.other_bus).await);
    world.bus.ping(5).await.expect("the bus can be pinged");
    own.heard.wait_for("pinged 5").await;
    assert_eq!(other.heard_so_far(&world.other_bus).await, ["subscribed"]);
}

pub(super) async fn a_dropped_subscription_hears_no_more(world: &World) {
    let mut first = Heard::listen(&world.bus).await;
    first.task.abort();
    patiently(&mut first.task).await.expect_err("it was aborted");
    let second = Heard::listen(&world.bus).await;
    world.tier.begin_intent(&[Tag::table("t")], 1, LONG).await.expect("an intent can be begun");
    second.heard.wait_for("invalidated t").await;
    assert_eq!(first.heard.log(), ["subscribed"]);
}
