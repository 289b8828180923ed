//! A value that is in process memory: what it costs to get it, next to the libraries one would take instead.

mod ours;
#[cfg(feature = "peers")]
mod peers;
mod stores;
mod track;

use std::process::ExitCode;

use clap::Args;

use self::track::Track;
use crate::report::{Bars, Output, Report, Samples, Table, nanos, ratio};

/// What everybody is compared with: the store underneath ours, used directly.
const REFERENCE: &str = "moka::future, Arc<T>";
const REFERENCE_CLONE: &str = "moka::future, T";
const OURS: &str = "ours: #[cached], Arc<T>";
const OURS_APART: &str = "ours: the same, each thread its own rows";
const OURS_CLONE: &str = "ours: #[cached], T";

/// The libraries that do the work of a cached function, as a user would pick one; stores are no such thing.
const PEERS: [&str; 6] = ["cached ", "hitbox ", "multi-tier-cache ", "oxcache ", "hydracache ", "foyer "];

/// Hits in process memory: a 200-byte row behind `#[cached]`, against other libraries, on one thread and on all.
#[derive(Args, Debug)]
pub(crate) struct Hit {
    /// Rounds that count.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Hits per round and thread.
    #[arg(long, default_value_t = 300_000)]
    hits: u32,
    /// Only those whose name contains one of these texts, for profiles; then there are no figures.
    #[arg(long, value_delimiter = ';')]
    only: Vec<String>,
    #[command(flatten)]
    output: Output,
}

impl Hit {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("hit", &self.output);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut track = Track::new(self.hits, self.only.clone());
        stores::enter(&mut track);
        ours::enter(&mut track).await;
        #[cfg(feature = "peers")]
        peers::enter(&mut track).await;
        #[cfg(not(feature = "peers"))]
        report.note("Built without the other libraries: `--features peers` brings them.");

        let one = track.run(1, self.rounds).await;
        let all = track.run(cores, self.rounds).await;
        let reference = one.iter().find(|samples| samples.name == REFERENCE).or(one.first());
        let reference = reference.expect("something takes part").clone();
        let mut table = Table::new(&["a local hit", "1 thread", "spread", "all cores", "spread", "1 thread ÷ moka"]);
        let mut bars = Vec::new();
        for (one, all) in one.iter().zip(&all) {
            let to_reference = one.ratio_to(&reference);
            bars.push((one.name.clone(), to_reference, ratio(to_reference)));
            table.row([
                one.name.clone(),
                nanos(one.median()),
                one.spread_text(),
                nanos(all.median()),
                all.spread_text(),
                ratio(to_reference),
            ]);
        }
        report.table(&table);
        report.bars(&Bars { title: "A local hit on one thread, as a multiple of moka::future", bars });

        if !self.only.is_empty() {
            return report.finish();
        }
        let ours = by_name(&one, OURS);
        let ratio_arc = ours.ratio_to(&reference);
        report.figure("ratio_arc", ratio_arc);
        report.figure("ratio_clone", by_name(&one, OURS_CLONE).ratio_to(by_name(&one, REFERENCE_CLONE)));
        let best = one.iter().filter(|samples| PEERS.iter().any(|peer| samples.name.starts_with(peer)));
        let best = best.min_by(|a, b| a.median().total_cmp(&b.median()));
        if let Some(best) = best {
            report.word("best_peer", &best.name);
            report.figure("ratio_best_peer", ours.ratio_to(best));
        }
        // On all cores as many hits are made per core as on one: the time per hit would stay the same, were there no contention.
        let scaling = |name| cores as f64 * by_name(&one, name).median() / by_name(&all, name).median();
        report.figure("cores", cores as f64);
        report.figure("scaling_all_cores", scaling(OURS));
        report.figure("scaling_own_rows", scaling(OURS_APART));
        report.figure("ns_arc", ours.median());
        report.figure("ns_clone", by_name(&one, OURS_CLONE).median());
        for store in ["quick_cache", "moka::sync"] {
            let samples = one.iter().find(|samples| samples.name.starts_with(store)).expect("it takes part");
            report.figure(&format!("ratio_arc_to_{}", store.replace("::", "_")), ours.ratio_to(samples));
        }
        report.finish()
    }
}

fn by_name<'a>(samples: &'a [Samples], name: &str) -> &'a Samples {
    samples.iter().find(|samples| samples.name == name).unwrap_or_else(|| panic!("{name} takes part"))
}
