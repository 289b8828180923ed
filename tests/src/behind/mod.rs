//! Kills processes that write behind, and compares the database with what they had accepted.
//!
//! Two writers at a time, each with keys of its own, append to one journal in Redis and flush it into one PostgreSQL. Again and again
//! one of them is killed (SIGKILL) at a random moment, or between a commit and its acknowledgement, or stopped for longer than its lease and let go on. A writer says each operation before it asks for
//! it, and after it was accepted, so that only the one under way at its death is uncertain. A trigger in the database writes down every state
//! that a row ever had.

mod ledger;
mod rows;
mod window;
mod writer;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

use self::ledger::Ledger;
pub use self::{
    ledger::Findings,
    writer::{ORDERS, Orders, write_until_dead},
};
use crate::{Durability, Postgres, RedisServer, history::Program, unique};

/// How many writers there are at a time.
const WRITERS: usize = 2;

/// So long a writer has to come between a commit and its acknowledgement. It may have nothing to flush, while the other does it all.
const WINDOW_MAX: Duration = Duration::from_secs(3);

/// A writer that says nothing for this long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// What a writer says there.
const WINDOW: &str = "@window";

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Decides what is written and when deaths come.
    pub seed: u64,
    /// How many writers are killed.
    pub kills: u64,
    /// How a writer's process is started.
    pub writer: Program,
}

/// What a run has shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is wrong with the rows.
    pub findings: Findings,
    /// Writers that were killed.
    pub kills: u64,
    /// Those of them that were killed between a commit and its acknowledgement.
    pub in_window: u64,
    /// Writers that were stopped for longer than their lease.
    pub pauses: u64,
    /// Operations that were accepted.
    pub accepted: u64,
    /// Operations whose acceptance nobody has heard of.
    pub uncertain: u64,
    /// Rows at the end.
    pub rows: u64,
    /// Operations that were in the database already when they were claimed again, as far as processes lived to say so.
    pub replayed: u64,
    /// The plan's seed.
    pub seed: u64,
}

impl Report {
    /// One flat JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let Findings { lost, reordered, resurrected, doubled, .. } = self.findings;
        serde_json::json!({
            "kills": self.kills, "in_window": self.in_window, "lost": lost, "reordered": reordered, "resurrected": resurrected, "doubled": doubled,
            "pauses": self.pauses, "accepted": self.accepted, "uncertain": self.uncertain, "rows": self.rows,
            "replayed": self.replayed, "seed": self.seed,
        })
    }
}

impl Report {
    /// Takes down what a process has said in its life.
    fn take_down(&mut self, ledger: &mut Ledger, said: Vec<String>) {
        let told = said.iter().filter_map(|line| line.strip_prefix("@replayed ")?.parse::<u64>().ok());
        self.replayed += told.max().unwrap_or(0);
        ledger.add(said);
    }
}

/// Carries out a plan.
pub async fn run(plan: Plan) -> Report {
    let mut rng = StdRng::seed_from_u64(plan.seed);
    let (redis, postgres) = (RedisServer::start(), Postgres::start(Durability::Off));
    let orders = Orders {
        redis_url: redis.url(),
        database_url: postgres.create_database(),
        namespace: unique("behind"),
        writer: 0,
        seed: 0,
    };
    let plain = sea_orm::Database::connect(&orders.database_url).await.expect("the database is well");
    rows::create(&plain).await.expect("the database is well");

    let mut report = Report { seed: plan.seed, ..Report::default() };
    let mut ledger = Ledger::default();
    let mut running = Vec::new();
    for writer in 0..WRITERS {
        running.push(Running::start(&plan.writer, &orders, writer, rng.random()).await);
    }
    while report.kills < plan.kills {
        let chosen = rng.random_range(0..WRITERS);
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
        if rng.random_bool(0.2) {
            // The other takes its shards over; then it comes back, and believes that they are its own.
            running[chosen].signal("STOP");
            tokio::time::sleep(writer::LEASE + Duration::from_millis(rng.random_range(0..300))).await;
            running[chosen].signal("CONT");
            report.pauses += 1;
            continue;
        }
        let next = rng.random();
        let mut dead = running.remove(chosen);
        let writer = dead.writer;
        // Every other one dies with a batch that is in the database and in the journal.
        if report.kills.is_multiple_of(2) && dead.reaches_window().await {
            report.in_window += 1;
        }
        report.take_down(&mut ledger, dead.kill().await);
        report.kills += 1;
        running.insert(chosen, Running::start(&plan.writer, &orders, writer, next).await);
    }
    for mut last in running {
        // The last of them flushes all there is, and leaves such a batch to the end.
        last.reaches_window().await;
        report.take_down(&mut ledger, last.kill().await);
    }
    report.replayed += drain(&orders).await;
    (report.accepted, report.uncertain) = (ledger.accepted, ledger.uncertain);
    let rows = rows::all(&plain).await.expect("the database is well");
    report.rows = rows.len() as u64;
    report.findings = ledger.compare(&rows, &rows::past(&plain).await.expect("the database is well"));
    report
}

/// Brings what the dead have left in the journal into the database.
async fn drain(orders: &Orders) -> u64 {
    let cache = orders.cache().await;
    let tallies = orders.tallies(&cache).await.build().await.expect("the settings are good");
    tallies.flush().await.expect("Redis and the database are well");
    assert_eq!(tallies.pending().await.ok(), Some(0));
    let letters = tallies.dead_letters(10).await.expect("Redis is well");
    assert!(letters.is_empty(), "{letters:?}");
    let replayed = tallies.stats().replayed;
    tallies.close().await.expect("Redis and the database are well");
    replayed
}

/// A writer's process, and what it says.
struct Running {
    writer: usize,
    process: Child,
    saying: JoinHandle<Vec<String>>,
    /// How often it has come between a commit and its acknowledgement.
    windows: watch::Receiver<u64>,
}

impl Running {
    /// Waits until it is about to write.
    async fn start(program: &Program, orders: &Orders, writer: usize, seed: u64) -> Self {
        let orders = Orders { writer, seed, ..orders.clone() };
        let mut process = Command::new(&program.path)
            .args(&program.arguments)
            .env(ORDERS, serde_json::to_string(&orders).expect("orders are plain data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program:?}: {error}"));
        let mut lines = BufReader::new(process.stdout.take().expect("the output is a pipe")).lines();
        let begun = Instant::now();
        loop {
            let line = tokio::time::timeout(SILENCE_MAX, lines.next_line()).await;
            match line.expect("a writer starts within its time").expect("the output is text") {
                Some(line) if line == "@ready" => break,
                Some(_) => assert!(begun.elapsed() < SILENCE_MAX, "a writer does not start"),
                None => panic!("a writer ended before it was ready"),
            }
        }
        let (counting, windows) = watch::channel(0);
        let saying = tokio::spawn(async move {
            let mut said = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if line == WINDOW {
                    counting.send_modify(|count| *count += 1);
                } else {
                    said.push(line);
                }
            }
            said
        });
        Self { writer, process, saying, windows }
    }

    /// Waits until it is between a commit and its acknowledgement, where it stays for a while.
    async fn reaches_window(&mut self) -> bool {
        self.windows.mark_unchanged();
        tokio::time::timeout(WINDOW_MAX, self.windows.changed()).await.is_ok_and(|changed| changed.is_ok())
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().expect("it runs").to_string();
        let done = std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status();
        assert!(done.is_ok_and(|status| status.success()), "kill -{signal} {id}");
    }

    /// Kills it; returns what it has said.
    async fn kill(mut self) -> Vec<String> {
        self.process.kill().await.expect("a child can be killed");
        self.saying.await.expect("reading does not panic")
    }
}
