//! Shows the figures.

use std::{fmt, time::Duration};

use serde::Serialize;

/// Every figure of one comparison; as JSON one flat object. Names without a suffix are those of the run with the cache.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub members: u32,
    pub tweets: u32,
    pub follows: u64,
    pub workers: u32,
    pub seed: u64,
    pub remote_tier: bool,
    pub reads: u64,
    pub writes: u64,
    /// Members with so many followers that their tweets are merged into timelines when those are read.
    pub large_authors: u64,
    /// Reads that did so.
    pub merged_reads: u64,
    pub samples: u64,
    pub mismatches: u64,
    pub db_queries: u64,
    pub db_queries_without_cache: u64,
    pub db_queries_saved_pct: f64,
    pub reads_per_s: f64,
    pub reads_per_s_without_cache: f64,
    pub p50_us: f64,
    pub p50_us_without_cache: f64,
    pub p99_us: f64,
    pub p99_us_without_cache: f64,
    /// The share of cached calls that process memory answered, from 0 to 1. One page makes several calls.
    pub hit_rate_local: f64,
    /// The share of cached calls that Redis answered, from 0 to 1.
    pub hit_rate_remote: f64,
}

impl Report {
    /// One line of JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// The percentage of `without` that `with` avoids; negative if it is more.
pub fn saved_pct(with: u64, without: u64) -> f64 {
    if without == 0 { 0.0 } else { round(100.0 * (1.0 - with as f64 / without as f64), 2) }
}

/// Microseconds, to a tenth.
pub fn micros(span: Duration) -> f64 {
    round(span.as_secs_f64() * 1e6, 1)
}

/// To so many decimal places.
pub fn round(value: f64, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (value * scale).round() / scale
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { members, follows, tweets, workers, .. } = self;
        writeln!(
            f,
            "{} members, {} follows, {} tweets",
            count(u64::from(*members)),
            count(*follows),
            count(u64::from(*tweets))
        )?;
        writeln!(f, "{} reads, {} writes, {workers} workers", count(self.reads), count(self.writes))?;
        writeln!(f)?;
        row(f, "", "without cache", "with cache")?;
        row(f, "reads/s", &count(self.reads_per_s_without_cache as u64), &count(self.reads_per_s as u64))?;
        row(f, "p50", &time(self.p50_us_without_cache), &time(self.p50_us))?;
        row(f, "p99", &time(self.p99_us_without_cache), &time(self.p99_us))?;
        row(f, "database queries", &count(self.db_queries_without_cache), &count(self.db_queries))?;
        row(f, "  saved", "", &format!("{:.1} %", self.db_queries_saved_pct))?;
        row(f, "hit rate, local", "", &format!("{:.1} %", 100.0 * self.hit_rate_local))?;
        let remote =
            if self.remote_tier { format!("{:.1} %", 100.0 * self.hit_rate_remote) } else { "no REDIS_URL".to_owned() };
        row(f, "hit rate, remote", "", &remote)?;
        row(f, "merged at read time", "", &count(self.merged_reads))?;
        row(f, "  large authors", "", &count(self.large_authors))?;
        row(f, "answers compared", "", &count(self.samples))?;
        row(f, "  mismatches", "", &count(self.mismatches))
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, without: &str, with: &str) -> fmt::Result {
    writeln!(f, "{}", format!("{name:<20}{without:>16}{with:>16}").trim_end())
}

/// With separators between thousands.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn time(micros: f64) -> String {
    if micros < 1_000.0 { format!("{micros:.0} µs") } else { format!("{:.2} ms", micros / 1_000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1_000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([time(45.4), time(1_500.0)], ["45 µs", "1.50 ms"]);
    }

    #[test]
    fn the_saving_is_relative_to_the_run_without_the_cache() {
        assert_eq!(saved_pct(10, 100), 90.0);
        assert_eq!(saved_pct(150, 100), -50.0);
        assert_eq!(saved_pct(0, 0), 0.0);
    }
}
