//! Redis dies under load and comes back: what callers see, and what the database has to bear.

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use harness::{Durability, Postgres, RedisServer};
use rand::{SeedableRng, rngs::SmallRng};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, EntityTrait};
use sea_orm_cache::{Cache, CachedConnection, cached};
use tokio::time::MissedTickBehavior;

use crate::{
    draw::Zipf,
    model::{self, Entity as Article, Model},
    report::{Bars, Output, Report, Samples, Table, count, nanos, ratio},
};

/// Redis is killed for five seconds under load.
#[derive(Args, Debug)]
pub(crate) struct Outage {
    /// Reads per second.
    #[arg(long, default_value_t = 3_000)]
    reads: u64,
    /// Rows in the table, drawn from a Zipf distribution with exponent 0.99.
    #[arg(long, default_value_t = 2_000)]
    rows: u32,
    /// Seconds before the outage, and after it.
    #[arg(long, default_value_t = 4.0)]
    around: f64,
    /// Seconds without Redis.
    #[arg(long, default_value_t = 5.0)]
    down: f64,
    #[command(flatten)]
    output: Output,
}

#[cached(ttl = "30s", invalidate_on = Article(id))]
async fn article(db: &CachedConnection, id: i64) -> Result<Option<Model>, DbErr> {
    Article::find_by_id(id).one(db).await
}

/// What was counted in one part of the run.
#[derive(Default)]
struct Part {
    waits: Mutex<Vec<f64>>,
    failed: AtomicU64,
}

struct Seen {
    name: &'static str,
    reads: f64,
    queries: f64,
    failed: f64,
    waits: Samples,
}

impl Outage {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("outage", &self.output);
        let (postgres, redis) = (Postgres::start(Durability::On), RedisServer::start());
        let queries = Arc::new(AtomicU64::new(0));
        let mut options = ConnectOptions::new(postgres.create_database());
        options.max_connections(16).min_connections(16).sqlx_logging(false);
        let mut plain = Database::connect(options).await.expect("PostgreSQL can be reached");
        model::create(&plain, i64::from(self.rows)).await.expect("rows can be inserted");
        let counter = Arc::clone(&queries);
        plain.set_metric_callback(move |_| _ = counter.fetch_add(1, Ordering::Relaxed));
        // Every setting at its default: the deadlines are what an outage is about.
        let cache = Cache::builder().redis(redis.url()).build().await.expect("the settings are good");
        let db = cache.wrap(plain.clone());

        let (around, down) = (Duration::from_secs_f64(self.around), Duration::from_secs_f64(self.down));
        let mut seen = Vec::new();
        seen.push(self.part("no cache", Reader::Bare(plain), around, &queries).await);
        let through = Reader::Cached(db);
        self.part("warm-up", through.clone(), around / 2, &queries).await;
        seen.push(self.part("with Redis", through.clone(), around, &queries).await);
        let before = cache.stats();
        redis.kill();
        seen.push(self.part("Redis is dead", through.clone(), down, &queries).await);
        let during = cache.stats();
        redis.restart();
        seen.push(self.part("Redis is back", through.clone(), around, &queries).await);
        let after = cache.stats();

        let mut table = Table::new(&[
            "",
            "reads/s",
            "queries/s",
            "queries/read",
            "failed reads",
            "read p50",
            "read p99",
            "queries ÷ no cache",
        ]);
        let rate = |part: &Seen| part.queries / part.reads;
        let bare = rate(&seen[0]);
        let mut bars = Vec::new();
        for part in &seen {
            let span = if part.name == "Redis is dead" { down } else { around }.as_secs_f64();
            table.row([
                part.name.to_owned(),
                count(part.reads / span),
                count(part.queries / span),
                ratio(rate(part)),
                count(part.failed),
                nanos(part.waits.quantile(0.5)),
                nanos(part.waits.quantile(0.99)),
                ratio(rate(part) / bare),
            ]);
            let name = if part.name == "no cache" { part.name.to_owned() } else { format!("ours: {}", part.name) };
            bars.push((name, part.queries / span, count(part.queries / span)));
        }
        report.table(&table);
        report.note(&format!(
            "While Redis was dead, {} reads were answered by values younger than `degraded_ttl`, and {} loads ran. After it was back, {} values were stored \
             again.\n",
            count((during.hits_degraded - before.hits_degraded) as f64),
            count((during.loads - before.loads) as f64),
            count((after.fills - during.fills) as f64),
        ));
        report.bars(&Bars { title: "Database queries per second", bars });
        let failed: f64 = seen.iter().map(|part| part.failed).sum();
        report.figure("failed_reads", failed);
        report.figure("db_queries_ratio", rate(&seen[2]) / bare);
        report.figure("db_queries_ratio_with_redis", rate(&seen[1]) / bare);
        report.figure("db_queries_ratio_after", rate(&seen[3]) / bare);
        report.figure("p99_ms_down", seen[2].waits.quantile(0.99) / 1e6);
        report.must(failed == 0.0, "a read failed");
        report.must(during.remote_errors > before.remote_errors, "nobody noticed that Redis was dead");
        report.must(after.fills > during.fills, "Redis was not used again");
        report.finish()
    }

    /// Reads come by the clock, whether or not earlier ones have been answered.
    async fn part(&self, name: &'static str, reader: Reader, length: Duration, queries: &AtomicU64) -> Seen {
        let part = Arc::new(Part::default());
        let zipf = Zipf::new(self.rows, 0.99);
        let mut random = SmallRng::seed_from_u64(7);
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (begun, counted) = (Instant::now(), queries.load(Ordering::Relaxed));
        let (mut sent, mut reads) = (0, tokio::task::JoinSet::new());
        while begun.elapsed() < length {
            ticks.tick().await;
            let due = begun.elapsed().as_micros() as u64 * self.reads / 1_000_000;
            for _ in sent..due {
                let (reader, part, id) = (reader.clone(), Arc::clone(&part), zipf.draw(&mut random));
                reads.spawn(async move {
                    let asked = Instant::now();
                    if !matches!(reader.read(id).await, Ok(Some(row)) if row.id == id) {
                        part.failed.fetch_add(1, Ordering::Relaxed);
                    }
                    let wait = asked.elapsed().as_nanos() as f64;
                    part.waits.lock().expect("nobody panics with it").push(wait);
                });
            }
            sent = sent.max(due);
        }
        while reads.join_next().await.is_some() {}
        let queries = queries.load(Ordering::Relaxed) - counted;
        let waits = std::mem::take(&mut *part.waits.lock().expect("nobody panics with it"));
        Seen {
            name,
            reads: waits.len() as f64,
            queries: queries as f64,
            failed: part.failed.load(Ordering::Relaxed) as f64,
            waits: Samples::of(name, waits),
        }
    }
}

#[derive(Clone)]
enum Reader {
    Bare(DatabaseConnection),
    Cached(CachedConnection),
}

impl Reader {
    async fn read(&self, id: i64) -> Result<Option<Model>, DbErr> {
        match self {
            Self::Bare(db) => Article::find_by_id(id).one(db).await,
            Self::Cached(db) => article(db, id).await,
        }
    }
}
