//! Nodes, servers, and rounds of work under faults.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::DatabaseConnection;

use super::{
    Rule,
    crash::Program,
    faults::Fault,
    node::{self, INTENT_LEASE, LEASE, MARGIN, Node, Site},
    reads::{self, Target},
    record::{History, Recorder, Settled},
    rows, writes,
};
use crate::{postgres::Postgres, redis_server::RedisServer};

const NODES: usize = 3;
const WORKERS_PER_NODE: usize = 4;
const WRITES_SHARE: f64 = 0.06;

/// Pause between two operations of a worker: keeps a machine of few cores able to keep its deadlines.
const PAUSE_MAX_MICROS: u64 = 2_000;

pub(super) struct World {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) site: Site,
    pub(super) rule: Option<Rule>,
    pub(super) redis: Arc<RedisServer>,
    pub(super) database_address: SocketAddr,
    /// Knows of no cache.
    pub(super) database: DatabaseConnection,
    pub(super) writer: Program,
}

impl World {
    pub(super) async fn start(rule: Option<Rule>, writer: Program) -> Self {
        let servers = tokio::task::spawn_blocking(|| (Postgres::shared().create_database(), RedisServer::start()));
        let (database_url, redis) = servers.await.expect("servers start");
        let address = database_url.split(['@', '/']).find(|part| part.starts_with("127.0.0.1:"));
        let database_address = address.and_then(|part| part.parse().ok()).expect("a URL with an address");
        let database = node::pool(&database_url).await;
        rows::register();
        rows::create(&database).await.expect("a new database takes a table");
        let site = Site {
            redis: redis.address(),
            database_url,
            namespace: "history".to_owned(),
            mutation: rule.map(Rule::left_out),
        };
        let mut nodes = Vec::new();
        for id in 0..NODES {
            nodes.push(Arc::new(Node::start(id, &site).await));
        }
        let redis = Arc::new(redis);
        Self { nodes, site, rule, redis, database_address, database, writer }
    }

    /// Everybody reads and writes while one fault after another happens, by default each kind once; then everything comes to rest.
    pub(super) async fn round(&self, seed: u64, faults: Option<&[Fault]>) -> History {
        let recorder = Arc::new(Recorder::new(rows::truth(&self.database).await.expect("the database is well")));
        let working = Arc::new(AtomicBool::new(true));
        let mut workers = tokio::task::JoinSet::new();
        for (number, node) in self.nodes.iter().flat_map(|node| vec![node; WORKERS_PER_NODE]).enumerate() {
            let rng = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
            workers.spawn(work(Arc::clone(node), Arc::clone(&recorder), Arc::clone(&working), rng));
        }
        let mut rng = StdRng::seed_from_u64(seed.wrapping_sub(1));
        let faults = faults.map_or_else(|| Fault::all(&mut rng), <[Fault]>::to_vec);
        for fault in faults {
            let begun = recorder.now();
            recorder.note(|history| history.faults.push((begun, format!("{fault:?}"))));
            self.suffer(fault, &recorder, &mut rng).await;
        }
        working.store(false, Ordering::Release);
        while let Some(ended) = workers.join_next().await {
            ended.expect("a worker does not panic");
        }
        self.settle(&recorder).await;
        recorder.take()
    }

    /// Waits until nothing is in the air, and then as long as anything may be stale; what is old then stays old.
    async fn settle(&self, recorder: &Recorder) {
        self.wait_until_landed().await;
        tokio::time::sleep(INTENT_LEASE + LEASE + MARGIN).await;
        let truth = rows::truth(&self.database).await.expect("the database is well");
        for (node, target) in self.nodes.iter().flat_map(|node| Target::every().map(move |target| (node, target))) {
            for strict in [false, true] {
                let seen = reads::through_cache(node, target, strict, None).await.expect("the database is well");
                recorder.note(|history| {
                    history.settled.extend(seen.into_iter().filter_map(|saw| {
                        let row = truth.iter().find(|row| row.row == saw.row)?;
                        Some(Settled { node: node.id, saw, truth: row.version })
                    }));
                });
            }
        }
    }
}

async fn work(node: Arc<Node>, recorder: Arc<Recorder>, working: Arc<AtomicBool>, mut rng: StdRng) {
    while working.load(Ordering::Acquire) {
        if rng.random_bool(WRITES_SHARE) {
            let row = writes::write(&node, &recorder, &mut rng).await;
            // Whoever writes looks at what has become of it.
            let target = if rng.random_bool(0.5) { Target::Own(row) } else { Target::Row(row) };
            reads::read(&node, &recorder, Some(target), &mut rng).await;
        } else {
            reads::read(&node, &recorder, None, &mut rng).await;
        }
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..=PAUSE_MAX_MICROS))).await;
    }
}
