//! Three nodes on PostgreSQL and on MariaDB, with Redis: what one node does, the others show.

#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../src/load/client.rs"]
mod client;
mod stage;

use std::time::{Duration, Instant};

use client::{Answer, Client};
use harness::{Durability, MariaDb, Postgres, RedisServer};
use hyper::StatusCode;
use sea_orm::{ConnectionTrait, Database, Statement};
use stage::{PATIENCE, POSTS_PER_MINUTE, Server, load};

#[tokio::test]
async fn three_nodes_on_postgresql_and_redis_show_what_each_of_them_does() {
    let postgres = Postgres::start(Durability::Off);
    show(&postgres.create_database()).await;
}

#[tokio::test]
async fn three_nodes_on_mariadb_and_redis_show_what_each_of_them_does() {
    let mariadb = MariaDb::start();
    show(&mariadb.create_database()).await;
}

async fn show(database_url: &str) {
    let redis = RedisServer::start();
    let server = Server::start_with(3, &[("DATABASE_URL", database_url), ("REDIS_URL", &redis.url())]);
    what_one_node_does_the_others_show(&server).await;
    the_limit_counts_on_all_nodes_together(&server).await;
    assert!(tweets(database_url).await > 400, "the network is in another database");
    let figures = load(&server);
    assert_eq!((&figures["missed"], &figures["errors"]), (&0.into(), &0.into()), "{figures}");
    assert!(figures["checks"].as_u64().unwrap() > 5, "{figures}");
    assert!(!redis.keys().is_empty());
    // But for the journal of likes that were accepted, everything in Redis ends by itself.
    let endless = redis.endless_keys();
    assert!(endless.iter().all(|key| key.starts_with("timeline-pages-") && key.contains("/behind:")), "{endless:?}");
}

async fn what_one_node_does_the_others_show(server: &Server) {
    let (ann, bob) = (Visitor::sign_in(server, "ann").await, Visitor::sign_in(server, "bob").await);
    assert_eq!(bob.send(1, "/u/ann/follow", &[]).await.status, StatusCode::SEE_OTHER);
    assert!(bob.sees(1, "/u/ann", "Unfollow").await);
    assert!(!bob.page(1, "/").await.contains("Hello"));

    assert_eq!(ann.send(0, "/post", &[("body", "Hello, Bob #greeting")]).await.status, StatusCode::SEE_OTHER);
    assert!(bob.sees(1, "/", "Hello, Bob").await);
    assert!(bob.sees(2, "/tag/greeting", "Hello, Bob").await, "his session and the tweet are on each node");
    let page = ann.page(0, "/").await;
    let (_, rest) = page.split_once("<article id=\"t").unwrap();
    let tweet = format!("/t/{}", rest.split_once('"').unwrap().0);

    for verb in ["like", "like"] {
        let liked = bob.send(1, &format!("{tweet}/{verb}"), &[("back", "/")]).await;
        assert_eq!(liked.status, StatusCode::SEE_OTHER, "twice is no error");
    }
    for node in 0..3 {
        assert!(ann.sees(node, &tweet, "<span class=\"count\">1</span>").await, "{}", ann.page(node, &tweet).await);
    }
    assert_eq!(ann.send(2, &format!("{tweet}/edit"), &[("body", "Good evening")]).await.status, StatusCode::SEE_OTHER);
    assert!(bob.sees(1, "/", "Good evening").await);
    assert_eq!(bob.send(1, &format!("{tweet}/delete"), &[]).await.status, StatusCode::NOT_FOUND, "it is not his");

    assert_eq!(bob.send(1, "/u/ann/unfollow", &[]).await.status, StatusCode::SEE_OTHER);
    assert!(bob.sees_no_more(1, "/", "Good evening").await);
    assert!(bob.sees(2, "/u/ann", ">Follow<").await);
    assert_eq!(ann.send(0, &format!("{tweet}/delete"), &[]).await.status, StatusCode::SEE_OTHER);
    assert!(bob.sees(2, &tweet, "nothing here").await);

    assert_eq!(bob.send(2, "/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    assert!(bob.page(0, "/").await.contains("no passwords"), "he is signed out everywhere");
}

async fn the_limit_counts_on_all_nodes_together(server: &Server) {
    let eve = Visitor::sign_in(server, "eve").await;
    let mut passed = 0;
    for number in 0..2 * POSTS_PER_MINUTE {
        let answer = eve.send(number as usize % 3, "/post", &[("body", "again")]).await;
        match answer.status {
            StatusCode::SEE_OTHER => passed += 1,
            status => {
                assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
                let wait: u32 = answer.retry_after.unwrap().parse().unwrap();
                assert!((1..=60).contains(&wait), "{wait}");
                assert!(
                    answer.body.contains("too often") && answer.body.contains("again</textarea>"),
                    "{}",
                    answer.body
                );
            }
        }
    }
    assert_eq!(passed, POSTS_PER_MINUTE);
}

/// Asked past the server.
async fn tweets(database_url: &str) -> i64 {
    let db = Database::connect(database_url).await.unwrap();
    let count = Statement::from_string(db.get_database_backend(), "SELECT COUNT(*) AS n FROM tweet");
    db.query_one_raw(count).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// Somebody who is signed in, on all nodes.
struct Visitor<'a> {
    server: &'a Server,
    client: Client,
    cookie: String,
}

impl<'a> Visitor<'a> {
    async fn sign_in(server: &'a Server, handle: &str) -> Self {
        let client = Client::default();
        let answer = client.post(&server.nodes[0], "/sign-in", None, &[("handle", handle)]).await.unwrap();
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        Self { server, client, cookie: answer.cookie.unwrap() }
    }

    async fn send(&self, node: usize, path: &str, form: &[(&str, &str)]) -> Answer {
        self.client.post(&self.server.nodes[node], path, Some(&self.cookie), form).await.unwrap()
    }

    async fn page(&self, node: usize, path: &str) -> String {
        self.client.get(&self.server.nodes[node], path, Some(&self.cookie)).await.unwrap().body
    }

    /// Whether a page comes to show a text. Another node's writes are seen one delivery of the bus later, likes when they are written.
    async fn sees(&self, node: usize, path: &str, text: &str) -> bool {
        self.page_becomes(node, path, |page| page.contains(text)).await
    }

    async fn sees_no_more(&self, node: usize, path: &str, text: &str) -> bool {
        self.page_becomes(node, path, |page| !page.contains(text)).await
    }

    async fn page_becomes(&self, node: usize, path: &str, so: impl Fn(&str) -> bool) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if so(&self.page(node, path).await) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}
