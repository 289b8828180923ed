//! The server under load from another process.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod stage;

use stage::{Server, load};

#[test]
fn every_visitor_sees_every_own_write_on_three_nodes() {
    let server = Server::start(3);
    let figures = load(&server);
    assert_eq!((&figures["missed"], &figures["errors"]), (&0.into(), &0.into()), "{figures}");
    assert!(figures["checks"].as_u64().unwrap() > 5, "{figures}");
    assert!(figures["writes"].as_u64() < figures["requests"].as_u64(), "{figures}");
}

#[test]
fn every_visitor_sees_every_own_write_without_redis_on_one_node() {
    let server = Server::start(1);
    let figures = load(&server);
    assert_eq!((&figures["missed"], &figures["errors"]), (&0.into(), &0.into()), "{figures}");
    assert!(figures["checks"].as_u64().unwrap() > 5, "{figures}");
}
