//! Benchmarks and long runs of sea-orm-cache.

mod history;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Benchmarks and long runs of sea-orm-cache.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    History(history::History),
    /// A process that `history` starts and lets die.
    #[command(name = history::WRITER, hide = true)]
    HistoryWriter,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::History(history) => history.run().await,
        Command::HistoryWriter => history::write().await,
    }
}
