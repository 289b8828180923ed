//! A server that refuses something leaves a safe state, and the caller hears of it.

use harness::RedisServer;
use sea_orm_cache::{
    __testing::{EndWith, Ended, StoreRequest, TagState},
    Error, ErrorKind, Tag,
};

use super::{LONG, PATIENCE, SHORT, capture, state, tier};

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| {
        assert!(error.is_remote(), "{error:?}");
        error.kind()
    })
}

#[tokio::test]
async fn an_intent_whose_message_is_refused_changes_nothing() {
    let server = RedisServer::start();
    let admin = tier(&server.url());
    let tag = Tag::table("user");
    let before = capture(&admin, &tag).await;
    let silent: [&[&str]; 2] = [&["~*", "&*", "+@all", "-publish"], &["~*", "resetchannels", "&else", "+@all"]];
    for (rules, name) in silent.into_iter().zip(["joe", "ann"]) {
        let tier = tier(&server.acl_user(name, rules));
        let begun = tier.begin_intent(std::slice::from_ref(&tag), 1, LONG).await;
        assert_eq!(kind(begun), Some(ErrorKind::Refused), "{rules:?}");
        assert_eq!(state(&admin, &tag).await, before);
        assert_eq!(server.keys(), ["shop/tag:{user}"], "no intent is left");
    }
}

#[tokio::test]
async fn an_intent_whose_end_is_refused_stays_pending_until_its_lease_ends() {
    let server = RedisServer::start();
    let admin = tier(&server.url());
    let tag = Tag::table("user");
    let before = capture(&admin, &tag).await;
    let tier = tier(&server.acl_user("joe", &["~*", "&*", "+@all", "-del"]));
    let lease = std::time::Duration::from_secs(2);
    tier.begin_intent(std::slice::from_ref(&tag), 1, lease).await.expect("an intent needs no DEL");
    let ended = tier.end_intent(std::slice::from_ref(&tag), 1, EndWith::Absent).await;
    assert_eq!(kind(ended), Some(ErrorKind::Refused));
    assert_eq!(state(&admin, &tag).await, TagState::Pending);
    tokio::time::sleep(lease + SHORT).await;
    assert_eq!(state(&admin, &tag).await, TagState::Absent);
    assert_ne!(capture(&admin, &tag).await, before);
}

#[tokio::test]
async fn a_full_server_refuses_fills_and_takes_invalidations() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let tier = tier(&server.url());
    let (known, unknown) = (Tag::table("known"), Tag::table("unknown"));
    let before = capture(&tier, &known).await;
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);

    let entry = StoreRequest { key: "f:v1:[]", bytes: b"x", ttl: LONG, unlock: None };
    assert_eq!(kind(tier.store(&[entry]).await), Some(ErrorKind::Refused));
    let captured = tier.capture(std::slice::from_ref(&unknown), LONG, &[]).await;
    assert_eq!(kind(captured), Some(ErrorKind::Refused));
    assert_eq!(capture(&tier, &known).await, before, "what is there can be read");

    tier.begin_intent(std::slice::from_ref(&known), 1, LONG).await.expect("a mark of some bytes is let in");
    assert_eq!(state(&tier, &known).await, TagState::Pending);
    let ended = tier.end_intent(std::slice::from_ref(&known), 1, EndWith::Absent).await.expect("an end frees memory");
    assert_eq!(ended, [Ended::Held { stored: false }]);
    assert_eq!(state(&tier, &known).await, TagState::Absent);
}

#[tokio::test]
async fn a_refused_login_is_tried_again() {
    let server = RedisServer::start();
    let tier = tier(&format!("redis://late:secret@{}", server.address()));
    let tag = [Tag::table("user")];
    assert_eq!(kind(tier.fetch(&[], &tag).await), Some(ErrorKind::Refused));
    let _ = server.acl_user("late", &["~*", "&*", "+@all"]);
    let until = tokio::time::Instant::now() + PATIENCE;
    while let Err(error) = tier.fetch(&[], &tag).await {
        assert!(tokio::time::Instant::now() < until, "{error:?}");
    }
}

#[tokio::test]
async fn a_key_of_somebody_else_is_an_error_and_stays() {
    let server = RedisServer::start();
    let tier = tier(&server.url());
    let tag = Tag::table("user");
    server.command(&["SET", "shop/intents:{user}", "not ours"]);
    let begun = tier.begin_intent(std::slice::from_ref(&tag), 1, LONG).await;
    assert_eq!(kind(begun), Some(ErrorKind::Refused));
    assert_eq!(state(&tier, &tag).await, TagState::Absent);
    server.command(&["SET", "shop/tag:{user}", "not ours"]);
    assert_eq!(kind(tier.fetch(&[], std::slice::from_ref(&tag)).await), Some(ErrorKind::Refused));
}
