//! The database is gone for ten seconds, or Redis for five, while writers go on.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::{Durability, Postgres, Recorder, RedisServer, unique};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, EntityTrait, Schema};
use sea_orm_cache::{Backpressure, Cache, Error, WriteBehind, WriteBehindBuilder};
use tokio::task::JoinHandle;

use super::{
    flushing::until,
    world::{row, tally},
};

/// Tasks that write at a time, each to rows of its own.
const WRITERS: i32 = 4;

/// Rows of each.
const ROWS: i32 = 25;

/// Between two operations of a task.
const PAUSE: Duration = Duration::from_millis(2);

/// The servers, and a write-behind with its journal in Redis.
struct Place {
    redis: RedisServer,
    postgres: Postgres,
    recorder: Recorder,
    cache: Cache,
    /// Past the cache.
    plain: DatabaseConnection,
}

impl Place {
    async fn new() -> Self {
        // What Redis has accepted is on its disk, as the documents ask for.
        let redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
        // What PostgreSQL has committed survives its own end as well.
        let (postgres, recorder) = (Postgres::start(Durability::On), Recorder::new());
        let plain = Database::connect(postgres.create_database()).await.unwrap();
        plain.execute(&Schema::new(DbBackend::Postgres).create_table_from_entity(tally::Entity)).await.unwrap();
        // On a machine this busy a late answer is an answer.
        let patient = Duration::from_secs(2);
        let cache = Cache::builder()
            .redis(redis.url())
            .deadlines(patient, patient, patient)
            .namespace(unique("stops"))
            .listener(recorder.listener())
            .build()
            .await
            .unwrap();
        Self { redis, postgres, recorder, cache, plain }
    }

    fn tallies(&self) -> WriteBehindBuilder<tally::Entity> {
        WriteBehind::builder(&self.cache.wrap(self.plain.clone()))
            .batch_size(50)
            .flush_interval(Duration::from_millis(20))
            .write_deadline(Duration::from_secs(1))
            .retry(Duration::from_millis(10), Duration::from_millis(200))
            .lease(Duration::from_secs(2))
    }

    async fn rows(&self) -> HashMap<i32, i64> {
        let rows = tally::Entity::find().all(&self.plain).await.unwrap();
        rows.into_iter().map(|row| (row.id, row.n)).collect()
    }
}

/// Writers that write until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<HashMap<i32, State>>>,
}

/// What a row may be, after what was accepted, and with or without what has failed and may have been accepted all the same.
type State = Vec<Option<i64>>;

impl Load {
    /// Writes to rows from `first` on.
    fn start(tallies: &WriteBehind<tally::Entity>, first: i32) -> Self {
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = |writer| {
            let (tallies, stop, accepted) = (tallies.clone(), Arc::clone(&stop), Arc::clone(&accepted));
            tokio::spawn(write(tallies, first + writer * ROWS, stop, accepted))
        };
        let tasks = (0..WRITERS).map(task).collect();
        Self { stop, accepted, tasks }
    }

    fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// What each row may be.
    async fn end(self) -> HashMap<i32, State> {
        self.stop.store(true, Ordering::Relaxed);
        let mut rows = HashMap::new();
        for task in self.tasks {
            rows.extend(task.await.unwrap());
        }
        rows
    }
}

/// What an operation makes of a row, by the round it is of.
type After = fn(Option<i64>, i64) -> Option<i64>;

/// Puts, increments and deletes, row after row.
async fn write(
    tallies: WriteBehind<tally::Entity>,
    first: i32,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
) -> HashMap<i32, State> {
    let mut rows: HashMap<i32, State> = (first..first + ROWS).map(|id| (id, vec![None])).collect();
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = first + turn % ROWS;
        let round = i64::from(turn / ROWS);
        turn += 1;
        // Every other row only grows once it is there: nothing written later hides a loss.
        let (result, after): (Result<(), Error>, After) = match round % 7 {
            0 if round == 0 || id % 2 == 0 => (tallies.upsert(row(id, round)).await, |_, round| Some(round)),
            6 if id % 2 == 0 => (tallies.delete(id).await, |_, _| None),
            _ => (tallies.increment(id, tally::Column::N, 1).await, |n, _| n.map(|n| n + 1)),
        };
        let states = rows.get_mut(&id).unwrap();
        let done: State = states.iter().map(|state| after(*state, round)).collect();
        match result {
            Ok(()) => {
                *states = done;
                accepted.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                assert!(error.is_remote(), "{error}");
                states.extend(done);
            }
        }
        states.sort_unstable();
        states.dedup();
        tokio::time::sleep(PAUSE).await;
    }
    rows
}

/// Every row is what it may be; returns how many rows may be only one thing.
fn compare(may_be: &HashMap<i32, State>, rows: &HashMap<i32, i64>) -> usize {
    for (id, states) in may_be {
        assert!(states.contains(&rows.get(id).copied()), "row {id} is {:?}, and may be {states:?}", rows.get(id));
    }
    may_be.values().filter(|states| states.len() == 1).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_for_ten_seconds_loses_nothing_and_the_backlog_drains() {
    let place = Place::new().await;
    let tallies = place.tallies().backpressure(Backpressure::Wait(Duration::from_secs(60))).build().await.unwrap();
    let load = Load::start(&tallies, 0);
    until(async || tallies.stats().batches > 10).await;
    place.postgres.stop();
    let before = (load.accepted(), tallies.stats());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let during = (load.accepted() - before.0, tallies.stats());
    assert!(during.0 > 200, "writers go on while the database is gone: {}", during.0);
    assert!(during.1.retries > before.1.retries, "{during:?}");
    assert!(
        during.1.written <= before.1.written + 4 * 50,
        "one batch of each shard may have been on its way: {during:?}"
    );
    // All that was accepted meanwhile waits.
    assert!(tallies.pending().await.unwrap() >= during.0, "{during:?}");
    assert!(tallies.stats().oldest_age > Duration::from_secs(5), "{during:?}");
    place.postgres.start_again();
    until(async || tallies.stats().written > during.1.written + during.0).await;
    let may_be = load.end().await;
    tallies.flush().await.unwrap();
    assert_eq!(tallies.pending().await.unwrap(), 0);
    assert_eq!(compare(&may_be, &place.rows().await), (WRITERS * ROWS) as usize, "no operation has failed");
    assert_eq!(tallies.stats().buried, 0, "an outage is not the rows' fault");
    tallies.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_is_gone_for_five_seconds_refuses_or_makes_wait_and_loses_nothing_accepted() {
    let place = Place::new().await;
    let fails = place.tallies().name("fails").backpressure(Backpressure::Fail).build().await.unwrap();
    let waits = place.tallies().name("waits").backpressure(Backpressure::Wait(Duration::from_secs(60)));
    let waits = waits.build().await.unwrap();
    let soon = place.tallies().name("soon").backpressure(Backpressure::Wait(Duration::from_millis(300)));
    let soon = soon.build().await.unwrap();
    let loads = [Load::start(&fails, 0), Load::start(&waits, 1_000)];
    until(async || fails.stats().batches > 10 && waits.stats().batches > 10).await;
    place.redis.stop();
    let error = soon.upsert(row(2_000, 1)).await.unwrap_err();
    assert!(error.is_remote(), "who waits long enough is told why: {error}");
    // What was accepted just before is counted by now; every writer has an operation under way.
    let before = (loads[0].accepted(), loads[1].accepted());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((loads[0].accepted(), loads[1].accepted()), before, "nothing is accepted by nobody");
    assert!(fails.stats().refused > 0, "{:?}", fails.stats());
    assert_eq!(waits.stats().refused, 0, "{:?}", waits.stats());
    assert!(place.recorder.count("FlushFailed") > 0);
    place.redis.start_again();
    until(async || loads[0].accepted() > before.0 + 200 && loads[1].accepted() > before.1 + 200).await;
    let [failing, waiting] = loads;
    let (failing, waiting) = (failing.end().await, waiting.end().await);
    for tallies in [&fails, &waits, &soon] {
        tallies.flush().await.unwrap();
        assert_eq!((tallies.pending().await.unwrap(), tallies.stats().buried), (0, 0));
    }
    let rows = place.rows().await;
    compare(&failing, &rows);
    assert_eq!(compare(&waiting, &rows), (WRITERS * ROWS) as usize, "no operation has failed");
    for tallies in [fails, waits, soon] {
        tallies.close().await.unwrap();
    }
}
