//! Subscriptions that break, in every way a subscription can.

use std::{sync::Arc, time::Duration};

use harness::{Proxy, RedisServer};
use sea_orm_cache::{__testing::Bus, Error, ErrorKind, Tag};

use super::{LONG, PATIENCE, open, patient};
use crate::contract::Heard;

/// Waits until the subscription is over.
async fn over(listening: &mut crate::contract::Listening) -> Error {
    listening.heard.wait_for("lost").await;
    let ended = tokio::time::timeout(PATIENCE, &mut listening.task).await.expect("`run` returns after `lost`");
    let error = ended.expect("`run` does not panic").expect_err("a lost subscription is an error");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert_eq!(listening.heard.log().last().map(String::as_str), Some("lost"), "nothing comes after it");
    error
}

async fn hears(bus: &Arc<dyn Bus>, tier: &Arc<dyn sea_orm_cache::__testing::RemoteTier>) {
    let listening = Heard::listen(bus).await;
    let until = tokio::time::Instant::now() + PATIENCE;
    // The other connection may still have to find out that it is broken.
    while let Err(error) = tier.begin_intent(&[Tag::table("user")], 1, LONG).await {
        assert!(tokio::time::Instant::now() < until, "{error:?}");
    }
    listening.heard.wait_for("invalidated user").await;
}

#[tokio::test]
async fn a_cut_subscription_is_lost_and_can_be_made_anew() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.address()).await;
    let (tier, bus) = open(&patient(&format!("redis://{}", proxy.address())));
    let mut listening = Heard::listen(&bus).await;
    proxy.cut();
    over(&mut listening).await;
    hears(&bus, &tier).await;
}

#[tokio::test]
async fn a_server_that_ends_is_noticed() {
    let server = RedisServer::start();
    let (tier, bus) = open(&patient(&server.url()));
    let mut listening = Heard::listen(&bus).await;
    server.kill();
    over(&mut listening).await;
    let error = bus.run(Arc::new(Heard::default())).await.expect_err("there is no server");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    server.restart();
    hears(&bus, &tier).await;
}

#[tokio::test]
async fn a_subscriber_that_the_server_throws_out_notices() {
    let server = RedisServer::start();
    let (tier, bus) = open(&patient(&server.url()));
    let mut listening = Heard::listen(&bus).await;
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    over(&mut listening).await;
    hears(&bus, &tier).await;
}

#[tokio::test]
async fn a_half_open_subscription_is_given_up_when_pings_stay_unanswered() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.address()).await;
    let mut settings = patient(&format!("redis://{}", proxy.address()));
    settings.silence_max = Duration::from_millis(300);
    let (tier, bus) = open(&settings);
    let mut listening = Heard::listen(&bus).await;
    // Only the subscription exists so far: the commands get a connection that works.
    proxy.freeze();
    let pinging = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            for nonce in 0.. {
                bus.ping(nonce).await.expect("commands come through");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let error = over(&mut listening).await;
    assert!(error.to_string().contains("pings"), "{error}");
    pinging.abort();
    hears(&bus, &tier).await;
}

#[tokio::test]
async fn a_subscription_that_the_server_has_forgotten_is_given_up_at_the_next_ping() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.address()).await;
    let (tier, bus) = open(&patient(&format!("redis://{}", proxy.address())));
    let mut listening = Heard::listen(&bus).await;
    proxy.freeze();
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    bus.ping(1).await.expect("commands come through");
    let error = over(&mut listening).await;
    assert!(error.to_string().contains("forgotten"), "{error}");
    hears(&bus, &tier).await;
}

#[tokio::test]
async fn a_subscription_with_nothing_to_hear_stays() {
    let server = RedisServer::start();
    let mut settings = patient(&server.url());
    settings.silence_max = Duration::from_millis(40);
    let (_, bus) = open(&settings);
    let listening = Heard::listen(&bus).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(listening.heard_so_far(&bus).await, ["subscribed"]);
}

#[tokio::test]
async fn a_refused_subscription_is_an_error() {
    let server = RedisServer::start();
    let (_, bus) = open(&patient(&server.acl_user("joe", &["~*", "&*", "+@all", "-subscribe"])));
    let heard = Arc::new(Heard::default());
    let error = bus.run(Arc::clone(&heard) as _).await.expect_err("it may not subscribe");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert_eq!(heard.log(), Vec::<String>::new());
}
