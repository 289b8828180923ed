//! A cache that trusts the tags, next to a real database: whatever it holds has to be what the database says.
//!
//! Random writes run on SQLite; every entry whose tags a write did not touch must still be true. The texts are read as each of the three
//! dialects. `SOUNDNESS_SEED` repeats a run, `SOUNDNESS_STEPS` sets its length.

mod generate;

use std::{collections::HashSet, env, sync::Arc};

use generate::{Generator, Read, SCHEMA, Sql};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

use super::{BACKENDS, registry, values};
use crate::{
    orm::{analysis::analyze, registry::Registry},
    tag::Tag,
};

const ENTRIES: usize = 30;
const STEPS: usize = 400;

/// A cached result, as each dialect's analysis would tag it.
struct Entry {
    read: Read,
    rows: Vec<String>,
    /// Per backend; `None` once a write touched them.
    tags: [Option<HashSet<Tag>>; 3],
}

/// What one run saw.
#[derive(Debug, Default)]
struct Report {
    writes: usize,
    /// Writes that changed the result of some entry.
    changes: usize,
    /// Entries that a write to one of their tables left alone, and rightly.
    spared: usize,
    looks: usize,
    violations: Vec<String>,
}

/// Leaves out tags that a write should have made stale, to show that this test notices.
type Mutation = fn(&Tag) -> bool;

struct Run {
    db: DatabaseConnection,
    registry: Arc<Registry>,
    rng: SmallRng,
    mutation: Option<Mutation>,
    report: Report,
}

async fn connect() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = Database::connect(options).await.expect("SQLite in memory");
    for sql in SCHEMA {
        db.execute_unprepared(sql).await.expect("schema");
    }
    db
}

fn statement(sql: &Sql) -> Statement {
    Statement { sql: sql.text.clone(), values: Some(values(&sql.params)), db_backend: DbBackend::Sqlite }
}

impl Run {
    /// The rows of a read, in a fixed order; `None` if SQLite does not accept it.
    async fn rows(&self, read: &Read) -> Option<Vec<String>> {
        let rows = self.db.query_all_raw(statement(&read.executed())).await.ok()?;
        let mut rows: Vec<String> =
            rows.iter().map(|row| row.try_get::<Option<String>>("", "v").expect("text").unwrap_or_default()).collect();
        rows.sort();
        Some(rows)
    }

    fn read_tags(&self, sql: &Sql, backend: DbBackend, rows: usize) -> Option<HashSet<Tag>> {
        let read = analyze(backend, &sql.on(backend)).read_with(&self.registry, Some(&values(&sql.params)));
        let births = read.births.into_iter().filter(|_| rows < read.rows_if_all_found);
        // A text that cannot be trusted is not stored.
        read.opaque.is_none().then(|| read.tags.into_iter().chain(births).chain([Tag::all()]).collect())
    }

    async fn entry(&mut self) -> Entry {
        loop {
            let read = Generator::new(&mut self.rng).read();
            if let Some(rows) = self.rows(&read).await {
                let analysed = read.analysed();
                let tags = BACKENDS.map(|backend| self.read_tags(&analysed, backend, rows.len()));
                return Entry { read, rows, tags };
            }
        }
    }

    /// Runs a write; returns what each dialect says that it makes stale.
    async fn write(&mut self, sql: &Sql) -> [HashSet<Tag>; 3] {
        let list = values(&sql.params);
        let mut tags = BACKENDS.map(|backend| {
            if backend != DbBackend::Sqlite && sql.text.contains("rowid") {
                // Only SQLite knows that name.
                return HashSet::from([Tag::all()]);
            }
            let tags = analyze(backend, &sql.on(backend)).explain_with(&self.registry, Some(&list));
            tags.into_iter().map(|stale| stale.tag).collect::<HashSet<_>>()
        });
        let planned = analyze(DbBackend::Sqlite, &sql.text).write_with(&self.registry, Some(&list));
        let looked = match &planned.preimage {
            Some(preimage) if self.rng.random_ratio(2, 3) => {
                let rows = self.db.query_all_raw(preimage.statement()).await.expect("the look is valid SQL");
                Some((preimage, rows))
            }
            _ => None,
        };
        // An error undoes the statement.
        let affected = self.db.execute_raw(statement(sql)).await.map_or(0, |done| done.rows_affected());
        if let (Some((preimage, rows)), [.., sqlite]) = (looked, &mut tags)
            && affected == rows.len() as u64
        {
            self.report.looks += 1;
            *sqlite = preimage.always().into_iter().chain(preimage.tags(&rows)).collect();
        }
        if let Some(leave_out) = self.mutation {
            for tags in &mut tags {
                tags.retain(|tag| !leave_out(tag));
            }
        }
        tags
    }

    /// Throws out what the write made stale, and compares the rest with the database.
    async fn judge(&mut self, entries: &mut [Entry], sql: &Sql, stale: &[HashSet<Tag>; 3]) {
        let mut changed = false;
        for entry in entries {
            let Some(now) = self.rows(&entry.read).await else { continue };
            changed |= now != entry.rows;
            for ((tags, stale), backend) in entry.tags.iter_mut().zip(stale).zip(BACKENDS) {
                let Some(known) = tags else { continue };
                if !known.is_disjoint(stale) {
                    *tags = None;
                } else if now != entry.rows {
                    self.report.violations.push(format!(
                        "{backend:?}: {sql:?} makes {stale:?} stale and leaves {:?} with {known:?}: {:?} is now {now:?}",
                        entry.read.analysed(),
                        entry.rows
                    ));
                    *tags = None;
                } else {
                    let table = |tag: &Tag| tag.as_str().split([':', '.']).next().map(str::to_owned);
                    let written: HashSet<_> = stale.iter().filter_map(table).collect();
                    self.report.spared +=
                        usize::from(known.iter().filter_map(table).any(|name| written.contains(&name)));
                }
            }
            if now != entry.rows {
                entry.rows = now;
                entry.tags = [None, None, None];
            }
        }
        self.report.changes += usize::from(changed);
    }
}

async fn run(seed: u64, steps: usize, mutation: Option<Mutation>) -> Report {
    let mut run = Run {
        db: connect().await,
        registry: registry(),
        rng: SmallRng::seed_from_u64(seed),
        mutation,
        report: Report::default(),
    };
    let mut entries = Vec::new();
    for _ in 0..ENTRIES {
        entries.push(run.entry().await);
    }
    for _ in 0..steps {
        let sql = Generator::new(&mut run.rng).write();
        let stale = run.write(&sql).await;
        run.report.writes += 1;
        run.judge(&mut entries, &sql, &stale).await;
        if mutation.is_some() && !run.report.violations.is_empty() {
            break;
        }
        for entry in &mut entries {
            // What was thrown out is loaded again, or something else is.
            if run.rng.random_ratio(1, 60) {
                *entry = run.entry().await;
            }
            let analysed = entry.read.analysed();
            for (tags, backend) in entry.tags.iter_mut().zip(BACKENDS) {
                if tags.is_none() {
                    *tags = run.read_tags(&analysed, backend, entry.rows.len());
                }
            }
        }
    }
    run.report
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test]
async fn no_write_leaves_an_entry_that_is_no_longer_true() {
    let steps = setting("SOUNDNESS_STEPS").map_or(STEPS, |steps| usize::try_from(steps).expect("small"));
    let first = setting("SOUNDNESS_SEED").unwrap_or_else(|| rand::rng().random());
    for seed in [first, 1] {
        println!("SOUNDNESS_SEED={seed}");
        let report = run(seed, steps, None).await;
        println!("{report:?}");
        assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
        // An analysis that says `*` to everything must not pass, nor a database in which nothing happens.
        assert!(report.changes * 8 > report.writes, "too few writes changed anything: {report:?}");
        assert!(report.spared * 2 > report.writes, "too little is spared: {report:?}");
        assert!(report.looks * 20 > report.writes, "too few looks: {report:?}");
    }
}

#[tokio::test]
async fn every_sort_of_tag_is_needed() {
    let sorts: [(&str, Mutation); 6] = [
        ("table", |tag| !tag.as_str().contains([':', '.', '*'])),
        ("row", |tag| tag.as_str().split_once(':').is_some_and(|(_, key)| key != "*" && key != "+")),
        ("rows", |tag| tag.as_str().ends_with(":*")),
        ("births", |tag| tag.as_str().ends_with(":+")),
        ("index", |tag| tag.as_str().contains('=')),
        ("indexes", |tag| tag.as_str().ends_with(".*")),
    ];
    for (sort, mutation) in sorts {
        let report = run(7, 6 * STEPS, Some(mutation)).await;
        assert!(!report.violations.is_empty(), "without the {sort} tag nothing is noticed in {} writes", report.writes);
    }
}
