//! A read-mostly application on four nodes: what each way of caching makes of it.

mod aside;
mod node;
mod ours;
#[cfg(feature = "peers")]
mod peer;
mod run;

use std::process::ExitCode;

use clap::Args;
use harness::{Durability, Postgres};

use self::{
    node::{Node, World},
    run::{Outcome, Plan},
};
use crate::report::{Bars, Output, Report, Table, count, nanos, ratio};

/// Reads and writes of rows drawn from a Zipf distribution, on PostgreSQL and Redis, through four nodes.
#[derive(Args, Debug)]
pub(crate) struct Zipf {
    /// Rows in the table.
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
    /// The exponent of the distribution.
    #[arg(long, default_value_t = 0.99)]
    exponent: f64,
    /// Nodes; each has its own cache and its own pool of connections.
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Clients of each node, each with one request at a time.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// The most popular rows, which every node reads once before the run; of the others each is read by one node.
    #[arg(long, default_value_t = 20_000)]
    known: u32,
    /// Seconds of each run before it counts.
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// Only these ways, by the word that their figures carry, beside no cache: for profiles.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// The ways of caching, with the word that their figures carry.
const WAYS: [(&str, &str); 5] = [
    ("no cache", "none"),
    ("cache-aside by hand", "aside"),
    ("multi-tier-cache", "peer"),
    ("ours, bounded", "bounded"),
    ("ours, strict", "strict"),
];

impl Zipf {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("zipf", &self.output);
        let postgres = Postgres::start(Durability::On);
        for (writes, mix) in [(5, "95/5"), (20, "80/20")] {
            let mut outcomes = Vec::new();
            let is_wanted =
                |word: &str| word == "none" || self.only.is_empty() || self.only.iter().any(|one| one == word);
            for (name, word) in WAYS.into_iter().filter(|(_, word)| is_wanted(word)) {
                if let Some(outcome) = self.way(&postgres, word, writes).await {
                    outcomes.push((name, word, outcome));
                }
            }
            self.tell(&mut report, writes, mix, &outcomes);
        }
        report.finish()
    }

    /// A fresh database and a fresh Redis for each way.
    async fn way(&self, postgres: &Postgres, word: &str, writes: u32) -> Option<Outcome> {
        let world = World::new(postgres, self.rows, self.exponent).await;
        let mut nodes: Vec<Node> = Vec::new();
        for _ in 0..self.nodes {
            nodes.push(match word {
                "none" => Node::bare(&world).await,
                "aside" => aside::node(&world).await,
                #[cfg(feature = "peers")]
                "peer" => peer::node(&world).await,
                "bounded" => ours::node(&world, false).await,
                "strict" => ours::node(&world, true).await,
                _ => return None,
            });
        }
        let plan = Plan {
            known: self.known,
            read: if word == "none" { 0 } else { self.rows },
            clients: self.clients,
            writes,
            warm_up: std::time::Duration::from_secs_f64(self.warm_up),
            length: std::time::Duration::from_secs_f64(self.seconds),
        };
        Some(run::run(&world, nodes, plan).await)
    }

    fn tell(&self, report: &mut Report, writes: u32, mix: &str, outcomes: &[(&str, &str, Outcome)]) {
        let mut table = Table::new(&[
            &format!("{mix}, {} nodes", self.nodes),
            "requests/s",
            "queries/s",
            "queries/request",
            "read p50",
            "read p99",
            "write p99",
            "stale reads",
            "oldest",
            "requests ÷ none",
        ]);
        let mut bars = Vec::new();
        let none = &outcomes.first().expect("no cache is always there").2;
        // The figures without a suffix are those of 95/5.
        let suffix = if writes == 5 { "" } else { "_80_20" };
        for (name, word, outcome) in outcomes {
            table.row([
                (*name).to_owned(),
                count(outcome.requests),
                count(outcome.queries),
                ratio(outcome.queries / outcome.requests),
                nanos(outcome.read.quantile(0.5)),
                nanos(outcome.read.quantile(0.99)),
                nanos(outcome.write.quantile(0.99)),
                count(outcome.stale),
                nanos(outcome.oldest_ns),
                ratio(outcome.requests / none.requests),
            ]);
            bars.push((format!("{}: {name}", mix), outcome.requests, count(outcome.requests)));
            if *word != "none" {
                report.figure(&format!("stale_{word}{suffix}"), outcome.stale);
                report.figure(&format!("oldest_ms_{word}{suffix}"), outcome.oldest_ns / 1e6);
                report.figure(&format!("ratio_throughput_{word}{suffix}"), outcome.requests / none.requests);
                report.figure(
                    &format!("ratio_queries_{word}{suffix}"),
                    (outcome.queries / outcome.requests) / (none.queries / none.requests),
                );
            }
            report.must(outcome.failures == 0, &format!("{name}: {} requests failed", outcome.failures));
            if *word == "bounded" && suffix.is_empty() {
                report.figure("ratio_throughput", outcome.requests / none.requests);
                report.figure("ratio_queries", (outcome.queries / outcome.requests) / (none.queries / none.requests));
            }
            if *word == "strict" {
                report.must(outcome.stale == 0.0, "a strict read was stale");
            }
        }
        for (name, _, length) in &mut bars {
            *name = name.replace(&format!("{mix}: ours"), &format!("ours {mix}:"));
            let _ = length;
        }
        report.table(&table);
        report.bars(&Bars { title: &format!("Requests per second, {mix}"), bars });
    }
}
