//! Timelines: fan-out into feeds on Redis, against a join on PostgreSQL.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use harness::{Durability, Postgres, RedisServer};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::index::sample};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, FromQueryResult, Statement,
    TransactionTrait,
};
use sea_orm_cache::{
    Cache,
    toolkit::{Feed as Feeds, FeedItem},
};

use crate::report::{Bars, Contest, Output, Report, Samples, Table, count, nanos, ratio};

const NOBODY: &[&str] = &[];
/// Timelines of which each is compared with the database's own answer.
const COMPARED: usize = 200;

/// The newest items of everybody whom somebody follows: from a feed, and by a join; ids, authors and times in both.
#[derive(Args, Debug)]
pub(crate) struct Feed {
    /// Rounds that count.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// People; each follows `follows` others.
    #[arg(long, default_value_t = 2_000)]
    people: i64,
    /// How many everybody follows.
    #[arg(long, default_value_t = 100)]
    follows: usize,
    /// Posts of each at the start.
    #[arg(long, default_value_t = 25)]
    posts: i64,
    /// Timelines read per round.
    #[arg(long, default_value_t = 2_000)]
    reads: u64,
    /// Posts published per round.
    #[arg(long, default_value_t = 40)]
    publishes: u64,
    /// Readers at once.
    #[arg(long, default_value_t = 16)]
    readers: u64,
    /// Items per page.
    #[arg(long, default_value_t = 20)]
    page: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, FromQueryResult, PartialEq)]
struct Row {
    id: i64,
    author_id: i64,
    created: i64,
}

#[derive(Clone)]
struct Bench {
    db: DatabaseConnection,
    feed: Feeds,
    followers: Arc<Vec<Vec<String>>>,
    people: i64,
    page: usize,
    next_post: Arc<AtomicI64>,
    fanned_out: Arc<AtomicU64>,
}

impl Feed {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("feed", &self.output);
        let server = Postgres::start(Durability::On);
        let redis = RedisServer::start();
        let mut options = ConnectOptions::new(server.create_database());
        options.max_connections(16).min_connections(16).sqlx_logging(false);
        let db = Database::connect(options).await.expect("PostgreSQL can be reached");
        let followers = fill(&db, self.people, self.follows, self.posts).await.expect("rows can be inserted");
        let patience = Duration::from_secs(10);
        let builder = Cache::builder().redis(redis.url()).deadlines(patience, patience, patience);
        let cache = builder.build().await.expect("the settings are good");
        let feed = Feeds::builder(&cache, "home").build().expect("the settings are good");
        let bench = Bench {
            db,
            feed,
            followers: Arc::new(followers),
            people: self.people,
            page: self.page,
            next_post: Arc::new(AtomicI64::new(self.people * self.posts)),
            fanned_out: Arc::new(AtomicU64::new(0)),
        };
        let warming = Instant::now();
        bench.warm().await;
        report.note(&format!(
            "{} people who follow {} each, {} posts; every feed was loaded by the join, {} in all, before anything was measured.\n",
            count(self.people as f64),
            self.follows,
            count((self.people * self.posts) as f64),
            nanos(warming.elapsed().as_nanos() as f64),
        ));

        let mut contest = Contest::new();
        contest.enter("join on PostgreSQL", || bench.read_all(self.reads, self.readers, false));
        contest.enter("feed on Redis", || bench.read_all(self.reads, self.readers, true));
        contest.enter("fan-out", || bench.publish_all(self.publishes));
        let samples = contest.run(self.rounds).await;
        let [join, reads, fan_out] = samples.as_slice() else { panic!("three entrants") };
        self.tell(&mut report, join, reads, fan_out);

        let differing = bench.compare().await;
        report.figure("differing", differing as f64);
        report.must(differing == 0, "a feed's first page is not what the join says");
        report.must(bench.fanned_out.load(Ordering::Relaxed) > 0, "nothing was fanned out");
        report.must(cache.stats().remote_errors == 0, "a request to Redis failed");
        report.finish()
    }

    fn tell(&self, report: &mut Report, join: &Samples, reads: &Samples, fan_out: &Samples) {
        let mut table = Table::new(&["", "each", "spread", "per second"]);
        for samples in [join, reads, fan_out] {
            let per_second = count(1e9 / samples.median());
            table.row([samples.name.clone(), nanos(samples.median()), samples.spread_text(), per_second]);
        }
        let to_join = join.ratio_to(reads);
        report.table(&table);
        report.note(&format!("A feed answers {} times as many reads as the join.\n", ratio(to_join)));
        let bars = [join, reads].map(|samples| {
            let name = if samples.name == reads.name { "ours: feed on Redis" } else { samples.name.as_str() };
            (name.to_owned(), samples.median(), nanos(samples.median()))
        });
        report.bars(&Bars { title: "Time per timeline read", bars: bars.to_vec() });
        report.figure("fanout_writes_per_s", 1e9 / fan_out.median());
        report.figure("reads_per_s", 1e9 / reads.median());
        report.figure("join_reads_per_s", 1e9 / join.median());
        report.figure("ratio_reads_to_join", to_join);
    }
}

impl Bench {
    /// Loads everybody's feed.
    async fn warm(&self) {
        for reader in 0..self.people {
            let load = async || Ok::<_, DbErr>(join(&self.db, reader, 1_000).await?.into_iter().map(item).collect());
            let page = self.feed.page(&reader.to_string(), NOBODY, None, 1, load).await.expect("PostgreSQL answers");
            assert!(page.warm, "the feed is stored");
        }
    }

    /// Reads random timelines, `readers` at a time; nanoseconds for one, of all readers together.
    async fn read_all(&self, reads: u64, readers: u64, from_feed: bool) -> f64 {
        let each = (reads / readers).max(1);
        let begun = Instant::now();
        let tasks: Vec<_> = (0..readers)
            .map(|_| {
                let bench = self.clone();
                tokio::spawn(async move {
                    for _ in 0..each {
                        let reader = rand::rng().random_range(0..bench.people);
                        let items = if from_feed { bench.fed(reader).await } else { bench.joined(reader).await };
                        assert_eq!(items.len(), bench.page, "there are enough posts for a page");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no reader panics");
        }
        begun.elapsed().as_nanos() as f64 / (each * readers) as f64
    }

    /// Publishes posts one after the other; nanoseconds for one write into one feed. The inserts into PostgreSQL are not counted.
    async fn publish_all(&self, publishes: u64) -> f64 {
        let (mut took, mut feeds) = (Duration::ZERO, 0);
        for _ in 0..publishes {
            let id = self.next_post.fetch_add(1, Ordering::Relaxed);
            let author = rand::rng().random_range(0..self.people);
            insert(&self.db, &[(id, author)]).await.expect("PostgreSQL takes the post");
            let followers = usize::try_from(author).ok().and_then(|at| self.followers.get(at)).expect("an author");
            let post = item(Row { id, author_id: author, created: id });
            let begun = Instant::now();
            let published = self.feed.publish(&post, followers).await.expect("Redis takes the post");
            took += begun.elapsed();
            feeds += published.feeds;
        }
        self.fanned_out.fetch_add(feeds, Ordering::Relaxed);
        took.as_nanos() as f64 / feeds.max(1) as f64
    }

    /// How many of some first pages differ from the join's.
    async fn compare(&self) -> usize {
        let mut differing = 0;
        for _ in 0..COMPARED {
            let reader = rand::rng().random_range(0..self.people);
            differing += usize::from(self.fed(reader).await != self.joined(reader).await);
        }
        differing
    }

    async fn fed(&self, reader: i64) -> Vec<FeedItem> {
        let page = self.feed.read(&reader.to_string(), NOBODY, None, self.page).await.expect("Redis answers");
        page.items
    }

    async fn joined(&self, reader: i64) -> Vec<FeedItem> {
        let rows = join(&self.db, reader, self.page as u64).await.expect("PostgreSQL answers");
        rows.into_iter().map(item).collect()
    }
}

fn item(row: Row) -> FeedItem {
    FeedItem::new(row.id.to_string(), row.author_id.to_string(), row.created as f64)
}

async fn join(db: &DatabaseConnection, reader: i64, limit: u64) -> Result<Vec<Row>, DbErr> {
    let sql = "SELECT p.id, p.author_id, p.created FROM post p JOIN follow f ON f.followee_id = p.author_id \
               WHERE f.follower_id = $1 ORDER BY p.created DESC LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [reader.into(), limit.into()]);
    Row::find_by_statement(statement).all(db).await
}

/// Makes the tables, with the indexes that the join wants. Returns everybody's followers.
async fn fill(db: &DatabaseConnection, people: i64, follows: usize, posts: i64) -> Result<Vec<Vec<String>>, DbErr> {
    for sql in [
        "CREATE TABLE post (id BIGINT PRIMARY KEY, author_id BIGINT NOT NULL, created BIGINT NOT NULL, body TEXT NOT NULL)",
        "CREATE TABLE follow (follower_id BIGINT, followee_id BIGINT, PRIMARY KEY (follower_id, followee_id))",
        "CREATE INDEX post_by_author ON post (author_id, created DESC)",
        "CREATE INDEX post_by_time ON post (created DESC)",
        "CREATE INDEX follow_by_followee ON follow (followee_id)",
    ] {
        db.execute_unprepared(sql).await?;
    }
    // Everybody writes in turn, so that timelines are mixed.
    let txn = db.begin().await?;
    let all: Vec<(i64, i64)> = (0..people * posts).map(|id| (id, id % people)).collect();
    for some in all.chunks(2_000) {
        insert(&txn, some).await?;
    }
    let mut followers = vec![Vec::new(); usize::try_from(people).unwrap_or_default()];
    let mut random = StdRng::seed_from_u64(7);
    for follower in 0..people {
        let followees = sample(&mut random, followers.len(), follows.min(followers.len()));
        let values: Vec<String> = followees.iter().map(|followee| format!("({follower},{followee})")).collect();
        txn.execute_unprepared(&format!("INSERT INTO follow VALUES {}", values.join(","))).await?;
        for followee in followees.iter() {
            followers[followee].push(follower.to_string());
        }
    }
    txn.commit().await?;
    db.execute_unprepared("ANALYZE").await?;
    Ok(followers)
}

async fn insert<C: ConnectionTrait>(db: &C, posts: &[(i64, i64)]) -> Result<(), DbErr> {
    let values: Vec<String> =
        posts.iter().map(|(id, author)| format!("({id},{author},{id},'post {id} of author {author}')")).collect();
    db.execute_unprepared(&format!("INSERT INTO post VALUES {}", values.join(","))).await.map(drop)
}
