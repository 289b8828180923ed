//! Benchmarks and long runs of sea-orm-cache: `cargo run --release -p cache-bench -- <name> [--json]`.
// A benchmark says that something is wrong by panicking.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod all;
mod history;
mod report;
mod stampede;

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
    All(all::All),
    History(history::History),
    /// A process that `history` starts and lets die.
    #[command(name = history::WRITER, hide = true)]
    HistoryWriter,
    Stampede(stampede::Stampede),
    /// A process that `stampede` starts.
    #[command(name = stampede::CALLERS, hide = true)]
    StampedeCallers(stampede::Callers),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::All(all) => all.run(),
        Command::History(history) => history.run().await,
        Command::HistoryWriter => history::write().await,
        Command::Stampede(stampede) => stampede.run().await,
        Command::StampedeCallers(callers) => callers.run().await,
    }
}
