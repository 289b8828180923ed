//! Sessions.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use sea_orm_cache::{
    Cache,
    toolkit::{SessionId, Sessions},
};

use super::World;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(40);

fn sessions(cache: &Cache) -> Sessions {
    Sessions::builder(cache).idle(LONG).build().expect("the settings are good")
}

async fn sign_in(sessions: &Sessions, user: &str) -> SessionId {
    sessions.create(user).await.expect("a session can be created")
}

async fn is_there(sessions: &Sessions, id: &SessionId) -> bool {
    sessions.load(id).await.expect("sessions can be read").is_some()
}

pub(super) async fn a_session_is_what_was_put_into_it(world: &World) {
    let (own, other) = (sessions(&world.cache), sessions(&world.other));
    let id = own.create_with("joe {1}", &[("theme", "dark"), ("ü =user", "x")]).await.expect("it can be created");
    let session = other.load(&id).await.expect("it can be read").expect("it is there");
    assert_eq!(session.user(), "joe {1}");
    assert_eq!(session.get::<String>("theme").expect("it is text"), Some("dark".to_owned()));
    assert_eq!(session.fields().collect::<Vec<_>>(), ["theme", "ü =user"]);
    assert_eq!(session.get::<String>("none").expect("nothing is no error"), None);
    assert!(session.get::<u64>("theme").is_err(), "text is no number");
    assert!(session.left() <= LONG && session.left() > LONG / 2, "{:?}", session.left());
    assert!(session.created_ms() > 1_600_000_000_000);
    assert_eq!(other.count("joe {1}").await.expect("they can be counted"), 1);
}

pub(super) async fn a_field_is_set_and_taken_away_alone(world: &World) {
    let (own, other) = (sessions(&world.cache), sessions(&world.other));
    let id = own.create_with("joe", &[("a", 1)]).await.expect("it can be created");
    assert!(other.set(&id, "b", &vec![1, 2]).await.expect("a field can be set"));
    assert!(own.set(&id, "a", &2).await.expect("a field can be set"));
    let session = own.load(&id).await.expect("it can be read").expect("it is there");
    assert_eq!((session.get("a").unwrap(), session.get("b").unwrap()), (Some(2), Some(vec![1, 2])));
    assert!(own.unset(&id, "a").await.expect("a field can be taken away"));
    let session = own.load(&id).await.expect("it can be read").expect("it is there");
    assert_eq!(session.fields().collect::<Vec<_>>(), ["b"]);
    own.destroy(&id).await.expect("it can be destroyed");
    assert!(!own.set(&id, "a", &1).await.expect("it is no error"), "a field does not make a session");
    assert!(!is_there(&own, &id).await);
}

pub(super) async fn ids_are_unguessable_and_not_stored(world: &World) {
    let own = sessions(&world.cache);
    let ids = join_all((0..20).map(|_| sign_in(&own, "joe"))).await;
    let secrets: HashSet<&str> = ids.iter().map(|id| &id.as_str()[4..]).collect();
    assert_eq!(secrets.len(), 20);
    for id in &ids {
        assert_eq!(id.as_str().len(), 4 + 64, "256 bits besides the bucket");
        assert!(id.as_str().bytes().all(|c| c.is_ascii_alphanumeric()));
        assert!(!format!("{id:?}").contains(&id.as_str()[4..]));
    }
    let dump = world.dump();
    assert!(world.is_memory() || dump.len() == 21, "20 sessions and an index: {dump:?}");
    assert!(!dump.iter().any(|line| secrets.iter().any(|secret| line.contains(secret))));
}

pub(super) async fn a_session_that_is_not_touched_ends(world: &World) {
    let short = Sessions::builder(&world.cache).idle(SHORT).build().expect("the settings are good");
    let id = sign_in(&short, "joe").await;
    world.pass(SHORT * 2).await;
    assert!(short.touch(&id).await.expect("it is no error").is_none());
    assert!(!short.set(&id, "a", &1).await.expect("it is no error"));
    assert_eq!(short.count("joe").await.expect("they can be counted"), 0);
    assert_eq!(short.destroy_all("joe").await.expect("they can be destroyed"), 0);
}

pub(super) async fn touching_prolongs(world: &World) {
    let short = Sessions::builder(&world.cache).idle(SHORT * 10).build().expect("the settings are good");
    let long = sessions(&world.other);
    let (id, untouched) = (sign_in(&short, "joe").await, sign_in(&short, "joe").await);
    let session = long.touch(&id).await.expect("it can be touched").expect("it is there");
    assert!(session.left() > LONG / 2, "{:?}", session.left());
    world.pass(SHORT * 11).await;
    assert!(is_there(&short, &id).await);
    assert!(!is_there(&short, &untouched).await);
    assert_eq!(short.count("joe").await.expect("they can be counted"), 1, "the index lives as long");
    assert_eq!(short.destroy_all("joe").await.expect("they can be destroyed"), 1);
}

pub(super) async fn touching_does_not_prolong_past_the_absolute_end(world: &World) {
    let brief = Sessions::builder(&world.cache).idle(LONG).absolute(SHORT * 5).build().expect("the settings are good");
    let id = sign_in(&brief, "joe").await;
    let session = brief.touch(&id).await.expect("it can be touched");
    assert!(session.is_none_or(|session| session.left() <= SHORT * 5));
    world.pass(SHORT * 6).await;
    assert!(brief.touch(&id).await.expect("it is no error").is_none());
    assert!(!is_there(&brief, &id).await);
}

pub(super) async fn a_destroyed_session_is_gone(world: &World) {
    let (own, other) = (sessions(&world.cache), sessions(&world.other));
    let (id, kept) = (sign_in(&own, "joe").await, sign_in(&own, "joe").await);
    assert!(other.destroy(&id).await.expect("it can be destroyed"));
    assert!(!own.destroy(&id).await.expect("twice is no error"));
    assert!(!is_there(&own, &id).await);
    assert!(is_there(&own, &kept).await);
    assert_eq!(own.count("joe").await.expect("they can be counted"), 1);
}

pub(super) async fn all_sessions_of_a_user_end_at_once(world: &World) {
    let (own, other) = (sessions(&world.cache), sessions(&world.other));
    let joes = join_all((0..5).map(|_| sign_in(&own, "joe"))).await;
    let ann = sign_in(&own, "ann").await;
    assert_eq!(other.destroy_all("joe").await.expect("they can be destroyed"), 5);
    for id in &joes {
        assert!(!is_there(&own, id).await);
    }
    assert!(is_there(&own, &ann).await);
    assert_eq!(other.destroy_all("joe").await.expect("twice is no error"), 0);
}

pub(super) async fn all_but_this_one_end(world: &World) {
    let own = sessions(&world.cache);
    let (id, gone) = (sign_in(&own, "joe").await, sign_in(&own, "joe").await);
    assert_eq!(own.destroy_others("joe", &id).await.expect("they can be destroyed"), 1);
    assert!(is_there(&own, &id).await);
    assert!(!is_there(&own, &gone).await);
}

pub(super) async fn one_session_too_many_ends_the_one_that_would_end_first(world: &World) {
    let brief = Sessions::builder(&world.cache).idle(LONG / 2).build().expect("the settings are good");
    let two = Sessions::builder(&world.cache).idle(LONG).per_user_max(2).build().expect("the settings are good");
    let first_to_end = sign_in(&brief, "joe").await;
    let (second, third) = (sign_in(&two, "joe").await, sign_in(&two, "joe").await);
    assert!(!is_there(&two, &first_to_end).await);
    assert!(is_there(&two, &second).await);
    assert!(is_there(&two, &third).await);
    assert_eq!(two.count("joe").await.expect("they can be counted"), 2);
}

pub(super) async fn many_sign_ins_at_once_keep_the_bound(world: &World) {
    let of = |cache| Sessions::builder(cache).per_user_max(7).build().expect("the settings are good");
    let (own, other) = (of(&world.cache), of(&world.other));
    let ids = join_all((0..40).map(|at| sign_in(if at % 2 == 0 { &own } else { &other }, "joe"))).await;
    let mut alive = 0;
    for id in &ids {
        alive += u64::from(is_there(&own, id).await);
    }
    assert_eq!(alive, 7);
    assert_eq!(other.count("joe").await.expect("they can be counted"), 7);
}

pub(super) async fn texts_that_are_no_ids_are_nobodys(world: &World) {
    let own = sessions(&world.cache);
    let id = sign_in(&own, "joe").await;
    let upper = id.as_str().to_uppercase();
    let other = id.as_str().replace(|c| c != '0', "0");
    for text in ["", "joe", "*", &id.as_str()[1..], &upper, &other, &format!("{id} ")] {
        assert!(own.load(text).await.expect("it is no error").is_none(), "{text:?}");
        assert!(!own.destroy(text).await.expect("it is no error"), "{text:?}");
    }
    assert!(is_there(&own, &id).await);
}

pub(super) async fn users_whose_names_look_alike_do_not_meet(world: &World) {
    let own = sessions(&world.cache);
    let staff = Sessions::builder(&world.cache).name("staff").build().expect("the settings are good");
    let users = ["", "a", "a}", "a}:s:", "{a}", "a:b", "ü", "a ", "A"];
    for user in users {
        sign_in(&own, user).await;
        sign_in(&staff, user).await;
    }
    for user in users {
        assert_eq!(own.count(user).await.expect("they can be counted"), 1, "{user:?}");
        assert_eq!(own.destroy_all(user).await.expect("they can be destroyed"), 1, "{user:?}");
        assert_eq!(staff.count(user).await.expect("they can be counted"), 1, "{user:?}");
    }
}
