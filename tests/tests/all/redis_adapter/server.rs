//! What is in the server, and which servers will do.

use std::collections::BTreeSet;

use harness::RedisServer;
use redis::{Value, from_redis_value};
use sea_orm_cache::{
    __testing::{EndWith, Ended},
    Tag,
};

use super::{LONG, capture, patient, tier, use_everything};
use crate::contract::Heard;

#[tokio::test]
async fn keys_are_readable_within_the_namespace_and_all_of_them_expire() {
    let server = RedisServer::start();
    use_everything(&tier(&server.url())).await.expect("everything works");
    let keys: BTreeSet<String> = server.keys().into_iter().collect();
    let expected = [
        "shop:find_user:v1:[42]",
        "shop/lock:find_user:v1:[42]",
        "shop/tag:{user:42}",
        "shop/intents:{user:42}",
        "shop/tag:{*}",
    ];
    assert_eq!(keys, expected.into_iter().map(str::to_owned).collect());
    for key in keys {
        assert!(matches!(server.command(&["PTTL", &key]), Value::Int(left) if left > 0), "{key} expires");
    }
}

#[tokio::test]
async fn the_server_is_never_asked_for_all_its_keys() {
    let server = RedisServer::start();
    use_everything(&tier(&server.url())).await.expect("everything works");
    let stats: String = from_redis_value(server.command(&["INFO", "commandstats"])).expect("INFO is text");
    assert!(stats.contains("cmdstat_evalsha:") && stats.contains("cmdstat_scan:"), "{stats}");
    for slow in ["cmdstat_keys:", "cmdstat_flush", "cmdstat_sort"] {
        assert!(!stats.contains(slow), "{slow} {stats}");
    }
}

#[tokio::test]
async fn a_tag_and_its_intents_share_a_slot() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    for tag in [Tag::row("user", &["42"]), Tag::named("a{b}c"), Tag::all(), Tag::named("}{")] {
        let slots = ["tag", "intents"].map(|kind| {
            let key = format!("shop/{kind}:{{{tag}}}");
            from_redis_value::<u32>(server.command(&["CLUSTER", "KEYSLOT", &key])).expect("a slot is a number")
        });
        assert_eq!(slots[0], slots[1], "{tag}");
    }
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_gets_them_again() {
    let server = RedisServer::start();
    let tier = tier(&server.url());
    let tags: Vec<Tag> = (0..20).map(|id| Tag::row("user", &[id.to_string()])).collect();
    for id in 1..4 {
        server.command(&["SCRIPT", "FLUSH"]);
        tier.capture(&tags, LONG, &[]).await.expect("the scripts are loaded");
        server.command(&["SCRIPT", "FLUSH"]);
        let held = tier.begin_intent(&tags, id, LONG).await.expect("the scripts are loaded");
        assert_eq!(held, vec![false; tags.len()], "each tag is begun once");
        server.command(&["SCRIPT", "FLUSH"]);
        let ended = tier.end_intent(&tags, id, EndWith::Absent).await.expect("the scripts are loaded");
        assert_eq!(ended, vec![Ended::Held { stored: false }; tags.len()], "each tag is ended once");
    }
}

/// All that a user needs to be allowed.
const RIGHTS: &[&str] = &[
    "~shop:*",
    "~shop/*",
    "&shop:*",
    "-@all",
    "+select",
    "+get",
    "+set",
    "+del",
    "+unlink",
    "+pttl",
    "+pexpire",
    "+scan",
    "+time",
    "+mget",
    "+exists",
    "+zadd",
    "+zrem",
    "+zcard",
    "+zscore",
    "+zcount",
    "+zrevrange",
    "+zremrangebyscore",
    "+evalsha",
    "+script|load",
    "+publish",
    "+subscribe",
];

#[tokio::test]
async fn the_url_chooses_the_database_and_a_user_with_few_rights() {
    let server = RedisServer::start();
    let url = server.acl_user("joe", RIGHTS);
    let (tier, bus) = super::open(&patient(&format!("{url}/3")));
    let listening = Heard::listen(&bus).await;
    use_everything(&tier).await.expect("these rights are all that is needed");
    listening.heard.wait_for("invalidated user:42").await;
    bus.ping(5).await.expect("the bus can be pinged");
    listening.heard.wait_for("pinged 5").await;
    assert_eq!(tier.advise().await.expect("what may not be read is not an error"), Vec::<String>::new());

    assert_eq!(server.keys(), Vec::<String>::new(), "database 0 is empty");
    let keyspace: String = from_redis_value(server.command(&["INFO", "keyspace"])).expect("INFO is text");
    assert!(keyspace.contains("db3:keys=5"), "{keyspace}");
}

#[tokio::test]
async fn a_unix_socket_will_do() {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let socket = place.path().join("redis.sock").display().to_string();
    let _server = RedisServer::start_with(&["--unixsocket", &socket]);
    let tier = tier(&format!("redis+unix://{socket}"));
    capture(&tier, &Tag::table("user")).await;
    use_everything(&tier).await.expect("everything works");
}

#[tokio::test]
async fn advice_depends_on_the_configuration() {
    let good = RedisServer::start_with(&["--maxmemory", "50mb", "--maxmemory-policy", "volatile-lfu"]);
    assert_eq!(tier(&good.url()).advise().await.expect("the server tells"), Vec::<String>::new());

    good.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let advice = tier(&good.url()).advise().await.expect("the server tells");
    assert!(matches!(advice.as_slice(), [one] if one.contains("noeviction")), "{advice:?}");

    let url = good.acl_user("joe", &["~*", "&*", "+@all", "-config"]);
    let (tier, _) = super::open(&patient(&url));
    assert_eq!(tier.advise().await.expect("a server may keep it to itself"), Vec::<String>::new());
}
