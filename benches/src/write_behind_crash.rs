//! The long run of killed writers.

use std::process::ExitCode;

use clap::Args;
use harness::{
    behind::{Orders, Plan, Report, run, write_until_dead},
    history::Program,
};

/// The subcommand that a writer's process is started with.
pub(crate) const WRITER: &str = "write-behind-writer";

/// Processes that write behind are killed at random moments; then the database is compared with what they had accepted.
#[derive(Args, Debug)]
pub(crate) struct WriteBehindCrash {
    /// How many are killed.
    #[arg(long, default_value_t = 100)]
    kills: u64,
    /// Print the result as one flat JSON object, in the last line.
    #[arg(long)]
    json: bool,
    /// Repeats the operations and moments of an earlier run; how they interleave differs. Default: a random one.
    #[arg(long)]
    seed: Option<u64>,
}

impl WriteBehindCrash {
    /// Succeeds if every row is what it may be.
    pub(crate) async fn run(self) -> ExitCode {
        let seed = self.seed.unwrap_or_else(|| rand::random_range(0..1_000_000_000));
        if !self.json {
            println!("seed {seed}");
        }
        let report = run(Plan { seed, kills: self.kills, writer: Program::this(&[WRITER]) }).await;
        for example in &report.findings.examples {
            eprintln!("{example}");
        }
        println!("{}", if self.json { report.to_json().to_string() } else { line(&report) });
        if report.findings.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// What a writer's process does.
pub(crate) async fn write() -> ExitCode {
    match Orders::of_this_process() {
        Some(orders) => write_until_dead(orders).await,
        None => eprintln!("this subcommand is for processes that `write-behind-crash` starts"),
    }
    ExitCode::FAILURE
}

fn line(report: &Report) -> String {
    let json = report.to_json();
    let fields = json.as_object().into_iter().flatten();
    fields.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}
