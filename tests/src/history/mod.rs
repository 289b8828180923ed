//! Checks what nodes read against what they wrote, under faults.
//!
//! Three nodes with their own caches and pools read and write one set of rows in a PostgreSQL, beside a Redis of their own, while one fault after another happens: redis-server is killed and starts empty, is stopped, runs out of memory, loses
//! keys; a node is cut off, or hears nothing; replies are late; two nodes write the same rows; a writer's process is killed at each step of a commit. Each commit and
//! each read is written down on one clock, and [`check`] finds the reads that may not be.
//!
//! The schedule of faults and the operations of each worker come from the seed; how they interleave does not.

mod checker;
mod contention;
mod crash;
mod faults;
mod node;
mod reads;
mod record;
mod rows;
mod tap;
mod world;
mod writer;
mod writes;

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use sea_orm_cache::__testing::Mutation;
use serde::{Deserialize, Serialize};

pub use checker::{Findings, check};
pub use crash::Program;
pub use faults::Fault;
pub use record::{Commit, History, Micros, Reading, Recorder, Seen, Settled};
pub use tap::{Piece, Tap, Verdict};
pub use writer::{ORDERS, Orders, Step, write_until_dead};

/// A rule of the protocol that a run leaves out, to show that the checker would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No write intent: tags are made stale only after the commit.
    NoIntent,
    /// Messages of the bus are not heard.
    NoPublish,
    /// A version from Redis is taken over even if a message came in between.
    NoSequence,
    /// A load may be joined although an invalidation has overtaken it.
    JoinableFlights,
    /// COMMIT is sent although the intent's lease has run out.
    CommitAfterLease,
    /// A writer stores the row it has written although another write overlapped its own.
    WriteThroughContested,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoIntent,
        Self::NoPublish,
        Self::NoSequence,
        Self::JoinableFlights,
        Self::CommitAfterLease,
        Self::WriteThroughContested,
    ];

    fn left_out(self) -> Mutation {
        match self {
            Self::NoIntent => Mutation::NoIntent,
            Self::NoPublish => Mutation::NoPublish,
            Self::NoSequence => Mutation::NoSequence,
            Self::JoinableFlights => Mutation::JoinableFlights,
            Self::CommitAfterLease => Mutation::CommitAfterLease,
            Self::WriteThroughContested => Mutation::WriteThroughContested,
        }
    }
}

/// As in `--mutate no-intent`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = serde_json::to_value(self).ok();
        f.write_str(name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default())
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|rule| rule.to_string() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(Self::to_string).collect();
            format!("{name:?} is none of {}", names.join(", "))
        })
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides what is done, and which faults happen when.
    pub seed: u64,
    /// Rounds begin until this time is over; there is one at least.
    pub length: Duration,
    /// The rule left out.
    pub rule: Option<Rule>,
    /// What happens in each round, in this order; by default every kind of fault once, in a random order.
    pub faults: Option<Vec<Fault>>,
    /// How a writer's process is started.
    pub writer: Program,
    /// No further round begins once something was found.
    pub stop_when_found: bool,
}

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What the checker found.
    pub findings: Findings,
    /// Reads and writes.
    pub ops: u64,
    /// Commits whose outcome is known.
    pub commits: u64,
    /// Faults that were brought about.
    pub faults: u64,
    /// Reads that failed, although the database was well.
    pub read_errors: u64,
    /// Reads answered by process memory.
    pub hits_local: u64,
    /// Reads answered by Redis.
    pub hits_remote: u64,
    /// Rows stored by their writers.
    pub write_through: u64,
    /// The plan's seed.
    pub seed: u64,
}

impl Report {
    /// One flat JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let Findings { strict_stale, bounded_stale, own_write_missed, lost_invalidations, uncommitted_seen, .. } =
            self.findings;
        let max_staleness_ms = self.findings.max_staleness_micros as f64 / 1_000.0;
        serde_json::json!({
            "ops": self.ops, "commits": self.commits, "strict_stale": strict_stale, "bounded_stale": bounded_stale,
            "own_write_missed": own_write_missed, "lost_invalidations": lost_invalidations,
            "uncommitted_seen": uncommitted_seen, "read_errors": self.read_errors,
            "max_staleness_ms": max_staleness_ms, "hits_local": self.hits_local, "hits_remote": self.hits_remote,
            "write_through": self.write_through,
            "faults": self.faults, "seed": self.seed,
        })
    }
}

/// Carries out a plan. `after_round` hears of the state of things after each round.
pub async fn run(plan: Plan, after_round: impl Fn(&Report)) -> Report {
    let bound = u64::try_from((node::LEASE + node::MARGIN).as_micros()).unwrap_or(u64::MAX);
    let begun = Instant::now();
    let world = world::World::start(plan.rule, plan.writer).await;
    let mut report = Report { seed: plan.seed, ..Report::default() };
    for round in 0.. {
        let history = world.round(plan.seed.wrapping_add(round * 1_000), plan.faults.as_deref()).await;
        report.faults += history.faults.len() as u64;
        report.ops += history.ops;
        report.commits += history.commits.len() as u64;
        report.read_errors += history.read_errors;
        report.findings.add(check(&history, bound));
        let stats: Vec<_> = world.nodes.iter().map(|node| node.cache.stats()).collect();
        report.hits_local = stats.iter().map(|stats| stats.hits_local).sum();
        report.hits_remote = stats.iter().map(|stats| stats.hits_remote).sum();
        report.write_through = stats.iter().map(|stats| stats.write_through).sum();
        after_round(&report);
        if begun.elapsed() >= plan.length || (plan.stop_when_found && !report.findings.is_clean()) {
            break;
        }
    }
    report
}
