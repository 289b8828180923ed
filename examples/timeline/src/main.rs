//! A social network's timelines served through sea-orm-cache, compared with the same requests without it.
//!
//! What to copy from: [`entities`] (with their index columns), [`repository`] (the cached functions), [`writes`] (ordinary SeaORM).

// The modules are written to be copied into an application, where somebody else names their items.
#![allow(unreachable_pub)]

mod cli;
mod compare;
mod database;
mod direct;
mod entities;
mod generate;
mod pages;
mod report;
mod repository;
mod schema;
mod workload;
mod writes;
mod zipf;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let args = cli::Args::parse();
    let report = match compare::compare(&args).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("timeline: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{report}");
    if args.json {
        match report.to_json() {
            Ok(line) => println!("{line}"),
            Err(error) => {
                eprintln!("timeline: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if report.mismatches == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
