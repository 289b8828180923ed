//! A private Redis Cluster of a few servers.

use std::{
    thread,
    time::{Duration, Instant},
};

use redis::{Value, from_redis_value};

use crate::redis_server::RedisServer;

const SLOTS: u32 = 16_384;

/// A cluster without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts `count` servers that share the slots evenly.
    #[must_use]
    pub fn start(count: u32) -> Self {
        let servers: Vec<_> = (0..count).map(|_| RedisServer::start_with(&["--cluster-enabled", "yes"])).collect();
        for (server, at) in servers.iter().zip(0..) {
            let (from, to) = (SLOTS * at / count, SLOTS * (at + 1) / count - 1);
            // Two configurations of one epoch would have to be told apart first.
            server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            server.command(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]);
            server.command(&["CLUSTER", "MEET", "127.0.0.1", &servers[0].address().port().to_string()]);
        }
        let cluster = Self { servers };
        cluster.wait_until_agreed();
        cluster
    }

    /// The URLs of its servers.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(RedisServer::url).collect()
    }

    /// Its servers.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    fn wait_until_agreed(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        let agreed = |server: &RedisServer| {
            let info: String = from_redis_value(server.command(&["CLUSTER", "INFO"])).expect("INFO is text");
            let Value::Array(ranges) = server.command(&["CLUSTER", "SLOTS"]) else { return false };
            info.contains("cluster_state:ok") && ranges.len() == self.servers.len()
        };
        while !self.servers.iter().all(agreed) {
            assert!(Instant::now() < until, "the cluster does not come together");
            thread::sleep(Duration::from_millis(50));
        }
    }
}
