//! What the project wants of its figures, and which of that a run has shown.

use serde_json::Value;

use crate::report::{Table, ratio};

enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// At least this share of another figure of the same benchmark.
    ShareOf(&'static str, f64),
}

/// Benchmark, figure, what is wanted, and what it says.
const TARGETS: &[(&str, &str, Goal, &str)] = &[
    ("hit", "ratio_arc", Goal::AtMost(0.3), "a local hit, `Arc<T>`, to a raw `moka::future` get"),
    ("hit", "ratio_best_peer", Goal::AtMost(1.0), "a local hit to that of the fastest library compared with"),
    (
        "hit",
        "scaling_own_rows",
        Goal::ShareOf("cores", 0.9),
        "hits per second of all cores to those of one, each with its own rows",
    ),
    ("remote", "ratio_hit", Goal::AtMost(1.15), "a remote hit to a raw `GET`"),
    ("invalidate", "ratio_million", Goal::AtMost(2.0), "making 1,000,000 entries stale to making one"),
    ("write", "ratio_insert", Goal::AtMost(1.15), "an insert through the wrapper to a bare one"),
    ("write", "ratio_update", Goal::AtMost(1.15), "an update through the wrapper to a bare one"),
    ("zipf", "stale_strict", Goal::AtMost(0.0), "stale reads, strict"),
    ("zipf", "ratio_throughput", Goal::AtLeast(1.0), "requests per second to those without a cache, 95/5"),
    (
        "memory",
        "uncached_write_bytes",
        Goal::AtMost(1.0),
        "bytes kept for each row that is written and that nobody caches",
    ),
    ("stampede", "loads", Goal::AtMost(1.0), "loads of a cold key that 40,000 callers ask for"),
    ("outage", "failed_reads", Goal::AtMost(0.0), "reads that failed while Redis was dead"),
    (
        "write-behind",
        "ratio_postgres_100",
        Goal::AtLeast(20.0),
        "rows per second in batches of 100 to one by one, PostgreSQL",
    ),
    ("feed", "differing", Goal::AtMost(0.0), "feeds that differ from the join's answer"),
];

/// A table of the targets that the figures tell about; each is the line of JSON of one benchmark.
pub(crate) fn section(figures: &[(&str, String)]) -> String {
    let mut table = Table::new(&["target", "figure", "wanted", "measured", ""]);
    for (name, figure, goal, meaning) in TARGETS {
        let Some((_, line)) = figures.iter().find(|(measured, _)| measured == name) else { continue };
        let of = |figure: &str| serde_json::from_str::<Value>(line).ok()?.get(figure)?.as_f64();
        let measured = of(figure);
        let (wanted, met) = match goal {
            Goal::AtMost(most) => (format!("≤ {most}"), measured.map(|measured| measured <= *most)),
            Goal::AtLeast(least) => (format!("≥ {least}"), measured.map(|measured| measured >= *least)),
            Goal::ShareOf(other, share) => {
                let whole = of(other).unwrap_or(f64::NAN);
                (format!("≥ {share} · {whole}"), measured.map(|measured| measured >= share * whole))
            }
        };
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let measured = measured.map(ratio).unwrap_or_default();
        table.row([(*meaning).to_owned(), format!("{name} `{figure}`"), wanted, measured, verdict.to_owned()]);
    }
    format!("## targets\n\nWhat is missed is explained below the tables of its benchmark.\n\n{}", table.to_markdown())
}
