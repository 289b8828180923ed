//! The command line.

use clap::{Parser, Subcommand};

/// A social network served through sea-orm-cache, and without it.
#[derive(Clone, Debug, Parser)]
#[command(name = "timeline", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub compare: Args,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve the network as web pages, with a panel that shows what the cache does.
    Serve(Serve),
    /// Send requests to a running server, and check that every visitor sees what they wrote.
    Load(Load),
}

/// How the pages are served.
#[derive(Clone, Debug, clap::Args)]
pub struct Serve {
    /// The port of the first node; the others follow. 0 takes free ones.
    #[arg(long, default_value_t = 3001)]
    pub port: u16,

    /// The address to listen on. There are no passwords: keep it to yourself.
    #[arg(long, default_value = "127.0.0.1")]
    pub bind: std::net::IpAddr,

    /// How many instances, each with a cache of its own, serve one database. More than one need a Redis; without `REDIS_URL` a private one is started.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,

    /// How many members the network has when it is created.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub users: u32,

    /// How many tweets there are when it is created.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tweets: u32,

    /// With more followers than this, a member's tweets are merged into timelines when those are read, and not put into them when they are written.
    #[arg(long, default_value_t = 40)]
    pub large_above: u64,

    /// The database; tables that are there are used. Default: an SQLite file in the temporary directory, gone afterwards.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// A Redis for what the nodes share. Default: everything in this process for one node, a private Redis for more.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,

    /// What precedes every key in Redis, together with the number of the network.
    #[arg(long, default_value = "timeline-pages")]
    pub namespace: String,

    /// Drop the tables of an earlier run, and begin with a new network.
    #[arg(long)]
    pub reset: bool,

    /// How many tweets a member may post within a minute.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub posts_per_minute: u32,
}

/// What is sent to the server.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// The nodes; visitors are spread over them.
    #[arg(default_value = "http://127.0.0.1:3001")]
    pub urls: Vec<String>,

    /// How many visitors there are at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub visitors: u32,

    /// For how many seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,

    /// How many requests of a hundred write something.
    #[arg(long, default_value_t = 10.0, value_parser = percent)]
    pub writes_percent: f64,

    /// The seed of the requests.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,

    /// Print one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
}

/// The comparison: the timelines of a generated network are served twice, through sea-orm-cache and without it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many members the network has.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub users: u32,

    /// How many tweets are there at the start.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub tweets: u32,

    /// How many likes are there at the start (at the most: nobody likes a tweet twice).
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub likes: u32,

    /// How many pages are requested, over all workers.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub reads: u32,

    /// How many writes come per hundred requests.
    #[arg(long, default_value_t = 1.0, value_parser = percent)]
    pub writes_percent: f64,

    /// How many workers send requests at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: u32,

    /// How skewed the choice of members and tweets is (Zipf exponent; 0 is uniform).
    #[arg(long, default_value_t = 1.4, value_parser = exponent)]
    pub skew: f64,

    /// With more followers than this, a member's tweets are merged into timelines when those are read, and not put into them when they are written.
    #[arg(long, default_value_t = 100)]
    pub large_above: u64,

    /// One read in so many is compared with a direct query.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    pub check_every: u32,

    /// The seed of the network, and of the requests.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,

    /// The database. Default: an SQLite file in the temporary directory, gone afterwards.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// A Redis for the remote tier. Default: none, everything stays in this process.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,

    /// How many entries process memory may hold. Default: 100,000, or 1,000 with a Redis, to give that something to do.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub local_entries: Option<u64>,

    /// Drop tables that an earlier, interrupted run left in the given database.
    #[arg(long)]
    pub reset: bool,

    /// Print one JSON object as the last line.
    #[arg(long)]
    pub json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "a number is needed, such as 2 or 0.5".to_owned())?;
    // At 100 nothing would be read, and nothing could be compared.
    if (0.0..=90.0).contains(&value) { Ok(value) } else { Err("a percentage from 0 to 90 is needed".to_owned()) }
}

fn exponent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "a number is needed, such as 1.1".to_owned())?;
    if (0.0..=5.0).contains(&value) { Ok(value) } else { Err("an exponent from 0 to 5 is needed".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_value_is_refused_with_the_flag_it_belongs_to() {
        for (flag, value) in [("--users", "1"), ("--writes-percent", "120"), ("--skew", "x"), ("--workers", "0")] {
            let error = Cli::try_parse_from(["timeline", flag, value]).unwrap_err().to_string();
            assert!(error.contains(flag), "{error}");
        }
    }
}
