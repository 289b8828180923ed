//! A process that writes behind until it is killed.

use std::{io::Write, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectOptions, Database};
use sea_orm_cache::{Backpressure, Cache, WriteBehind, WriteBehindBuilder, WriteBehindJournal};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use super::{
    rows::{self, Model},
    window::Window,
};

/// The environment variable that makes a process a writer: its orders, as JSON.
pub const ORDERS: &str = "SEA_ORM_CACHE_BEHIND_WRITER";

/// How long a shard stays with a writer that is not heard of.
pub(super) const LEASE: Duration = Duration::from_millis(300);

/// Tasks of a writer; each has keys of its own, and one operation under way at a time.
const TASKS: usize = 4;

/// Keys of each task.
const KEYS: i32 = 6;

/// What a writer is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    pub(super) redis_url: String,
    pub(super) database_url: String,
    pub(super) namespace: String,
    /// Which of the writers; a new one has the keys of the one before.
    pub(super) writer: usize,
    pub(super) seed: u64,
}

impl Orders {
    /// The orders of this process, if it was started as a writer.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let orders = std::env::var(ORDERS).ok()?;
        Some(serde_json::from_str(&orders).unwrap_or_else(|error| panic!("{ORDERS}={orders}: {error}")))
    }

    pub(super) async fn cache(&self) -> Cache {
        let patient = Duration::from_secs(5);
        Cache::builder()
            .redis(&self.redis_url)
            .namespace(&self.namespace)
            .deadlines(patient, patient, patient)
            .intent_lease(Duration::from_millis(500))
            .build()
            .await
            .expect("the settings are good")
    }

    pub(super) async fn tallies(&self, cache: &Cache) -> WriteBehindBuilder<rows::Entity> {
        let mut options = ConnectOptions::new(&self.database_url);
        options.max_connections(4).sqlx_logging(false);
        let db = cache.wrap(Database::connect(options).await.expect("the database is well"));
        WriteBehind::builder(&db)
            .journal(WriteBehindJournal::Redis)
            .shards(2)
            .batch_size(16)
            .flush_interval(Duration::from_millis(20))
            .backlog_max(400)
            .backpressure(Backpressure::Wait(Duration::from_secs(60)))
            .retry(Duration::from_millis(5), Duration::from_millis(50))
            .lease(LEASE)
    }
}

/// Writes until it is killed.
pub async fn write_until_dead(orders: Orders) {
    let cache = orders.cache().await;
    let seed = orders.seed;
    let tallies = orders.tallies(&cache).await;
    let tallies = tallies.journal_inside(move |journal| Window::around(journal, seed, || say("window")));
    let tallies = tallies.build().await.expect("the settings are good");
    say("ready");
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let (tallies, seed) = (tallies.clone(), orders.seed.wrapping_add(task as u64));
        let first = (orders.writer * TASKS + task) as i32 * KEYS;
        tasks.push(tokio::spawn(write(tallies, StdRng::seed_from_u64(seed), first)));
    }
    let mut replayed = 0;
    while !tasks.iter().any(JoinHandle::is_finished) {
        let now = tallies.stats().replayed;
        if now > replayed {
            replayed = now;
            say(&format!("replayed {replayed}"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for task in tasks {
        task.await.expect("writing does not panic");
    }
}

async fn write(tallies: WriteBehind<rows::Entity>, mut rng: StdRng, first: i32) {
    loop {
        let id = first + rng.random_range(0..KEYS);
        // Greater than all before it, of this process and of those before.
        let token = now_micros();
        let result = match rng.random_range(0..10) {
            0..3 => {
                say(&format!("try put {id} {token}"));
                tallies.upsert(Model { id, token, n: 0 }).await
            }
            3..5 => {
                say(&format!("try delete {id} 0"));
                tallies.delete(id).await
            }
            _ => {
                let by = rng.random_range(1..1_000_000_000);
                say(&format!("try add {id} {by}"));
                tallies.increment(id, rows::Column::N, by).await
            }
        };
        match result {
            Ok(()) => say(&format!("ok {id}")),
            Err(error) => say(&format!("failed {id} {error}")),
        }
    }
}

fn now_micros() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(now.as_micros()).expect("it is not that late")
}

/// One line to the process that gave the orders.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    let line = if what == "ready" { "\n@ready\n".to_owned() } else { format!("@{what}\n") };
    // Whoever does not listen any more does not miss it.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
