//! What the integration tests and the benchmarks share: private servers, a faulty network, a recorder of events.
//!
//! Every server is the test process's own: a free port, a temporary directory, no touch of what the machine runs otherwise. It ends
//! with its handle, and with the test process at the latest, however that ends.
// A harness says that something is wrong by panicking.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

pub mod behind;
mod database;
pub mod history;
mod mariadb;
mod postgres;
mod process;
mod proxy;
mod recorder;
mod redis_cluster;
mod redis_server;

pub use database::{Backend, TestDatabase, memory};
pub use mariadb::MariaDb;
pub use postgres::{Durability, Postgres};
pub use process::free_port;
pub use proxy::{Flow, Proxy};
pub use recorder::{Recorded, Recorder};
pub use redis_cluster::RedisCluster;
pub use redis_server::RedisServer;

use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other call in this process gets: for namespaces and databases on shared servers.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
