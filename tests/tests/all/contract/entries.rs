//! Entries, load locks, scans.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use sea_orm_cache::{
    __testing::{EndWith, LockRequest, RemoteTier, StoreRequest},
    Tag,
};

use super::World;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

async fn put(tier: &dyn RemoteTier, key: &str, bytes: &[u8], ttl: Duration) {
    tier.store(&[StoreRequest { key, bytes, ttl, unlock: None }]).await.expect("an entry can be stored");
}

async fn get(tier: &dyn RemoteTier, key: &str) -> Option<Vec<u8>> {
    tier.fetch(&[key], &[]).await.expect("an entry can be fetched").entries.remove(0)
}

async fn lock(tier: &dyn RemoteTier, key: &str, token: u64, ttl: Duration) -> bool {
    let captured = tier.capture(&[], ttl, &[LockRequest { key, token, ttl }]).await;
    captured.expect("a lock can be tried for").locks[0]
}

pub(super) async fn what_is_stored_is_fetched_in_the_order_asked_for(world: &World) {
    let requests =
        ["a:1", "a:2", "a:3"].map(|key| StoreRequest { key, bytes: key.as_bytes(), ttl: LONG, unlock: None });
    world.tier.store(&requests).await.expect("entries can be stored");
    let fetched = world.other_tier.fetch(&["a:3", "a:nothing", "a:1"], &[]).await.expect("entries can be fetched");
    assert_eq!(fetched.entries, [Some(b"a:3".to_vec()), None, Some(b"a:1".to_vec())]);
    put(&*world.tier, "a:1", b"new", LONG).await;
    assert_eq!(get(&*world.other_tier, "a:1").await.as_deref(), Some(&b"new"[..]));
}

pub(super) async fn any_bytes_and_any_key_come_back_as_they_were(world: &World) {
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n+OK\r\n").collect();
    let keys = ["f:v1:[\"a b\",{\"x\":1}]", "f:v1:{}", "f:{a}{b}", "f:ü\n\0*?[", "/tag:{user}", ""];
    for key in keys {
        put(&*world.tier, key, &bytes, LONG).await;
    }
    put(&*world.tier, "f:empty", b"", LONG).await;
    for key in keys {
        assert_eq!(get(&*world.tier, key).await.as_ref(), Some(&bytes), "{key}");
    }
    assert_eq!(get(&*world.tier, "f:empty").await, Some(Vec::new()));
}

pub(super) async fn an_entry_ends_with_its_ttl(world: &World) {
    put(&*world.tier, "short", b"x", SHORT).await;
    put(&*world.tier, "long", b"x", LONG).await;
    world.pass(SHORT * 2).await;
    assert_eq!(get(&*world.tier, "short").await, None);
    assert_eq!(get(&*world.tier, "long").await, Some(b"x".to_vec()));
}

pub(super) async fn the_remaining_ttl_is_told(world: &World) {
    put(&*world.tier, "key", b"x", LONG).await;
    let left = world.tier.ttl("key").await.expect("a TTL can be read").expect("there is an entry");
    assert!(left <= LONG && left > LONG / 2, "{left:?}");
    assert_eq!(world.tier.ttl("nothing").await.expect("a TTL can be read"), None);
    put(&*world.tier, "for ever", b"x", Duration::MAX).await;
    let left = world.tier.ttl("for ever").await.expect("a TTL can be read").expect("there is an entry");
    assert!(left > Duration::from_secs(3_600 * 24 * 365), "{left:?}");
}

pub(super) async fn removed_entries_are_gone_and_counted(world: &World) {
    put(&*world.tier, "a", b"x", LONG).await;
    put(&*world.tier, "b", b"x", LONG).await;
    assert_eq!(world.tier.remove(&["a", "nothing", "b"]).await.expect("entries can be removed"), 2);
    assert_eq!(get(&*world.tier, "a").await, None);
    assert_eq!(world.tier.remove(&["a"]).await.expect("entries can be removed"), 0);
}

pub(super) async fn one_of_many_wins_a_lock(world: &World) {
    let tries = (1..=16).map(|token| {
        let tier = if token % 2 == 0 { &world.tier } else { &world.other_tier };
        lock(&**tier, "key", token, LONG)
    });
    let won = join_all(tries).await;
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
}

pub(super) async fn a_lock_is_given_back_by_its_holder_only(world: &World) {
    assert!(lock(&*world.tier, "key", 1, LONG).await);
    world.other_tier.unlock("key", 2).await.expect("unlocking works");
    assert!(!lock(&*world.other_tier, "key", 2, LONG).await, "another's token does not unlock");
    world.tier.unlock("key", 1).await.expect("unlocking works");
    assert!(lock(&*world.other_tier, "key", 2, LONG).await);
}

pub(super) async fn a_lock_is_given_back_with_the_entry(world: &World) {
    assert!(lock(&*world.tier, "key", 1, LONG).await);
    let entry = |unlock| StoreRequest { key: "key", bytes: b"x", ttl: LONG, unlock: Some(unlock) };
    world.tier.store(&[entry(2)]).await.expect("an entry can be stored");
    assert!(!lock(&*world.tier, "key", 3, LONG).await, "another's token does not unlock");
    world.tier.store(&[entry(1)]).await.expect("an entry can be stored");
    assert!(lock(&*world.tier, "key", 3, LONG).await);
    assert_eq!(get(&*world.tier, "key").await, Some(b"x".to_vec()), "a lock is not its entry");
}

pub(super) async fn a_lock_ends_by_itself(world: &World) {
    assert!(lock(&*world.tier, "key", 1, SHORT).await);
    world.pass(SHORT * 2).await;
    assert!(lock(&*world.tier, "key", 2, LONG).await);
    world.tier.unlock("key", 1).await.expect("unlocking works");
    assert!(!lock(&*world.tier, "key", 3, LONG).await, "the expired holder does not unlock the next one's");
}

pub(super) async fn a_lock_lasts_longer_for_its_holder_only(world: &World) {
    assert!(lock(&*world.tier, "key", 1, SHORT).await);
    assert!(!lock(&*world.other_tier, "key", 2, LONG).await);
    assert!(lock(&*world.tier, "key", 1, LONG).await, "its holder may try again");
    world.pass(SHORT * 2).await;
    assert!(!lock(&*world.other_tier, "key", 2, LONG).await, "it was renewed");
    world.tier.unlock("key", 1).await.expect("unlocking works");
    assert!(lock(&*world.other_tier, "key", 2, LONG).await);
    assert!(!lock(&*world.tier, "key", 1, LONG).await, "whoever has given it back holds it no more");
}

pub(super) async fn a_scan_finds_every_entry_and_nothing_else(world: &World) {
    let keys: BTreeSet<String> = (0..100).map(|id| format!("scan:v1:[{id}]")).collect();
    for key in &keys {
        put(&*world.tier, key, b"x", LONG).await;
    }
    put(&*world.tier, "scan:gone", b"x", SHORT).await;
    let tags = [Tag::table("user")];
    let locks = [LockRequest { key: "scan:lock", token: 1, ttl: LONG }];
    world.tier.capture(&tags, LONG, &locks).await.expect("a capture works");
    world.tier.begin_intent(&[Tag::table("post")], 1, LONG).await.expect("an intent can be begun");
    world.pass(SHORT * 2).await;

    let found = scan_all(world, "*").await;
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), keys);
    world.tier.end_intent(&[Tag::table("post")], 1, EndWith::Absent).await.expect("an intent can be ended");
}

pub(super) async fn a_scan_matches_its_pattern(world: &World) {
    for key in ["user:1", "user:2", "users:1", "post:1"] {
        put(&*world.tier, key, b"x", LONG).await;
    }
    for (pattern, expected) in [
        ("user:*", vec!["user:1", "user:2"]),
        ("*:1", vec!["post:1", "user:1", "users:1"]),
        ("us?r:[2-9]", vec!["user:2"]),
    ] {
        assert_eq!(
            scan_all(world, pattern).await.into_iter().collect::<BTreeSet<_>>(),
            expected.into_iter().map(str::to_owned).collect(),
            "{pattern}"
        );
    }
}

async fn scan_all(world: &World, pattern: &str) -> Vec<String> {
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = world.tier.scan(pattern, from, 10).await.expect("a scan works");
        found.extend(page.keys);
        match page.next {
            Some(next) => from = Some(next),
            None => return found,
        }
    }
}

pub(super) async fn calls_about_nothing_work(world: &World) {
    let tier = &world.tier;
    assert!(tier.fetch(&[], &[]).await.expect("nothing can be fetched").entries.is_empty());
    assert!(tier.capture(&[], LONG, &[]).await.expect("nothing can be captured").states.is_empty());
    tier.store(&[]).await.expect("nothing can be stored");
    assert_eq!(tier.remove(&[]).await.expect("nothing can be removed"), 0);
    assert!(tier.begin_intent(&[], 1, LONG).await.expect("nothing can be begun").is_empty());
    assert!(tier.end_intent(&[], 1, EndWith::Absent).await.expect("nothing can be ended").is_empty());
    tier.unlock("nothing", 1).await.expect("nothing can be unlocked");
}
