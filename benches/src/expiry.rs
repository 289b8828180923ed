//! A hot key that ends again and again: how often it is loaded, and who waits for it.

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use harness::RedisServer;
use sea_orm::DbErr;
use sea_orm_cache::{Cache, cached};
use tokio::time::MissedTickBehavior;

use crate::report::{Bars, Output, Report, Samples, Table, count, nanos};

const TTL: Duration = Duration::from_millis(250);
/// How long the query takes.
const QUERY: Duration = Duration::from_millis(10);

static QUERIES: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = TTL, tags = ["front"])]
async fn plain(cache: &Cache) -> Result<String, DbErr> {
    query().await
}

#[cached(ttl = TTL, tags = ["front"], xfetch_beta = 1.0)]
async fn xfetch(cache: &Cache) -> Result<String, DbErr> {
    query().await
}

#[cached(ttl = TTL, tags = ["front"], refresh_ahead = 0.8)]
async fn ahead(cache: &Cache) -> Result<String, DbErr> {
    query().await
}

/// Stands for a query that takes 10 ms.
async fn query() -> Result<String, DbErr> {
    QUERIES.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(QUERY).await;
    Ok("what is on the front page".to_owned())
}

/// A hot key through many expiries, with plain TTL, XFetch and refresh-ahead.
#[derive(Args, Debug)]
pub(crate) struct Expiry {
    /// Reads per second, of all nodes.
    #[arg(long, default_value_t = 20_000)]
    reads: u64,
    /// How often the TTL (250 ms) goes by.
    #[arg(long, default_value_t = 50)]
    expiries: u32,
    /// Nodes.
    #[arg(long, default_value_t = 4)]
    nodes: u64,
    #[command(flatten)]
    output: Output,
}

/// How a key is kept from its end.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    Xfetch,
    Ahead,
}

const WAYS: [(&str, &str, Way); 3] = [
    ("plain TTL", "ttl", Way::Plain),
    ("XFetch, beta 1", "xfetch", Way::Xfetch),
    ("refresh-ahead at 0.8", "refresh_ahead", Way::Ahead),
];

impl Way {
    async fn read(self, cache: &Cache) {
        let read = match self {
            Self::Plain => plain(cache).await,
            Self::Xfetch => xfetch(cache).await,
            Self::Ahead => ahead(cache).await,
        };
        read.expect("the query does not fail");
    }
}

impl Expiry {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("expiry", &self.output);
        let title = format!("{} expiries", self.expiries);
        let mut table = Table::new(&[&title, "reads", "queries", "waited", "read p50", "read p99", "read p99.9"]);
        let mut bars = Vec::new();
        for (name, word, way) in WAYS {
            let (queries, waits) = self.way(way).await;
            let waited = waits.iter().filter(|wait| **wait > QUERY.as_nanos() as f64 / 10.0).count();
            let waits = Samples::of(name, waits);
            let at = |share| waits.quantile(share);
            table.row([
                name.to_owned(),
                count(waits.len() as f64),
                count(queries),
                count(waited as f64),
                nanos(at(0.5)),
                nanos(at(0.99)),
                nanos(at(0.999)),
            ]);
            bars.push((name.to_owned(), at(0.99), nanos(at(0.99))));
            report.figure(&format!("queries_{word}"), queries);
            report.figure(&format!("p99_us_{word}"), at(0.99) / 1e3);
            report.figure(&format!("waited_{word}"), waited as f64);
            report.must(queries >= f64::from(self.expiries) / 2.0, "the key hardly ever ended");
        }
        report.table(&table);
        report.bars(&Bars { title: "p99 of a read", bars });
        report.finish()
    }

    /// Reads come by the clock, whether or not earlier ones have been answered.
    async fn way(&self, way: Way) -> (f64, Vec<f64>) {
        let redis = RedisServer::start();
        let mut nodes = Vec::new();
        for _ in 0..self.nodes {
            let patience = Duration::from_secs(1);
            let builder = Cache::builder().redis(redis.url()).jitter(0.0).deadlines(patience, patience, patience);
            nodes.push(builder.build().await.expect("the settings are good"));
        }
        for node in &nodes {
            way.read(node).await;
        }
        QUERIES.store(0, Ordering::Relaxed);
        let waits = Arc::new(Mutex::new(Vec::new()));
        let (begun, length) = (Instant::now(), TTL * self.expiries);
        let readers = nodes.into_iter().map(|node| {
            let (waits, per_second) = (Arc::clone(&waits), self.reads / self.nodes);
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(Duration::from_millis(2));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut sent = 0;
                while begun.elapsed() < length {
                    ticks.tick().await;
                    let due = begun.elapsed().as_micros() as u64 * per_second / 1_000_000;
                    for _ in sent..due {
                        let (node, waits) = (node.clone(), Arc::clone(&waits));
                        tokio::spawn(async move {
                            let asked = Instant::now();
                            way.read(&node).await;
                            let wait = asked.elapsed().as_nanos() as f64;
                            waits.lock().expect("nobody panics with it").push(wait);
                        });
                    }
                    sent = sent.max(due);
                }
            })
        });
        for reader in readers.collect::<Vec<_>>() {
            reader.await.expect("no reader panics");
        }
        let queries = QUERIES.load(Ordering::Relaxed) as f64;
        tokio::time::sleep(TTL).await;
        let waits = std::mem::take(&mut *waits.lock().expect("nobody panics with it"));
        (queries, waits)
    }
}
