//! A process that writes, and dies at a chosen step of a commit.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{ColumnTrait, Condition, TransactionTrait};
use sea_orm_cache::Cache;
use serde::{Deserialize, Serialize};

use super::{
    Rule,
    node::{self, INTENT_LEASE, LEASE, Site},
    rows::{self, Column, ROWS, ROWS_OF_THE_DEAD},
    tap::{Piece, Tap, Verdict},
    writes::bump,
};

/// The environment variable that makes a process a writer: its orders, as JSON.
pub const ORDERS: &str = "SEA_ORM_CACHE_HISTORY_WRITER";

/// Commits that are brought to their end before the one that is not.
pub(super) const WHOLE_COMMITS: usize = 3;

/// How likely the last commit is one of a row that nobody else writes.
const LAST_ALONE: f64 = 0.7;

/// A writer that is still alive this long after its last commit began has missed its step.
const DEATH_MAX: Duration = Duration::from_secs(20);

/// Where a writer dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Before the intent has left the process.
    BeforeIntent,
    /// The intent is begun, COMMIT has not left the process.
    AfterIntent,
    /// COMMIT is on its way.
    CommitSent,
    /// The database has committed; the writer has not heard of it.
    AfterCommit,
    /// The writer has heard of it; the end of the intent has not left the process.
    BeforeEnd,
    /// As `AfterCommit`, but the intent's begin has taken longer than its lease.
    LateCommit,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::BeforeIntent, Self::AfterIntent, Self::CommitSent, Self::AfterCommit, Self::BeforeEnd, Self::LateCommit];
}

/// What a writer is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    pub(super) redis: SocketAddr,
    pub(super) database: SocketAddr,
    /// The database's URL, with the address above.
    pub(super) database_url: String,
    pub(super) namespace: String,
    pub(super) rule: Option<Rule>,
    pub(super) step: Step,
    pub(super) seed: u64,
    /// Tokens begin with this one.
    pub(super) token: i64,
}

impl Orders {
    /// The orders of this process, if it was started as a writer.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let orders = std::env::var(ORDERS).ok()?;
        Some(serde_json::from_str(&orders).unwrap_or_else(|error| panic!("{ORDERS}={orders}: {error}")))
    }
}

/// Writes until the step is reached; does not return.
///
/// # Panics
///
/// If the step is not reached.
pub async fn write_until_dead(orders: Orders) {
    let moment = Arc::new(Moment { step: orders.step, ..Moment::new() });
    let on_redis = Arc::clone(&moment);
    let redis = Tap::start(orders.redis, move |piece| on_redis.judge_redis(piece)).await;
    let on_database = Arc::clone(&moment);
    let database = Tap::start(orders.database, move |piece| on_database.judge_database(piece)).await;
    let site = Site {
        redis: redis.address(),
        database_url: orders.database_url.replace(&orders.database.to_string(), &database.address().to_string()),
        namespace: orders.namespace.clone(),
        mutation: orders.rule.map(Rule::left_out),
    };
    let patient = Duration::from_secs(10);
    let cache = Cache::builder()
        .redis(format!("redis://{}", site.redis))
        .namespace(&site.namespace)
        .lease(LEASE)
        .intent_lease(INTENT_LEASE)
        // A late reply is to be a reply, not an outage.
        .deadlines(patient, patient, patient)
        .mutation(site.mutation)
        .build()
        .await
        .expect("the settings are good");
    rows::register();
    let db = cache.wrap(node::pool(&site.database_url).await);

    let mut rng = StdRng::seed_from_u64(orders.seed);
    for (number, token) in (orders.token..).enumerate().take(WHOLE_COMMITS + 1) {
        let is_last = number == WHOLE_COMMITS;
        let rows = if is_last && rng.random_bool(LAST_ALONE) { ROWS + 1..=ROWS + ROWS_OF_THE_DEAD } else { 1..=ROWS };
        let row = rng.random_range(rows);
        let txn = db.begin().await.expect("the database is well");
        let wrote = bump(&txn, Condition::all().add(Column::Id.eq(row)), token).await.expect("the database is well");
        if is_last {
            moment.armed.store(true, Ordering::Release);
            tokio::spawn(async {
                tokio::time::sleep(DEATH_MAX).await;
                say("missed");
            });
        }
        say(&format!("try {row} {token}"));
        let outcome = txn.commit_with_outcome().await.expect("the database is well");
        for wrote in wrote {
            say(&format!("done {} {} {} {}", wrote.row, wrote.version, wrote.token, outcome.is_done()));
        }
    }
    // Only a death that races with the last commit lets it come to here.
    std::future::pending::<()>().await;
}

/// One line to the process that gave the orders. A test runner may have begun a line of its own.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not listen any more does not miss it.
    let _ = write!(out, "\n@{what}\n").and_then(|()| out.flush());
}

/// Watches for the step.
struct Moment {
    step: Step,
    /// From here on, the step is waited for.
    armed: AtomicBool,
    committed: AtomicBool,
    /// The connection that carries the intent's begin, whose next reply is late; 0 is none.
    late: AtomicU64,
}

impl Moment {
    fn new() -> Self {
        Self {
            step: Step::BeforeIntent,
            armed: AtomicBool::new(false),
            committed: AtomicBool::new(false),
            late: AtomicU64::new(0),
        }
    }

    fn judge_redis(&self, piece: Piece<'_>) -> Verdict {
        if !self.armed.load(Ordering::Acquire) {
            return Verdict::Pass;
        }
        let committed = self.committed.load(Ordering::Acquire);
        // A writer that reads nothing runs scripts for its intents only.
        if piece.is_request && piece.contains(b"EVALSHA") {
            match self.step {
                Step::BeforeIntent if !committed => return die(),
                Step::BeforeEnd if committed => return die(),
                Step::LateCommit if !committed => {
                    // Only the first begin is late.
                    let _ = self.late.compare_exchange(0, piece.connection, Ordering::AcqRel, Ordering::Acquire);
                }
                _ => {}
            }
        }
        let is_late = !piece.is_request
            && self.late.compare_exchange(piece.connection, u64::MAX, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if is_late { Verdict::After(INTENT_LEASE * 3 / 2) } else { Verdict::Pass }
    }

    fn judge_database(&self, piece: Piece<'_>) -> Verdict {
        if !self.armed.load(Ordering::Acquire) || !piece.contains(b"COMMIT\0") {
            return Verdict::Pass;
        }
        match (piece.is_request, self.step) {
            (true, Step::AfterIntent) => die(),
            (true, Step::CommitSent) => {
                die();
                Verdict::Pass
            }
            (false, Step::AfterCommit | Step::LateCommit) => die(),
            (false, _) => {
                self.committed.store(true, Ordering::Release);
                Verdict::Pass
            }
            (true, _) => Verdict::Pass,
        }
    }
}

/// SIGKILL, to this process.
fn die() -> Verdict {
    let this = std::process::id().to_string();
    std::thread::spawn(move || std::process::Command::new("sh").args(["-c", "kill -KILL $0", &this]).status());
    Verdict::Never
}
