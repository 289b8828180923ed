//! What a write through the wrapper costs beyond the write.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use harness::{Durability, Postgres, RedisServer};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectOptions, Database, DatabaseConnection, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, TransactionTrait, sea_query::Expr,
};
use sea_orm_cache::{Cache, CachedConnection};

use crate::{
    model::{self, ActiveModel, Column, Entity as Article, row},
    report::{Bars, Contest, Output, Report, Samples, Table, nanos, ratio},
};

const ROWS: i64 = 10_000;
const KINDS: [&str; 4] = ["insert", "update", "update_many", "update of two rows"];

/// Transactions on PostgreSQL with fsync: through the wrapper, with Redis told of each, against the bare connection.
#[derive(Args, Debug)]
pub(crate) struct Write {
    /// Rounds that count.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Transactions per round.
    #[arg(long, default_value_t = 100)]
    writes: i64,
    /// Writers at once in the second table; the first has one.
    #[arg(long, default_value_t = 8)]
    writers: i64,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone)]
struct Bench {
    bare: DatabaseConnection,
    wrapped: CachedConnection,
    writes: i64,
    next: Arc<AtomicI64>,
}

impl Write {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("write", &self.output);
        let server = Postgres::start(Durability::On);
        let redis = RedisServer::start();
        let mut options = ConnectOptions::new(server.create_database());
        options.max_connections(16).min_connections(16).sqlx_logging(false);
        let bare = Database::connect(options).await.expect("PostgreSQL can be reached");
        model::create(&bare, ROWS).await.expect("rows can be inserted");
        let cache = Cache::builder()
            .redis(redis.url())
            .deadlines(Duration::from_secs(2), Duration::from_secs(2), Duration::from_secs(4))
            .build()
            .await
            .expect("the settings are good");
        let wrapped = cache.wrap(bare.clone());
        let bench = Bench { bare, wrapped, writes: self.writes, next: Arc::new(AtomicI64::new(ROWS + 1)) };
        for (writers, suffix) in [(1, ""), (self.writers, "_concurrent")] {
            let samples = bench.contest(writers, self.rounds).await;
            let mut table = Table::new(&["", "bare", "spread", "wrapped", "spread", "÷ bare"]);
            let mut bars = Vec::new();
            for (kind, pair) in KINDS.iter().zip(samples.chunks(2)) {
                let [bare, wrapped] = pair else { panic!("two of each kind") };
                let to_bare = wrapped.ratio_to(bare);
                table.row([
                    (*kind).to_owned(),
                    nanos(bare.median()),
                    bare.spread_text(),
                    nanos(wrapped.median()),
                    wrapped.spread_text(),
                    ratio(to_bare),
                ]);
                bars.push((format!("{kind}, bare"), bare.median(), nanos(bare.median())));
                bars.push((format!("ours: {kind}"), wrapped.median(), nanos(wrapped.median())));
                report.figure(&format!("ratio_{}{suffix}", kind.replace(' ', "_")), to_bare);
            }
            report.note(&format!(
                "{writers} writer{} at a time, time per transaction:\n",
                if writers == 1 { "" } else { "s" }
            ));
            report.table(&table);
            report.bars(&Bars { title: &format!("Time per transaction, {writers} at a time"), bars });
        }
        let stats = cache.stats();
        report.must(stats.deferrals == 0, "an invalidation did not reach Redis at once");
        report.must(stats.invalidations > 0, "nothing was made stale");
        report.finish()
    }
}

impl Bench {
    async fn contest(&self, writers: i64, rounds: usize) -> Vec<Samples> {
        let mut contest = Contest::new();
        for kind in 0..KINDS.len() {
            contest.enter("bare", move || self.round(writers, kind, false));
            contest.enter("wrapped", move || self.round(writers, kind, true));
        }
        contest.run(rounds).await
    }

    /// Every transaction of a round, shared among writers; nanoseconds for one, as its writer sees it.
    async fn round(&self, writers: i64, kind: usize, is_wrapped: bool) -> f64 {
        let each = (self.writes / writers).max(1);
        let begun = Instant::now();
        let tasks = (0..writers).map(|_| {
            let bench = self.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    let done = match is_wrapped {
                        true => write(&bench.wrapped, kind, &bench.next).await,
                        false => write(&bench.bare, kind, &bench.next).await,
                    };
                    done.expect("PostgreSQL takes the write");
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("no write panics");
        }
        begun.elapsed().as_nanos() as f64 / each as f64
    }
}

/// The same code for both: only the type of the connection differs.
async fn write<C: TransactionTrait + Sync>(db: &C, kind: usize, next: &AtomicI64) -> Result<(), DbErr>
where
    C::Transaction: sea_orm::TransactionSession + Sync + Send,
{
    let id = next.fetch_add(1, Ordering::Relaxed);
    // Neighbours are far apart, so that writers do not wait for each other's rows.
    let old = 1 + (id * 7_919) % ROWS;
    let txn = db.begin().await?;
    let update = |id| ActiveModel { id: Set(id), title: Set(format!("title {id}")), ..Default::default() };
    match kind {
        0 => drop(row(id).into_active_model().reset_all().insert(&txn).await?),
        1 => drop(update(old).update(&txn).await?),
        2 => {
            // Ten rows of ten thousand have the author.
            let all = Article::update_many().filter(Column::AuthorId.eq(old % 1_000));
            all.col_expr(Column::Version, sea_orm::ExprTrait::add(Expr::col(Column::Version), 1)).exec(&txn).await?;
        }
        _ => {
            let (low, high) = (old.min(ROWS - 1), old.min(ROWS - 1) + 1);
            update(low).update(&txn).await?;
            update(high).update(&txn).await?;
        }
    }
    sea_orm::TransactionSession::commit(txn).await
}
