//! What an entry takes beyond its value, in process memory and in Redis; what writes leave behind that concern no entry.

use std::{
    convert::Infallible,
    env, fs,
    hint::black_box,
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum};
use harness::RedisServer;
use redis::Value;
use sea_orm::EntityTrait;
use sea_orm_cache::{Cache, Capacity, Tag};

use crate::{
    model::{self, ActiveModel, Entity as Article, row},
    report::{Bars, Output, Report, Table, bytes, count},
};

/// The subcommand of a process that fills its memory and says how much that took.
pub(crate) const PROBE: &str = "memory-probe";

const NAMESPACE: &str = "bench";
const TTL: Duration = Duration::from_secs(3_600);
/// Rows per statement: their tags are still told apart.
const ROWS_PER_STATEMENT: i64 = 50;

/// Bytes per entry beyond the value, locally and in Redis; what 1,000,000 written rows that nobody caches leave behind.
#[derive(Args, Debug)]
pub(crate) struct Memory {
    /// Entries in process memory.
    #[arg(long, default_value_t = 200_000)]
    entries: i64,
    /// Entries in Redis.
    #[arg(long, default_value_t = 50_000)]
    remote_entries: i64,
    /// Rows that are written and not cached.
    #[arg(long, default_value_t = 1_000_000)]
    rows: i64,
    #[command(flatten)]
    output: Output,
}

/// A process of `memory`.
#[derive(Args, Debug)]
pub(crate) struct Probe {
    what: What,
    entries: i64,
}

/// What a process fills its memory with.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Values, in a vector.
    Values,
    /// Values in a moka of their own, by key.
    Moka,
    /// Entries of ours, each with a row to depend on.
    Ours,
    /// Entries of ours that depend on one table.
    OursOneTag,
}

impl Memory {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("memory", &self.output);
        self.local(&mut report);
        self.remote(&mut report).await;
        self.uncached(&mut report).await;
        report.finish()
    }

    /// A process of its own for each, so that memory given back by one is not filled by the next.
    fn local(&self, report: &mut Report) {
        let each = |what: &str| {
            let this = env::current_exe().expect("a running program knows its file");
            let said = Command::new(this).args([PROBE, what, &self.entries.to_string()]).output();
            let said = String::from_utf8(said.expect("one's own program can be started").stdout).unwrap_or_default();
            let bytes: f64 = said.trim().parse().expect("a probe prints a number");
            bytes / self.entries as f64
        };
        let values = each("values");
        let mut table = Table::new(&["in process memory", "bytes per entry", "beyond the value"]);
        let mut bars = Vec::new();
        for (name, what, figure) in [
            ("the value: Arc<T>, in a vector", "values", ""),
            ("moka alone: key and Arc<T>", "moka", "local_bytes_moka"),
            ("ours: key, Arc<T>, a row to depend on", "ours", "local_bytes"),
            ("ours: the same, one table to depend on", "ours-one-tag", "local_bytes_one_tag"),
        ] {
            let size = if figure.is_empty() { values } else { each(what) };
            table.row([name.to_owned(), bytes(size), bytes(size - values)]);
            if !figure.is_empty() {
                report.figure(figure, (size - values).round());
                bars.push((name.to_owned(), size - values, bytes(size - values)));
            }
        }
        report.table(&table);
        report.bars(&Bars { title: "Bytes per local entry beyond the value", bars });
    }

    async fn remote(&self, report: &mut Report) {
        let payload = rmp_serde::to_vec_named(&row(1)).expect("a row can be encoded").len() as f64;
        let raw = RedisServer::start();
        let before = used(&raw);
        let client = redis::Client::open(raw.url()).expect("the server's URL is good");
        let mut connection = client.get_multiplexed_async_connection().await.expect("the server can be reached");
        for id in 0..self.remote_entries {
            let mut set = redis::cmd("SET");
            set.arg(format!("{NAMESPACE}:kv:{id}")).arg(vec![7_u8; payload as usize]).arg("EX").arg(TTL.as_secs());
            let (): () = set.query_async(&mut connection).await.expect("Redis stores");
        }
        let alone = (used(&raw) - before) / self.remote_entries as f64;

        let redis = RedisServer::start();
        let cache =
            Cache::builder().redis(redis.url()).namespace(NAMESPACE).ttl(TTL).capacity(Capacity::Entries(1_000));
        let cache = cache.build().await.expect("the settings are good");
        load(&cache, -1, true).await;
        let before = used(&redis);
        for id in 0..self.remote_entries {
            load(&cache, id, true).await;
        }
        report.must(cache.stats().fills as i64 == self.remote_entries + 1, "an entry was not stored");
        let ours = (used(&redis) - before) / self.remote_entries as f64;
        let usage = |key: &str| match redis.command(&["MEMORY", "USAGE", key]) {
            Value::Int(bytes) => bytes as f64,
            _ => f64::NAN,
        };
        let mut table = Table::new(&["in Redis", "bytes per entry", "beyond the payload"]);
        let rows = [
            ("a key and its payload, set by hand", alone),
            ("ours: an entry and the tag of its row", ours),
            ("of these: the entry (MEMORY USAGE)", usage(&format!("{NAMESPACE}:kv:7"))),
        ];
        for (name, size) in rows {
            table.row([name.to_owned(), bytes(size), bytes(size - payload)]);
        }
        let tag = usage(&format!("{NAMESPACE}/tag:{{{}}}", Tag::row("article", &["7"]).as_str()));
        table.row(["of these: the tag (MEMORY USAGE)".to_owned(), bytes(tag), bytes(tag)]);
        report.note(&format!("The payload has {} bytes.\n", payload));
        report.table(&table);
        report.figure("remote_bytes", (ours - payload).round());
        report.figure("remote_bytes_by_hand", (alone - payload).round());
    }

    /// Rows are inserted through the wrapper; nobody has ever read them.
    async fn uncached(&self, report: &mut Report) {
        let redis = RedisServer::start();
        let plain = harness::memory().await;
        model::create(&plain, 0).await.expect("a table can be made");
        let cache = Cache::builder()
            .redis(redis.url())
            .deadlines(Duration::from_secs(2), Duration::from_secs(2), Duration::from_secs(4))
            .build()
            .await
            .expect("the settings are good");
        let db = cache.wrap(plain);
        let insert = async |first: i64| {
            let some = (first..first + ROWS_PER_STATEMENT).map(|id| ActiveModel::from(row(id)));
            Article::insert_many(some).exec_without_returning(&db).await.expect("SQLite takes the rows");
        };
        insert(1).await;
        let (before, resident) = (used(&redis), resident_bytes());
        // The rows themselves are in this process too, in SQLite: they are deleted as they go.
        for first in (1..self.rows).step_by(ROWS_PER_STATEMENT as usize) {
            insert(first + ROWS_PER_STATEMENT).await;
            let old = (first..first + ROWS_PER_STATEMENT).collect::<Vec<_>>();
            let delete = Article::delete_many();
            let filter = sea_orm::ColumnTrait::is_in(&model::Column::Id, old);
            sea_orm::QueryFilter::filter(delete, filter).exec(db.inner()).await.expect("SQLite deletes the rows");
        }
        let (left, grown) = (used(&redis) - before, resident_bytes() - resident);
        let keys = redis.keys().len() as f64;
        let mut table = Table::new(&[
            "rows written that nobody caches",
            "keys left in Redis",
            "bytes in Redis",
            "bytes in the process",
            "cells",
        ]);
        let stats = cache.stats();
        table.row([count(self.rows as f64), count(keys), bytes(left), bytes(grown), count(stats.cells as f64)]);
        report.table(&table);
        report.must(stats.invalidations as i64 >= self.rows, "the writes were not noticed");
        report.must(keys == 0.0, "writes that concern no entry left keys in Redis");
        report.figure("uncached_write_bytes", (left.max(0.0) / self.rows as f64 * 100.0).round() / 100.0);
        report.figure("uncached_write_bytes_in_all", left);
        report.figure("uncached_write_keys", keys);
    }
}

impl Probe {
    pub(crate) async fn run(self) -> ExitCode {
        let entries = self.entries;
        let capacity = entries as u64 * 2;
        // What is allocated once, whatever the number of entries, is not an entry's.
        let cache = Cache::builder().capacity(Capacity::Entries(capacity)).ttl(TTL).build().await;
        let cache = cache.expect("the settings are good");
        let moka = moka::sync::Cache::builder().max_capacity(capacity).time_to_live(TTL).build();
        load(&cache, -1, true).await;
        moka.insert(String::new(), Arc::new(row(0)));
        let mut values = Vec::with_capacity(entries as usize);
        values.resize(entries as usize, None);
        let before = resident_bytes();
        for id in 0..entries {
            match self.what {
                What::Values => values[id as usize] = Some(Arc::new(row(id))),
                What::Moka => moka.insert(format!("kv:{id}"), Arc::new(row(id))),
                What::Ours => load(&cache, id, true).await,
                What::OursOneTag => load(&cache, id, false).await,
            }
        }
        moka.run_pending_tasks();
        println!("{}", resident_bytes() - before);
        black_box((values, moka, cache));
        ExitCode::SUCCESS
    }
}

async fn load(cache: &Cache, id: i64, has_row: bool) {
    let tag = if has_row { Tag::row("article", &[id.to_string()]) } else { Tag::table("article") };
    let read = || async { Ok::<_, Infallible>(Arc::new(row(id))) };
    black_box(cache.get_or_load(&id.to_string(), [tag], read).await.expect("it cannot fail"));
}

/// What Redis has allocated for data and bookkeeping.
fn used(redis: &RedisServer) -> f64 {
    let Value::VerbatimString { text, .. } = redis.command(&["INFO", "memory"]) else {
        let info: String = redis::from_redis_value(redis.command(&["INFO", "memory"])).expect("INFO answers with text");
        return field(&info);
    };
    field(&text)
}

fn field(info: &str) -> f64 {
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|bytes| bytes.trim().parse().ok()).expect("INFO says how much memory is used")
}

/// What this process has of the machine's memory: with all that an allocator adds.
fn resident_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux says what a process uses");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    line.and_then(|kilobytes| kilobytes.trim().parse::<f64>().ok()).expect("it is a number") * 1_024.0
}
