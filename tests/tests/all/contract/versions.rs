//! Versions of tags.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use sea_orm_cache::{
    __testing::{RemoteTier, TagState},
    Tag,
};

use super::World;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

pub(super) async fn state(tier: &dyn RemoteTier, tag: &Tag) -> TagState {
    tier.fetch(&[], std::slice::from_ref(tag)).await.expect("a tag can be fetched").states[0]
}

pub(super) async fn capture(tier: &dyn RemoteTier, tag: &Tag, ttl: Duration) -> TagState {
    tier.capture(std::slice::from_ref(tag), ttl, &[]).await.expect("a tag can be captured").states[0]
}

pub(super) async fn an_absent_tag_gets_a_version_and_keeps_it(world: &World) {
    let tag = Tag::row("user", &["7"]);
    assert_eq!(state(&*world.tier, &tag).await, TagState::Absent);
    let captured = capture(&*world.tier, &tag, LONG).await;
    assert!(matches!(captured, TagState::Version(version) if version != 0), "{captured:?}");
    assert_eq!(state(&*world.other_tier, &tag).await, captured);
    assert_eq!(capture(&*world.other_tier, &tag, LONG).await, captured);
}

pub(super) async fn each_tag_has_its_own_version(world: &World) {
    let tags = [Tag::table("t"), Tag::rows("t"), Tag::row("t", &["ü {}"]), Tag::named("a b:{c}"), Tag::all()];
    let captured = world.tier.capture(&tags, LONG, &[]).await.expect("tags can be captured").states;
    let distinct: HashSet<u64> = captured
        .iter()
        .map(|state| match state {
            TagState::Version(version) => *version,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(distinct.len(), tags.len());
    let reversed: Vec<Tag> = tags.iter().rev().cloned().collect();
    let mut fetched = world.other_tier.fetch(&[], &reversed).await.expect("tags can be fetched").states;
    fetched.reverse();
    assert_eq!(fetched, captured);
}

pub(super) async fn many_captures_at_once_agree(world: &World) {
    let tag = Tag::table("t");
    let captures = (0..16).map(|at| capture(if at % 2 == 0 { &*world.tier } else { &*world.other_tier }, &tag, LONG));
    let captured: Vec<TagState> = join_all(captures).await;
    assert!(captured.windows(2).all(|pair| pair[0] == pair[1]), "{captured:?}");
}

pub(super) async fn a_version_lives_as_long_as_the_longest_capture(world: &World) {
    let (short, longer, shorter) = (Tag::table("short"), Tag::table("longer"), Tag::table("shorter"));
    capture(&*world.tier, &short, SHORT).await;
    let extended = capture(&*world.tier, &longer, Duration::from_secs(5)).await;
    assert_eq!(capture(&*world.tier, &longer, LONG).await, extended);
    let kept = capture(&*world.tier, &shorter, LONG).await;
    assert_eq!(capture(&*world.tier, &shorter, SHORT).await, kept);
    world.pass(SHORT * 2).await;
    assert_eq!(state(&*world.tier, &short).await, TagState::Absent);
    assert_eq!(state(&*world.tier, &shorter).await, kept, "a shorter capture does not shorten a life");
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(state(&*world.tier, &longer).await, extended);
}

pub(super) async fn a_pending_tag_is_captured_as_pending(world: &World) {
    let (absent, known) = (Tag::table("absent"), Tag::table("known"));
    capture(&*world.tier, &known, LONG).await;
    world.tier.begin_intent(&[absent.clone(), known.clone()], 1, LONG).await.expect("an intent can be begun");
    for tag in [&absent, &known] {
        assert_eq!(state(&*world.other_tier, tag).await, TagState::Pending);
        assert_eq!(capture(&*world.other_tier, tag, LONG).await, TagState::Pending);
    }
}
