//! Benchmarks and long runs of sea-orm-cache: `cargo run --release -p cache-bench -- <name> [--json]`.
// A benchmark says that something is wrong by panicking.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod all;
mod compile;
mod draw;
mod expiry;
mod feed;
mod history;
mod hit;
mod invalidate;
mod memory;
mod model;
mod outage;
mod remote;
mod report;
mod scaling;
mod stampede;
mod targets;
mod write;
mod write_behind;
mod write_behind_crash;
mod zipf;

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
    Expiry(expiry::Expiry),
    Feed(feed::Feed),
    Hit(hit::Hit),
    Invalidate(invalidate::Invalidate),
    Compile(compile::Compile),
    Memory(memory::Memory),
    /// A process that `memory` starts.
    #[command(name = memory::PROBE, hide = true)]
    MemoryProbe(memory::Probe),
    Outage(outage::Outage),
    Remote(remote::Remote),
    Scaling(scaling::Scaling),
    Stampede(stampede::Stampede),
    Write(write::Write),
    #[command(name = "write-behind")]
    WriteBehind(write_behind::WriteBehindRows),
    WriteBehindCrash(write_behind_crash::WriteBehindCrash),
    /// A process that `write-behind-crash` starts and kills.
    #[command(name = write_behind_crash::WRITER, hide = true)]
    WriteBehindWriter,
    Zipf(zipf::Zipf),
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
        Command::Expiry(expiry) => expiry.run().await,
        Command::Feed(feed) => feed.run().await,
        Command::Outage(outage) => outage.run().await,
        Command::Scaling(scaling) => scaling.run().await,
        Command::Hit(hit) => hit.run().await,
        Command::Invalidate(invalidate) => invalidate.run().await,
        Command::Compile(compile) => compile.run(),
        Command::Memory(memory) => memory.run().await,
        Command::MemoryProbe(probe) => probe.run().await,
        Command::Remote(remote) => remote.run().await,
        Command::Zipf(zipf) => zipf.run().await,
        Command::Write(write) => write.run().await,
        Command::WriteBehind(write_behind) => write_behind.run().await,
        Command::WriteBehindCrash(crash) => crash.run().await,
        Command::WriteBehindWriter => write_behind_crash::write().await,
        Command::Stampede(stampede) => stampede.run().await,
        Command::StampedeCallers(callers) => callers.run().await,
    }
}
