//! Two nodes that store what they write, in the same few rows; one of them is slow to say that it is done.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    node::Node,
    reads::{self, Target},
    record::Recorder,
    writes,
};
use crate::proxy::Flow;

/// The rows.
const ROWS: i32 = 2;

/// Writers of each node.
const WRITERS: usize = 2;

/// What the slow node asks of Redis is late by this: between its commit and the end of its intent the other commits and is done.
const DELAY: Duration = Duration::from_millis(12);

/// Between two writes of one writer, at the most: where nobody else is left, the slow one would store.
const PAUSE_MAX: Duration = Duration::from_millis(25);

/// Goes on for a while.
pub(super) async fn contend(slow: &Node, quick: &Node, length: Duration, recorder: &Recorder, seed: u64) {
    slow.network.requests(Flow::Delay(DELAY));
    let until = Instant::now() + length;
    let writers = [slow, quick].into_iter().flat_map(|node| [node; WRITERS]).enumerate();
    join_all(writers.map(|(number, node)| async move {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
        while Instant::now() < until {
            let row = rng.random_range(1..=ROWS);
            writes::through(node, recorder, row).await;
            reads::read(node, recorder, Some(Target::Own(row)), &mut rng).await;
            tokio::time::sleep(PAUSE_MAX.mul_f64(rng.random_range(0.0..=1.0))).await;
        }
    }))
    .await;
    slow.network.requests(Flow::Pass);
}
