//! Clients that read and write until the time is over, and what they saw.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::node::{Node, World};
use crate::report::Samples;

/// How one run goes.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// The most popular rows, which every node reads beforehand.
    pub(super) known: u32,
    /// All rows that are read beforehand, the less popular ones by one node each.
    pub(super) read: u32,
    pub(super) clients: usize,
    /// Percent of the requests that write.
    pub(super) writes: u32,
    pub(super) warm_up: Duration,
    pub(super) length: Duration,
}

/// What one run came to.
pub(super) struct Outcome {
    /// Per second.
    pub(super) requests: f64,
    /// Per second.
    pub(super) queries: f64,
    /// Nanoseconds.
    pub(super) read: Samples,
    pub(super) write: Samples,
    /// Reads that returned a version older than one whose commit had been acknowledged before they began, warm-up included.
    pub(super) stale: f64,
    /// How far behind the worst of them was.
    pub(super) oldest_ns: f64,
    pub(super) failures: usize,
}

#[derive(Default)]
struct Seen {
    reads: Vec<f64>,
    writes: Vec<f64>,
    stale: f64,
    oldest_ns: f64,
    failures: usize,
}

pub(super) async fn run(world: &Arc<World>, nodes: Vec<Node>, plan: Plan) -> Outcome {
    let nodes: Vec<Arc<Node>> = nodes.into_iter().map(Arc::new).collect();
    let ids = world.top(plan.read);
    let (known, rest) = ids.split_at(plan.known.min(plan.read) as usize);
    for (at, node) in nodes.iter().enumerate() {
        let own = rest.iter().skip(at).step_by(nodes.len());
        get_to_know(node, known.iter().chain(own).copied().collect(), plan.clients).await;
    }
    let begun = Instant::now();
    let mut clients = Vec::new();
    for (at, node) in nodes.into_iter().enumerate() {
        for client in 0..plan.clients {
            let seed = (at * plan.clients + client) as u64;
            clients.push(tokio::spawn(serve(Arc::clone(world), Arc::clone(&node), plan, begun, seed)));
        }
    }
    tokio::time::sleep_until((begun + plan.warm_up).into()).await;
    let (counted, from) = (world.queries(), Instant::now());
    tokio::time::sleep_until((begun + plan.warm_up + plan.length).into()).await;
    let (queries, seconds) = (world.queries() - counted, from.elapsed().as_secs_f64());
    let mut all = Seen::default();
    for client in clients {
        let seen = client.await.expect("no client panics");
        all.reads.extend(seen.reads);
        all.writes.extend(seen.writes);
        all.stale += seen.stale;
        all.oldest_ns = all.oldest_ns.max(seen.oldest_ns);
        all.failures += seen.failures;
    }
    Outcome {
        requests: (all.reads.len() + all.writes.len()) as f64 / plan.length.as_secs_f64(),
        queries: queries as f64 / seconds,
        read: Samples::of("reads", all.reads),
        write: Samples::of("writes", all.writes),
        stale: all.stale,
        oldest_ns: all.oldest_ns,
        failures: all.failures,
    }
}

/// The node reads what it would have read after a while.
async fn get_to_know(node: &Arc<Node>, ids: Vec<i64>, readers: usize) {
    let ids = Arc::new(ids);
    let reading = (0..readers).map(|reader| {
        let (node, ids) = (Arc::clone(node), Arc::clone(&ids));
        tokio::spawn(async move {
            for id in ids.iter().skip(reader).step_by(readers) {
                (node.read)(*id).await.expect("the row can be read");
            }
        })
    });
    for reader in reading.collect::<Vec<_>>() {
        reader.await.expect("no reader panics");
    }
}

/// One client: a request at a time.
async fn serve(world: Arc<World>, node: Arc<Node>, plan: Plan, begun: Instant, seed: u64) -> Seen {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut seen = Seen::default();
    while begun.elapsed() < plan.warm_up + plan.length {
        let id = world.draw(&mut random);
        let counts = begun.elapsed() >= plan.warm_up;
        let start = Instant::now();
        if random.random_ratio(plan.writes, 100) {
            match (node.write)(id).await {
                Ok(version) => world.commit(id, version),
                Err(_) => seen.failures += 1,
            }
            if counts {
                seen.writes.push(start.elapsed().as_nanos() as f64);
            }
            continue;
        }
        let committed = world.committed(id);
        match (node.read)(id).await {
            Ok(Some(row)) if row.version < committed => {
                seen.stale += 1.0;
                seen.oldest_ns = seen.oldest_ns.max(world.age_of(id, row.version, start));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => seen.failures += 1,
        }
        if counts {
            seen.reads.push(start.elapsed().as_nanos() as f64);
        }
        // Hits never wait; other clients of the node have to get their turn.
        tokio::task::coop::consume_budget().await;
    }
    seen
}
