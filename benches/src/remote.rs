//! A value that only Redis has: what it costs to get it, beyond the `GET` itself.

use std::{
    hint::black_box,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use harness::RedisServer;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sea_orm_cache::{Cache, Consistency, PolicyOverride, Tag, TierChoice};

use crate::{
    model::{Model, row},
    report::{Bars, Contest, Output, Report, Samples, Table, nanos, ratio},
};

const NAMESPACE: &str = "bench";
const REMOTE: PolicyOverride = PolicyOverride { tier: Some(TierChoice::Remote), ..PolicyOverride::NONE };
const STRICT: PolicyOverride = PolicyOverride { consistency: Some(Consistency::Strict), ..PolicyOverride::NONE };
const RAW: &str = "raw GET";
const HIT: &str = "ours: remote hit";
const KNOWN: &str = "ours: remote hit, its tags known";
const STRICT_HIT: &str = "ours: strict read";
const RAW_FILL: &str = "raw miss and fill: GET, SET";
const FILL: &str = "ours: miss and fill";

/// Remote hits and strict reads against a raw GET of the same bytes; misses with their fill.
#[derive(Args, Debug)]
pub(crate) struct Remote {
    /// Rounds that count.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Reads per round.
    #[arg(long, default_value_t = 2_000)]
    reads: i64,
    /// Callers at once in the second table; the first has one.
    #[arg(long, default_value_t = 64)]
    callers: i64,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone)]
struct Bench {
    cache: Cache,
    raw: ConnectionManager,
    reads: i64,
    /// Keys that nobody has asked for.
    fresh: Arc<AtomicI64>,
}

impl Remote {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("remote", &self.output);
        let bench = Bench::new(self.reads).await;
        for (callers, suffix) in [(1, ""), (self.callers, "_concurrent")] {
            let samples = bench.contest(callers, self.rounds).await;
            let raw = by_name(&samples, RAW).clone();
            let raw_fill = by_name(&samples, RAW_FILL).clone();
            let mut table = Table::new(&["", "per read", "spread", "÷ raw"]);
            let mut bars = Vec::new();
            for one in &samples {
                let base = if [FILL, RAW_FILL].contains(&one.name.as_str()) { &raw_fill } else { &raw };
                let to_raw = one.ratio_to(base);
                table.row([one.name.clone(), nanos(one.median()), one.spread_text(), ratio(to_raw)]);
                bars.push((one.name.clone(), one.median(), nanos(one.median())));
            }
            report.note(&format!("{callers} caller{} at a time:\n", if callers == 1 { "" } else { "s" }));
            report.table(&table);
            let title = format!("Time per read, {callers} at a time");
            report.bars(&Bars { title: &title, bars });
            for (figure, name, base) in [
                ("ratio_hit", HIT, &raw),
                ("ratio_hit_tags_known", KNOWN, &raw),
                ("ratio_strict", STRICT_HIT, &raw),
                ("ratio_fill", FILL, &raw_fill),
            ] {
                report.figure(&format!("{figure}{suffix}"), by_name(&samples, name).ratio_to(base));
            }
        }
        let stats = bench.cache.stats();
        report.must(stats.remote_errors == 0, "Redis failed to answer in time");
        report.must(stats.hits_remote > 0 && stats.fills > 0, "nothing was measured");
        report.finish()
    }
}

impl Bench {
    async fn new(reads: i64) -> Self {
        let redis = RedisServer::shared();
        let cache = Cache::builder()
            .redis(redis.url())
            .namespace(NAMESPACE)
            .ttl(Duration::from_secs(3_600))
            // A machine that is busy is no outage.
            .deadlines(Duration::from_secs(2), Duration::from_secs(2), Duration::from_secs(4))
            .build()
            .await
            .expect("the settings are good");
        let client = redis::Client::open(redis.url()).expect("the server's URL is good");
        let config = ConnectionManagerConfig::new().set_pipeline_buffer_size(1_024);
        let raw = ConnectionManager::new_with_config(client, config).await.expect("the server can be reached");
        let bench = Self { cache, raw, reads, fresh: Arc::new(AtomicI64::new(1_000_000)) };
        for id in 1..=reads {
            bench.read(id, "hit", Tag::row("article", &[id.to_string()]), &REMOTE).await;
            bench.read(id, "known", Tag::table("article"), &REMOTE).await;
            bench.read(id, "strict", Tag::row("strict", &[id.to_string()]), &STRICT).await;
        }
        // One local entry keeps what it depends on known in this process.
        bench.read(0, "keeper", Tag::table("article"), &PolicyOverride::NONE).await;
        bench
    }

    async fn contest(&self, callers: i64, rounds: usize) -> Vec<Samples> {
        let mut contest = Contest::new();
        for name in [RAW, KNOWN, HIT, STRICT_HIT, RAW_FILL, FILL] {
            contest.enter(name, move || self.round(name, callers));
        }
        contest.run(rounds).await
    }

    /// Every read of a round, shared among callers; nanoseconds per read.
    async fn round(&self, name: &'static str, callers: i64) -> f64 {
        let begun = Instant::now();
        let tasks = (0..callers).map(|caller| {
            let bench = self.clone();
            tokio::spawn(async move {
                for id in (1 + caller..=bench.reads).step_by(callers as usize) {
                    bench.one(name, id).await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no read panics");
        }
        begun.elapsed().as_nanos() as f64 / self.reads as f64
    }

    async fn one(&self, name: &str, id: i64) {
        let fresh = || self.fresh.fetch_add(1, Ordering::Relaxed);
        match name {
            RAW => _ = black_box(self.raw_get(id).await),
            RAW_FILL => self.raw_fill(fresh()).await,
            KNOWN => _ = black_box(self.read(id, "known", Tag::table("article"), &REMOTE).await),
            HIT => _ = black_box(self.read(id, "hit", Tag::row("article", &[id.to_string()]), &REMOTE).await),
            STRICT_HIT => _ = black_box(self.read(id, "strict", Tag::row("strict", &[id.to_string()]), &STRICT).await),
            _ => {
                let id = fresh();
                let tag = Tag::row("article", &[id.to_string()]);
                black_box(self.read(id, "hit", tag, &PolicyOverride::NONE).await);
            }
        }
    }

    async fn read(&self, id: i64, kind: &str, tag: Tag, policy: &PolicyOverride) -> Model {
        let key = format!("{kind}:{id}");
        let load = || async { Ok::<_, std::convert::Infallible>(row(id)) };
        self.cache.get_or_load_with(&key, [tag], policy, load).await.expect("it cannot fail")
    }

    async fn raw_get(&self, id: i64) -> Vec<u8> {
        let mut raw = self.raw.clone();
        let mut pipe = redis::pipe();
        pipe.get(format!("{NAMESPACE}:kv:hit:{id}"));
        let (bytes,): (Vec<u8>,) = pipe.query_async(&mut raw).await.expect("Redis answers");
        assert!(!bytes.is_empty(), "the entry is there");
        bytes
    }

    async fn raw_fill(&self, id: i64) {
        let mut raw = self.raw.clone();
        let key = format!("raw:{id}");
        let mut pipe = redis::pipe();
        pipe.get(&key);
        let (nothing,): (Option<Vec<u8>>,) = pipe.query_async(&mut raw).await.expect("Redis answers");
        assert!(nothing.is_none(), "nobody has asked for it before");
        let bytes = rmp_serde::to_vec_named(&row(id)).expect("a row can be encoded");
        let mut pipe = redis::pipe();
        pipe.set_ex(&key, bytes, 3_600);
        let (): () = pipe.query_async(&mut raw).await.expect("Redis answers");
    }
}

fn by_name<'a>(samples: &'a [Samples], name: &str) -> &'a Samples {
    samples.iter().find(|samples| samples.name == name).unwrap_or_else(|| panic!("{name} takes part"))
}
