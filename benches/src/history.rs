//! The long run of the history checker.

use std::{process::ExitCode, str::FromStr, time::Duration};

use clap::Args;
use harness::history::{Orders, Plan, Program, Report, Rule, run, write_until_dead};

/// The subcommand that a writer's process is started with.
pub(crate) const WRITER: &str = "history-writer";

/// Nodes read and write under faults; the checker looks for stale reads.
#[derive(Args, Debug)]
pub(crate) struct History {
    /// How long rounds go on; there is one at least.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Print the result as one flat JSON object, in the last line.
    #[arg(long)]
    json: bool,
    /// Repeats the operations and faults of an earlier run; how they interleave differs. Default: a random one.
    #[arg(long)]
    seed: Option<u64>,
    /// Leave a rule of the protocol out, which must be noticed: no-intent, no-publish, no-sequence, joinable-flights,
    /// commit-after-lease, write-through-contested.
    #[arg(long, value_parser = Rule::from_str)]
    mutate: Option<Rule>,
}

impl History {
    /// Succeeds if nothing was found, or, of a protocol without a rule, if something was.
    pub(crate) async fn run(self) -> ExitCode {
        let seed = self.seed.unwrap_or_else(|| rand::random_range(0..1_000_000_000));
        if !self.json {
            println!("seed {seed}");
        }
        let plan = Plan {
            seed,
            length: Duration::from_secs_f64(self.minutes.max(0.0) * 60.0),
            rule: self.mutate,
            faults: None,
            writer: Program::this(&[WRITER]),
            stop_when_found: self.mutate.is_some(),
        };
        let report = run(plan, |so_far| {
            if !self.json {
                println!("{}", line(so_far));
            }
        })
        .await;
        for example in &report.findings.examples {
            eprintln!("{example}");
        }
        println!("{}", if self.json { report.to_json().to_string() } else { line(&report) });
        let is_clean = report.findings.is_clean() && report.read_errors == 0;
        if is_clean == self.mutate.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What a writer's process does.
pub(crate) async fn write() -> ExitCode {
    match Orders::of_this_process() {
        Some(orders) => write_until_dead(orders).await,
        None => eprintln!("this subcommand is for processes that `history` starts"),
    }
    ExitCode::FAILURE
}

fn line(report: &Report) -> String {
    let json = report.to_json();
    let fields = json.as_object().into_iter().flatten();
    fields.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}
