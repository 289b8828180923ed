//! Remembers what was made of an SQL text.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use dashmap::{DashMap, DashSet};
use sea_orm::DbBackend;

use super::{Analysis, facts::Facts, parse};

/// The most texts remembered for each backend. Beyond, all are forgotten: they are soon learnt again.
const TEXTS_MAX: usize = 4_096;
/// Longer texts are analysed each time.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// The most texts that are warned about in the life of a process.
const WARNINGS_MAX: usize = 1_024;
/// How much of a text a warning shows.
const EXCERPT_CHARS_MAX: usize = 120;

type Memo = DashMap<Box<str>, Arc<Analysis>>;

static MYSQL: LazyLock<Memo> = LazyLock::new(Memo::new);
static POSTGRES: LazyLock<Memo> = LazyLock::new(Memo::new);
static SQLITE: LazyLock<Memo> = LazyLock::new(Memo::new);
static WARNED: LazyLock<DashSet<u64>> = LazyLock::new(DashSet::new);

/// What an SQL text reads and writes. Values and entities come in later, so texts can be remembered.
pub(crate) fn analyze(backend: DbBackend, sql: &str) -> Arc<Analysis> {
    let memo = match backend {
        DbBackend::MySql => &*MYSQL,
        DbBackend::Postgres => &*POSTGRES,
        DbBackend::Sqlite => &*SQLITE,
        _ => return Arc::new(fresh(backend, sql)),
    };
    if sql.len() > TEXT_BYTES_MAX {
        return Arc::new(fresh(backend, sql));
    }
    if let Some(known) = memo.get(sql) {
        return known.clone();
    }
    let analysis = Arc::new(fresh(backend, sql));
    if memo.len() >= TEXTS_MAX {
        memo.clear();
    }
    memo.insert(sql.into(), analysis.clone());
    analysis
}

fn fresh(backend: DbBackend, sql: &str) -> Analysis {
    let facts = parse::read(backend, sql);
    let warning = Warning::about(sql, &facts);
    Analysis { backend, facts, warning }
}

/// Something that a person should know about a text.
#[derive(Debug)]
pub(super) struct Warning {
    id: u64,
    text: String,
}

impl Warning {
    fn about(sql: &str, facts: &Facts) -> Option<Self> {
        let excerpt: String = sql.chars().take(EXCERPT_CHARS_MAX).collect();
        let text = if let Some(why) = facts.everything {
            format!("a statement makes every entry stale, because {why}: {excerpt}")
        } else if !facts.functions.is_empty() {
            let names = facts.functions.join(", ");
            format!(
                "what the function {names} reads or writes is not known, and what it writes makes nothing stale: {excerpt}"
            )
        } else if facts.controls_transaction {
            format!(
                "a transaction begun or ended by SQL text cannot be followed, its writes count as committed one by one: {excerpt}"
            )
        } else {
            return None;
        };
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        Some(Self { id: hasher.finish(), text })
    }

    /// The text, the first time it is asked for in this process.
    pub(super) fn first(&self) -> Option<&str> {
        (WARNED.len() < WARNINGS_MAX && WARNED.insert(self.id)).then_some(self.text.as_str())
    }
}
