//! What all ways of caching have in common: the database, the truth about it, and what a node can do.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use futures_util::future::BoxFuture;
use harness::{Postgres, RedisServer};
use rand::Rng;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait, QueryFilter,
    entity::prelude::ColumnTrait, sea_query::Expr,
};
use std::time::Instant;

use crate::draw::Zipf;
use crate::model::{self, Column, Entity as Article, Model};

/// One row's last acknowledged commit.
#[derive(Default)]
pub(super) struct Truth {
    version: AtomicI64,
    /// When each version was acknowledged, newest last; only the last few.
    commits: Mutex<Vec<(i64, Instant)>>,
}

/// The servers and what is in them.
pub(super) struct World {
    pub(super) redis: RedisServer,
    url: String,
    truths: Vec<Truth>,
    popular: Zipf,
    queries: Arc<AtomicU64>,
}

type Reading = Box<dyn Fn(i64) -> BoxFuture<'static, Result<Option<Model>, DbErr>> + Send + Sync>;
type Writing = Box<dyn Fn(i64) -> BoxFuture<'static, Result<i64, DbErr>> + Send + Sync>;

/// One node: how it reads a row, and how it writes one. A write returns the version that it made.
pub(super) struct Node {
    pub(super) read: Reading,
    pub(super) write: Writing,
}

impl World {
    pub(super) async fn new(postgres: &Postgres, rows: u32, exponent: f64) -> Arc<Self> {
        let world = Self {
            redis: RedisServer::start(),
            url: postgres.create_database(),
            truths: (0..=rows).map(|_| Truth::default()).collect(),
            popular: Zipf::new(rows, exponent),
            queries: Arc::default(),
        };
        model::create(&world.connect().await, i64::from(rows)).await.expect("rows can be inserted");
        Arc::new(world)
    }

    /// A pool of one node, which counts its statements.
    pub(super) async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(8).min_connections(8).sqlx_logging(false);
        let mut db = Database::connect(options).await.expect("PostgreSQL can be reached");
        let queries = Arc::clone(&self.queries);
        db.set_metric_callback(move |_| _ = queries.fetch_add(1, Ordering::Relaxed));
        db
    }

    pub(super) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// The ids of the most popular rows.
    pub(super) fn top(&self, rows: u32) -> Vec<i64> {
        self.popular.top(rows as usize).collect()
    }

    /// One row's id.
    pub(super) fn draw(&self, random: &mut impl Rng) -> i64 {
        self.popular.draw(random)
    }

    /// The newest version of a row whose commit has been acknowledged.
    pub(super) fn committed(&self, id: i64) -> i64 {
        self.truths[id as usize].version.load(Ordering::Acquire)
    }

    /// Notes an acknowledged commit.
    pub(super) fn commit(&self, id: i64, version: i64) {
        let truth = &self.truths[id as usize];
        let now = Instant::now();
        let mut commits = truth.commits.lock().expect("nobody panics with it");
        commits.push((version, now));
        if commits.len() > 64 {
            commits.remove(0);
        }
        drop(commits);
        truth.version.fetch_max(version, Ordering::AcqRel);
    }

    /// How long before `read` began a version newer than this one had been acknowledged, in nanoseconds.
    pub(super) fn age_of(&self, id: i64, version: i64, read: Instant) -> f64 {
        let commits = self.truths[id as usize].commits.lock().expect("nobody panics with it");
        let newer = commits.iter().filter(|commit| commit.0 > version).map(|commit| commit.1).min();
        newer.map_or(0.0, |newer| read.saturating_duration_since(newer).as_nanos() as f64)
    }
}

impl Node {
    /// No cache.
    pub(super) async fn bare(world: &World) -> Self {
        let db = world.connect().await;
        let other = db.clone();
        Self {
            read: Box::new(move |id| {
                let db = db.clone();
                Box::pin(async move { from_database(&db, id).await })
            }),
            write: Box::new(move |id| {
                let db = other.clone();
                Box::pin(async move { to_database(&db, id).await })
            }),
        }
    }
}

/// The query that everybody sends on a miss.
pub(super) async fn from_database<C: ConnectionTrait>(db: &C, id: i64) -> Result<Option<Model>, DbErr> {
    Article::find_by_id(id).one(db).await
}

/// The statement that everybody sends to write.
pub(super) async fn to_database<C: ConnectionTrait>(db: &C, id: i64) -> Result<i64, DbErr> {
    let next = sea_orm::ExprTrait::add(Expr::col(Column::Version), 1);
    let update = Article::update_many().col_expr(Column::Version, next).filter(Column::Id.eq(id));
    let rows = update.exec_with_returning(db).await?;
    rows.first().map(|row| row.version).ok_or_else(|| DbErr::RecordNotFound(id.to_string()))
}
