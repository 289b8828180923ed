//! The command line.

use clap::Parser;

/// Serves the timelines of a generated social network twice, through sea-orm-cache and without it, then compares.
#[derive(Clone, Debug, Parser)]
#[command(name = "timeline", version)]
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
        Args::command().debug_assert();
    }

    #[test]
    fn a_wrong_value_is_refused_with_the_flag_it_belongs_to() {
        for (flag, value) in [("--users", "1"), ("--writes-percent", "120"), ("--skew", "x"), ("--workers", "0")] {
            let error = Args::try_parse_from(["timeline", flag, value]).unwrap_err().to_string();
            assert!(error.contains(flag), "{error}");
        }
    }
}
