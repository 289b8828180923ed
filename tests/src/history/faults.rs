//! Does harm.

use std::{sync::Arc, time::Duration};

use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use redis::Value;

use super::{
    contention, crash,
    node::Node,
    record::Recorder,
    world::World,
    writer::{Orders, Step},
    writes,
};
use crate::redis_server::RedisServer;

/// Late replies are late by at most this: less than the deadlines, so that they are replies.
const REPLY_DELAY_MAX: Duration = Duration::from_millis(25);

/// Something that happens to nodes and servers, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Calm,
    /// redis-server is killed and starts again with nothing.
    RedisRestart,
    /// redis-server is stopped (SIGSTOP) and goes on.
    RedisPause,
    /// A node's connections are cut.
    Cut,
    /// A node hears nothing from Redis, while its connections stand.
    Silence,
    /// Replies are late, messages are not.
    LateReplies,
    /// Random keys are deleted.
    Eviction,
    /// Redis runs out of memory and evicts.
    Pressure,
    /// Two nodes store what they write, in the same rows, and one is slow to say that it is done.
    Contention,
    /// A writer's process dies.
    Death(Step),
}

impl Fault {
    /// Every fault once, in a random order.
    pub(super) fn all(rng: &mut StdRng) -> Vec<Self> {
        let mut all = vec![
            Self::Calm,
            Self::RedisRestart,
            Self::RedisPause,
            Self::Cut,
            Self::Silence,
            Self::LateReplies,
            Self::Eviction,
            Self::Pressure,
            Self::Contention,
        ];
        all.extend(Step::ALL.map(Self::Death));
        all.shuffle(rng);
        all
    }
}

impl World {
    /// Does it, for a while; afterwards everything is as before.
    pub(super) async fn suffer(&self, fault: Fault, recorder: &Recorder, rng: &mut StdRng) {
        let while_ = Duration::from_millis(rng.random_range(200..800));
        let node = &self.nodes[rng.random_range(0..self.nodes.len())];
        match fault {
            Fault::Calm => tokio::time::sleep(while_ * 2).await,
            Fault::RedisRestart => {
                self.redis(|redis| redis.kill()).await;
                tokio::time::sleep(while_).await;
                self.redis(RedisServer::restart).await;
            }
            Fault::RedisPause => {
                self.redis(RedisServer::pause).await;
                tokio::time::sleep(while_).await;
                self.redis(RedisServer::resume).await;
            }
            Fault::Cut => {
                node.network.refuse(true);
                tokio::time::sleep(while_).await;
                node.network.refuse(false);
            }
            Fault::Silence => {
                node.silence(true);
                tokio::time::sleep(while_).await;
                node.silence(false);
            }
            Fault::LateReplies => {
                self.nodes.iter().for_each(|node| node.delay_replies(REPLY_DELAY_MAX));
                tokio::time::sleep(while_ * 2).await;
                self.nodes.iter().for_each(|node| node.delay_replies(Duration::ZERO));
            }
            Fault::Eviction => {
                let seed = rng.random();
                self.redis(move |redis| evict(redis, seed)).await;
            }
            Fault::Pressure => {
                self.redis(begin_pressure).await;
                tokio::time::sleep(while_).await;
                self.redis(end_pressure).await;
            }
            Fault::Contention => {
                let other = &self.nodes[(node.id + 1) % self.nodes.len()];
                contention::contend(node, other, while_ * 3, recorder, rng.random()).await;
            }
            Fault::Death(step) => {
                // A writer whose intent is lost with Redis, and who then dies, is promised nothing: one fault at a time.
                self.wait_until_landed().await;
                let orders = Orders {
                    redis: self.redis.address(),
                    database: self.database_address,
                    database_url: self.site.database_url.clone(),
                    namespace: self.site.namespace.clone(),
                    rule: self.rule,
                    step,
                    seed: rng.random(),
                    token: writes::token() * crash::TOKENS,
                };
                crash::run(&self.writer, orders, recorder, &self.database).await;
            }
        }
        // Time to come back to life, and for a death to be noticed by its lease.
        tokio::time::sleep(super::node::LEASE).await;
    }

    /// Waits until every node is through with its invalidations.
    ///
    /// # Panics
    ///
    /// If that takes longer than any fault can account for.
    pub(super) async fn wait_until_landed(&self) {
        const LANDING_MAX: Duration = Duration::from_secs(30);
        let landed = |node: &Arc<Node>| node.cache.stats().deferred_tags == 0;
        let waiting = async {
            while !self.nodes.iter().all(landed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(LANDING_MAX, waiting).await.is_ok(), "invalidations do not land");
    }

    /// Talks to the server on a thread that may wait.
    async fn redis(&self, talk: impl FnOnce(&RedisServer) + Send + 'static) {
        let redis = Arc::clone(&self.redis);
        tokio::task::spawn_blocking(move || talk(&redis)).await.expect("redis-server can be handled");
    }
}

/// Deletes one key in three.
fn evict(redis: &RedisServer, seed: u64) {
    let script = "math.randomseed(ARGV[1]) for _, key in ipairs(redis.call('KEYS', '*')) do \
                  if math.random(3) == 1 then redis.call('DEL', key) end end";
    redis.command(&["EVAL", script, "0", &(seed % 1_000_000).to_string()]);
}

fn begin_pressure(redis: &RedisServer) {
    let Value::BulkString(info) = redis.command(&["EVAL", "return redis.call('INFO', 'memory')", "0"]) else {
        panic!("INFO answers with text");
    };
    let info = String::from_utf8_lossy(&info).into_owned();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("INFO tells the memory");
    let used: u64 = used.trim().parse().expect("memory is a number");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    redis.command(&["CONFIG", "SET", "maxmemory", &(used + 200_000).to_string()]);
    // Refused once only junk of this very call is left to evict: then everything else is gone, which is what is wanted.
    let junk = "for i = 1, 20 do redis.pcall('SET', 'junk:' .. ARGV[1] .. ':' .. i, string.rep('x', 5000)) end";
    for number in 0..30 {
        redis.command(&["EVAL", junk, "0", &number.to_string()]);
    }
}

fn end_pressure(redis: &RedisServer) {
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let clean = "for _, key in ipairs(redis.call('KEYS', 'junk:*')) do redis.call('DEL', key) end";
    redis.command(&["EVAL", clean, "0"]);
}
