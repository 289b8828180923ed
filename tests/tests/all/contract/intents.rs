//! Write intents.

use std::time::Duration;

use sea_orm_cache::{
    __testing::{EndWith, Ended, RemoteTier, TagState},
    Tag,
};

use super::{
    World,
    versions::{capture, state},
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);
const HELD: Ended = Ended::Held { stored: false };
const STORED: Ended = Ended::Held { stored: true };

async fn begin(tier: &dyn RemoteTier, tag: &Tag, id: u64, lease: Duration) -> bool {
    tier.begin_intent(std::slice::from_ref(tag), id, lease).await.expect("an intent can be begun")[0]
}

async fn end(tier: &dyn RemoteTier, tag: &Tag, id: u64, end: EndWith) -> Ended {
    tier.end_intent(std::slice::from_ref(tag), id, end).await.expect("an intent can be ended")[0]
}

fn version(version: u64) -> EndWith {
    EndWith::Version { version, ttl: LONG }
}

pub(super) async fn a_write_makes_the_version_before_it_unreachable(world: &World) {
    let tag = Tag::table("t");
    let before = capture(&*world.tier, &tag, LONG).await;
    assert!(!begin(&*world.tier, &tag, 1, LONG).await, "nobody held it before");
    assert_eq!(state(&*world.other_tier, &tag).await, TagState::Pending);
    assert_eq!(end(&*world.tier, &tag, 1, EndWith::Absent).await, HELD);
    assert_eq!(state(&*world.other_tier, &tag).await, TagState::Absent);
    assert_ne!(capture(&*world.other_tier, &tag, LONG).await, before);
}

pub(super) async fn an_abandoned_intent_ends_with_its_lease(world: &World) {
    let tag = Tag::table("t");
    let before = capture(&*world.tier, &tag, LONG).await;
    begin(&*world.tier, &tag, 1, SHORT).await;
    world.pass(SHORT * 2).await;
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
    let after = capture(&*world.tier, &tag, LONG).await;
    assert!(matches!(after, TagState::Version(_)) && after != before, "{after:?}");
}

pub(super) async fn renewing_extends_the_lease_and_contests_nothing(world: &World) {
    let tag = Tag::table("t");
    assert!(!begin(&*world.tier, &tag, 1, Duration::from_secs(1)).await);
    assert!(begin(&*world.tier, &tag, 1, LONG).await);
    world.pass(Duration::from_millis(1_200)).await;
    assert_eq!(state(&*world.tier, &tag).await, TagState::Pending);
    assert_eq!(end(&*world.tier, &tag, 1, version(5)).await, STORED);

    begin(&*world.tier, &tag, 2, SHORT).await;
    world.pass(SHORT * 2).await;
    assert!(!begin(&*world.tier, &tag, 2, LONG).await, "a renewal that comes too late is told so");
}

pub(super) async fn an_uncontested_end_may_set_a_version(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, LONG).await;
    assert_eq!(end(&*world.tier, &tag, 1, version(u64::MAX)).await, STORED);
    assert_eq!(state(&*world.other_tier, &tag).await, TagState::Version(u64::MAX));
    assert_eq!(capture(&*world.other_tier, &tag, LONG).await, TagState::Version(u64::MAX));

    begin(&*world.tier, &tag, 2, LONG).await;
    let brief = EndWith::Version { version: 6, ttl: SHORT };
    assert_eq!(end(&*world.tier, &tag, 2, brief).await, STORED);
    world.pass(SHORT * 2).await;
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn two_intents_contest_each_other(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, LONG).await;
    begin(&*world.other_tier, &tag, 2, LONG).await;
    assert_eq!(end(&*world.other_tier, &tag, 2, version(5)).await, HELD);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Pending, "the last one out opens the door");
    assert_eq!(end(&*world.tier, &tag, 1, version(6)).await, HELD);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn an_intent_is_contested_even_by_one_that_ended_first(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, LONG).await;
    begin(&*world.tier, &tag, 2, LONG).await;
    assert_eq!(end(&*world.tier, &tag, 1, EndWith::Absent).await, HELD);
    assert!(begin(&*world.tier, &tag, 2, LONG).await, "renewing does not wash it clean");
    assert_eq!(end(&*world.tier, &tag, 2, version(5)).await, HELD);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn one_intent_after_the_other_is_not_contested(world: &World) {
    let tag = Tag::table("t");
    for id in 1..4 {
        begin(&*world.tier, &tag, id, LONG).await;
        assert_eq!(end(&*world.tier, &tag, id, version(id)).await, STORED);
        assert_eq!(state(&*world.tier, &tag).await, TagState::Version(id));
    }
}

pub(super) async fn a_shorter_lease_does_not_cut_a_longer_one(world: &World) {
    for (first, second) in [(LONG, SHORT), (SHORT, LONG)] {
        let tag = Tag::named(&format!("{first:?}"));
        begin(&*world.tier, &tag, 1, first).await;
        begin(&*world.tier, &tag, 2, second).await;
        world.pass(SHORT * 2).await;
        assert_eq!(state(&*world.tier, &tag).await, TagState::Pending);
        assert_eq!(capture(&*world.tier, &tag, LONG).await, TagState::Pending);
        let (longer, shorter) = if first == LONG { (1, 2) } else { (2, 1) };
        assert_eq!(end(&*world.tier, &tag, shorter, EndWith::Absent).await, Ended::Expired);
        assert_eq!(end(&*world.tier, &tag, longer, EndWith::Absent).await, HELD);
    }
}

pub(super) async fn an_expired_intent_kills_what_was_captured_since(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, SHORT).await;
    world.pass(SHORT * 2).await;
    let meanwhile = capture(&*world.other_tier, &tag, LONG).await;
    assert_eq!(end(&*world.tier, &tag, 1, version(5)).await, Ended::Expired);
    assert_eq!(state(&*world.other_tier, &tag).await, TagState::Absent);
    assert_ne!(capture(&*world.other_tier, &tag, LONG).await, meanwhile);
}

pub(super) async fn an_expired_intent_leaves_another_pending_but_contested(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, SHORT).await;
    world.pass(SHORT * 2).await;
    begin(&*world.other_tier, &tag, 2, LONG).await;
    assert_eq!(end(&*world.tier, &tag, 1, EndWith::Absent).await, Ended::Expired);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Pending);
    assert_eq!(end(&*world.other_tier, &tag, 2, version(5)).await, HELD, "the two overlapped");
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn an_intent_never_begun_ends_as_expired(world: &World) {
    let tag = Tag::table("t");
    assert_eq!(end(&*world.tier, &tag, 1, version(5)).await, Ended::Expired);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
    capture(&*world.tier, &tag, LONG).await;
    assert_eq!(end(&*world.tier, &tag, 1, EndWith::Absent).await, Ended::Expired);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn each_tag_of_an_intent_ends_on_its_own(world: &World) {
    let tags = ["a", "b", "c"].map(Tag::table);
    begin(&*world.tier, &tags[1], 2, LONG).await;
    let held = world.tier.begin_intent(&tags[..2], 1, LONG).await.expect("an intent can be begun");
    assert_eq!(held, [false, false]);
    let held = world.tier.begin_intent(&tags, 1, LONG).await.expect("an intent can be begun");
    assert_eq!(held, [true, true, false]);
    end(&*world.tier, &tags[2], 1, EndWith::Absent).await;
    let ended = world.tier.end_intent(&tags, 1, version(5)).await.expect("an intent can be ended");
    assert_eq!(ended, [STORED, HELD, Ended::Expired]);
    let states = world.tier.fetch(&[], &tags).await.expect("tags can be fetched").states;
    assert_eq!(states, [TagState::Version(5), TagState::Pending, TagState::Absent]);
}

pub(super) async fn an_evicted_tag_is_pending_as_long_as_its_intent(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, LONG).await;
    world.evict_tag(&tag);
    assert_eq!(capture(&*world.other_tier, &tag, LONG).await, TagState::Pending);
    begin(&*world.other_tier, &tag, 2, LONG).await;
    assert_eq!(end(&*world.other_tier, &tag, 2, version(5)).await, HELD, "the evicted one is still there");
    assert_eq!(end(&*world.tier, &tag, 1, version(6)).await, HELD);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn an_evicted_tag_does_not_hide_that_two_overlapped(world: &World) {
    let tag = Tag::table("t");
    let lease = Duration::from_secs(1);
    begin(&*world.tier, &tag, 1, lease).await;
    world.evict_tag(&tag);
    begin(&*world.other_tier, &tag, 2, LONG).await;
    world.pass(lease + SHORT).await;
    assert_eq!(end(&*world.other_tier, &tag, 2, version(5)).await, HELD, "the first may have committed in between");
}

pub(super) async fn a_renewal_does_not_make_up_for_what_an_evicted_tag_knew(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, LONG).await;
    begin(&*world.other_tier, &tag, 2, LONG).await;
    assert_eq!(end(&*world.other_tier, &tag, 2, EndWith::Absent).await, HELD);
    world.evict_tag(&tag);
    world.tier.begin_intent(std::slice::from_ref(&tag), 1, LONG).await.expect("an intent can be renewed");
    assert_eq!(end(&*world.tier, &tag, 1, version(5)).await, HELD, "the second may have committed after the first");
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn evicted_intents_leave_the_tag_pending(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, LONG).await;
    world.evict_intents(&tag);
    assert_eq!(capture(&*world.other_tier, &tag, LONG).await, TagState::Pending);
    begin(&*world.other_tier, &tag, 2, LONG).await;
    assert_eq!(end(&*world.other_tier, &tag, 2, version(5)).await, HELD, "the marker tells of another");
    assert_eq!(end(&*world.tier, &tag, 1, version(6)).await, Ended::Expired);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}

pub(super) async fn ending_twice_is_harmless(world: &World) {
    let tag = Tag::table("t");
    begin(&*world.tier, &tag, 1, LONG).await;
    assert_eq!(end(&*world.tier, &tag, 1, version(5)).await, STORED);
    assert_eq!(end(&*world.tier, &tag, 1, version(5)).await, Ended::Expired, "a repeated request costs a miss");
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
}
