//! A social network served through sea-orm-cache: compared with the same requests without it, or as web pages.
//!
//! What to copy from: [`entities`] (with their index columns), [`repository`] (the cached functions), [`writes`] (ordinary SeaORM), and
//! the files of [`serve`] that each put one type of the toolkit to use.

// The modules are written to be copied into an application, where somebody else names their items.
#![allow(unreachable_pub)]

mod celebrities;
mod cli;
mod compare;
mod database;
mod direct;
mod entities;
mod generate;
mod load;
mod pages;
mod report;
mod repository;
mod schema;
mod serve;
mod workload;
mod writes;
mod zipf;

use std::{error::Error, process::ExitCode};

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let done = match &cli.command {
        Some(cli::Command::Serve(args)) => serve::serve(args).await.map(|()| true),
        Some(cli::Command::Load(args)) => load::load(args).await,
        None => compare(&cli.compare).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("timeline: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every answer was right.
async fn compare(args: &cli::Args) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let report = compare::compare(args).await?;
    println!("{report}");
    if args.json {
        println!("{}", report.to_json()?);
    }
    Ok(report.mismatches == 0)
}
