//! What it costs to make many entries stale, and how soon another node reads the new value.

use std::{
    convert::Infallible,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use harness::{Durability, Postgres, RedisServer};
use redis::aio::MultiplexedConnection;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectOptions, Database, DbErr, EntityTrait};
use sea_orm_cache::{Cache, CachedConnection, PolicyOverride, TierChoice, cached};

use crate::{
    model::{self, ActiveModel, Entity as Article, Model, row},
    report::{Bars, Output, Report, Samples, Table, count, nanos, ratio},
};

const NAMESPACE: &str = "bench";
const TTL: Duration = Duration::from_secs(3_600);
const REMOTE: PolicyOverride =
    PolicyOverride { tier: Some(TierChoice::Remote), ttl: Some(TTL), ..PolicyOverride::NONE };

/// One tag with 1, 1,000 and 1,000,000 dependent entries, against deleting keys; from commit to first fresh read.
#[derive(Args, Debug)]
pub(crate) struct Invalidate {
    /// The largest number of entries that depend on one tag.
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
    /// Invalidations of each size, of ours (5 of the largest), each of new entries; deletion of keys is measured once per size.
    #[arg(long, default_value_t = 51)]
    rounds: usize,
    /// Commits whose first fresh read on another node is awaited.
    #[arg(long, default_value_t = 300)]
    commits: i64,
    #[command(flatten)]
    output: Output,
}

impl Invalidate {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("invalidate", &self.output);
        let sizes: Vec<usize> = [1, 1_000, self.entries].into_iter().filter(|size| *size <= self.entries).collect();
        let mut table = Table::new(&[
            "entries",
            "ours: one tag",
            "spread",
            "SCAN + DEL",
            "SMEMBERS + DEL",
            "SCAN ÷ ours",
            "SMEMBERS ÷ ours",
        ]);
        let mut bars = Vec::new();
        let mut ours = Vec::new();
        for size in sizes {
            let (tag, survivors) = self.ours(size).await;
            report.must(survivors == 0, "an entry survived the invalidation of its tag");
            let (scan, members) = (by_scan(size).await, by_members(size).await);
            table.row([
                count(size as f64),
                nanos(tag.median()),
                tag.spread_text(),
                nanos(scan),
                nanos(members),
                ratio(scan / tag.median()),
                ratio(members / tag.median()),
            ]);
            bars.push((format!("ours: {} entries", count(size as f64)), tag.median(), nanos(tag.median())));
            bars.push((format!("SCAN + DEL: {} entries", count(size as f64)), scan, nanos(scan)));
            bars.push((format!("SMEMBERS + DEL: {} entries", count(size as f64)), members, nanos(members)));
            report.figure(&format!("us_{size}"), tag.median() / 1e3);
            ours.push(tag);
        }
        report.table(&table);
        report.bars(&Bars { title: "Making every entry of one tag stale", bars });
        if let [one, .., most] = ours.as_slice() {
            report.figure("ratio_million", most.median() / one.median());
        }

        let (waits, stale) = self.first_fresh().await;
        let mut table = Table::new(&["from commit to the first fresh read on another node", "p50", "p99", "most"]);
        let at = |share| nanos(waits.quantile(share));
        table.row(["bounded reads, PostgreSQL and Redis on this machine".to_owned(), at(0.5), at(0.99), at(1.0)]);
        report.table(&table);
        report.figure("first_fresh_p50_ms", waits.quantile(0.5) / 1e6);
        report.figure("first_fresh_p99_ms", waits.quantile(0.99) / 1e6);
        report.figure("stale_after_commit", stale);
        report.finish()
    }

    /// Entries as the library stores them, in Redis and in process memory; returns what one invalidation took, and how many of a sample of
    /// entries could still be read.
    async fn ours(&self, size: usize) -> (Samples, usize) {
        let redis = RedisServer::start();
        let patience = Duration::from_secs(10);
        let cache = Cache::builder().redis(redis.url()).namespace(NAMESPACE).ttl(TTL).jitter(0.0);
        // A Redis that is filled with a million keys at a time is no outage.
        let cache = cache.deadlines(patience, patience, patience).build().await;
        let cache = cache.expect("the settings are good");
        // The scripts are known to Redis, the connection stands.
        load(&cache, 0).await;
        assert!(cache.invalidate(["feed"]).await.is_done(), "Redis was told");
        let mut took = Vec::new();
        let mut survivors = 0;
        for _ in 0..if size > 10_000 { self.rounds.min(5) } else { self.rounds } {
            fill(&cache, &redis, size).await;
            // What the filling leaves to be done, in this process and in Redis, is no part of the invalidation.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(cache.invalidate(["another"]).await.is_done(), "Redis was told");
            let begun = Instant::now();
            let told = cache.invalidate(["feed"]).await;
            took.push(begun.elapsed().as_nanos() as f64);
            assert!(told.is_done(), "Redis was told");
            for id in sample(size) {
                survivors += usize::from(cache.get::<Model>(&id.to_string()).await.is_some());
            }
        }
        (Samples::of("ours", took), survivors)
    }

    /// One node writes through the wrapper, another reads in a loop.
    async fn first_fresh(&self) -> (Samples, f64) {
        let (server, redis) = (Postgres::start(Durability::On), RedisServer::start());
        let mut options = ConnectOptions::new(server.create_database());
        options.max_connections(8).sqlx_logging(false);
        let plain = Database::connect(options).await.expect("PostgreSQL can be reached");
        model::create(&plain, 10).await.expect("rows can be inserted");
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let cache = Cache::builder().redis(redis.url()).build().await.expect("the settings are good");
            nodes.push((cache.wrap(plain.clone()), cache));
        }
        let (writer, reader) = (nodes[0].0.clone(), nodes[1].0.clone());
        let committed = Arc::new(AtomicI64::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let (floor, over) = (Arc::clone(&committed), Arc::clone(&is_over));
        let start = Instant::now();
        // When the reader first saw each version, and how many of its reads were older than a commit before them.
        let reading = tokio::spawn(async move {
            let (mut seen, mut stale) = (Vec::new(), 0.0);
            while !over.load(Ordering::Relaxed) {
                let least = floor.load(Ordering::Acquire);
                let version = article(&reader, 7).await.expect("PostgreSQL answers").expect("the row is there").version;
                if version < least {
                    stale += 1.0;
                }
                while seen.len() as i64 <= version {
                    seen.push(start.elapsed());
                }
                tokio::task::yield_now().await;
            }
            (seen, stale)
        });
        let mut done = Vec::new();
        for version in 1..=self.commits {
            let row = ActiveModel { id: Set(7), version: Set(version), ..Default::default() };
            row.update(&writer).await.expect("PostgreSQL takes the write");
            done.push(start.elapsed());
            committed.store(version, Ordering::Release);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        is_over.store(true, Ordering::Relaxed);
        let (seen, stale) = reading.await.expect("the reader does not panic");
        assert_eq!(seen.len() as i64, self.commits + 1, "the reader saw the last version");
        let waits = done.iter().zip(&seen[1..]).map(|(done, seen)| seen.saturating_sub(*done).as_nanos() as f64);
        (Samples::of("first fresh read", waits), stale)
    }
}

#[cached(ttl = "1h", invalidate_on = Article(id))]
async fn article(db: &CachedConnection, id: i64) -> Result<Option<Model>, DbErr> {
    Article::find_by_id(id).one(db).await
}

async fn load(cache: &Cache, id: usize) -> Model {
    let read = || async { Ok::<_, Infallible>(row(id as i64)) };
    let policy = if id == 0 { &PolicyOverride::NONE } else { &REMOTE };
    cache.get_or_load_with(&id.to_string(), ["feed"], policy, read).await.expect("it cannot fail")
}

/// Fills through the library where that is quick. Of more entries, the first is loaded, and its bytes are stored under the other keys: they are what the
/// library would have stored, as the sample that is read back shows.
async fn fill(cache: &Cache, redis: &RedisServer, size: usize) {
    load(cache, 0).await;
    load(cache, 1).await;
    let mut connection = connect(redis).await;
    let bytes: Vec<u8> = redis::cmd("GET")
        .arg(format!("{NAMESPACE}:kv:1"))
        .query_async(&mut connection)
        .await
        .expect("the entry was stored");
    set_all(&mut connection, 2..size, |id| format!("{NAMESPACE}:kv:{id}"), &bytes).await;
    for id in sample(size) {
        assert!(cache.get::<Model>(&id.to_string()).await.is_some(), "entry {id} of {size} can be read");
    }
}

fn sample(size: usize) -> impl Iterator<Item = usize> {
    (0..size).step_by(size.div_ceil(50))
}

async fn set_all(
    connection: &mut MultiplexedConnection,
    ids: std::ops::Range<usize>,
    name: impl Fn(usize) -> String,
    bytes: &[u8],
) {
    let ids: Vec<usize> = ids.collect();
    for some in ids.chunks(5_000) {
        let mut pipe = redis::pipe();
        for id in some {
            pipe.set_ex(name(*id), bytes, TTL.as_secs()).ignore();
        }
        let (): () = pipe.query_async(connection).await.expect("Redis stores entries");
    }
}

/// Deletes by pattern, among as many keys of others: a cache holds more than what is to be deleted.
async fn by_scan(size: usize) -> f64 {
    let redis = RedisServer::start();
    let mut connection = connect(&redis).await;
    let bytes = rmp_serde::to_vec_named(&row(1)).expect("a row can be encoded");
    set_all(&mut connection, 0..size, |id| format!("feed:{id}"), &bytes).await;
    set_all(&mut connection, 0..size, |id| format!("other:{id}"), &bytes).await;
    let begun = Instant::now();
    let mut cursor = 0_u64;
    loop {
        let scan = redis::cmd("SCAN").arg(cursor).arg("MATCH").arg("feed:*").arg("COUNT").arg(1_000).take();
        let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await.expect("Redis scans");
        delete(&mut connection, &keys).await;
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    begun.elapsed().as_nanos() as f64
}

/// Deletes what a set of keys names, as libraries with tag sets do.
async fn by_members(size: usize) -> f64 {
    let redis = RedisServer::start();
    let mut connection = connect(&redis).await;
    let bytes = rmp_serde::to_vec_named(&row(1)).expect("a row can be encoded");
    set_all(&mut connection, 0..size, |id| format!("feed:{id}"), &bytes).await;
    let ids: Vec<usize> = (0..size).collect();
    for some in ids.chunks(5_000) {
        let mut add = redis::cmd("SADD");
        add.arg("tag:feed").arg(some.iter().map(|id| format!("feed:{id}")).collect::<Vec<_>>());
        let (): () = add.query_async(&mut connection).await.expect("Redis adds to a set");
    }
    let begun = Instant::now();
    let keys: Vec<String> =
        redis::cmd("SMEMBERS").arg("tag:feed").query_async(&mut connection).await.expect("Redis lists a set");
    for some in keys.chunks(1_000) {
        delete(&mut connection, some).await;
    }
    delete(&mut connection, &["tag:feed".to_owned()]).await;
    begun.elapsed().as_nanos() as f64
}

async fn delete(connection: &mut MultiplexedConnection, keys: &[String]) {
    if !keys.is_empty() {
        let _deleted: u64 = redis::cmd("DEL").arg(keys).query_async(connection).await.expect("Redis deletes");
    }
}

/// A connection that waits as long as it takes: a million keys in one reply are no failure.
async fn connect(redis: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).expect("the server's URL is good");
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(120)));
    client.get_multiplexed_async_connection_with_config(&config).await.expect("the server can be reached")
}
