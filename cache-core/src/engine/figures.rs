//! What the cache did, by function and by table.

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::{
    engine::{
        call::Function,
        stats::{Counter, FunctionCounters, FunctionStats, Stats},
    },
    tag::{Tag, TagOf},
};

/// So many tables have figures of their own. Where table names are made up at run time, those beyond are counted together.
const TABLES_MAX: usize = 1_024;

/// What stands for the tables beyond [`TABLES_MAX`].
const OTHERS: &str = "(others)";

/// The counters of a node that belong to a function or a table.
#[derive(Default)]
pub(crate) struct Figures {
    /// By the address of the function's static.
    functions: DashMap<usize, (&'static Function, Arc<FunctionCounters>), RandomState>,
    tables: DashMap<Box<str>, Arc<TableCounters>, RandomState>,
}

#[derive(Default)]
struct TableCounters {
    writes: Counter,
    invalidations: Counter,
    deaths: Counter,
    fills: Counter,
}

/// What a cache has seen of one table since it was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStats {
    /// The table's name; `*` for what concerns every entry (`clear()`, statements nobody can read), `#` for free names.
    pub table: String,
    /// Writes of this node that touched the table: statements, or transactions at their commit; explicit invalidations too.
    pub writes: u64,
    /// Tags of the table that these made stale.
    pub invalidations: u64,
    /// Entries in this process that any node's writes to the table have ended. One that depends on several of a write's tags counts for
    /// each of them.
    pub deaths: u64,
    /// Entries stored by this node that depend on the table.
    pub fills: u64,
}

impl Figures {
    /// The counters of a function. Not for the hot path: entries hold their own.
    pub(crate) fn of(&self, function: &'static Function) -> Arc<FunctionCounters> {
        let address = std::ptr::from_ref(function).addr();
        if let Some(known) = self.functions.get(&address) {
            return Arc::clone(&known.1);
        }
        let fresh = || (function, Arc::default());
        Arc::clone(&self.functions.entry(address).or_insert_with(fresh).1)
    }

    /// A write of this node has made tags stale.
    pub(crate) fn wrote(&self, tags: &[Tag]) {
        for (table, tags) in by_table(tags.iter()) {
            let counters = self.table(table);
            counters.writes.up();
            counters.invalidations.add(tags);
        }
    }

    /// Entries here have ended with a tag.
    pub(crate) fn died(&self, tag: &Tag, entries: u64) {
        self.table(name_of(tag)).deaths.add(entries);
    }

    /// An entry that depends on these tags was stored.
    pub(crate) fn filled<'a>(&self, tags: impl Iterator<Item = &'a Tag>) {
        for (table, _) in by_table(tags.filter(|tag| tag.of() != TagOf::All)) {
            self.table(table).fills.up();
        }
    }

    fn table(&self, name: &str) -> Arc<TableCounters> {
        if let Some(known) = self.tables.get(name) {
            return Arc::clone(&known);
        }
        let name = if self.tables.len() < TABLES_MAX { name } else { OTHERS };
        Arc::clone(&self.tables.entry(name.into()).or_default())
    }

    /// Adds what all functions did to the figures of the node.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        self.functions.iter().for_each(|one| one.1.add_to(stats));
    }

    /// By name, then by module.
    pub(crate) fn by_function(&self) -> Vec<FunctionStats> {
        let mut all: Vec<_> = self.functions.iter().map(|one| one.1.snapshot(one.0)).collect();
        all.sort_by_key(|one| (one.name, one.module));
        all
    }

    /// By name.
    pub(crate) fn by_table(&self) -> Vec<TableStats> {
        let mut all: Vec<_> = self
            .tables
            .iter()
            .map(|one| TableStats {
                table: one.key().to_string(),
                writes: one.writes.get(),
                invalidations: one.invalidations.get(),
                deaths: one.deaths.get(),
                fills: one.fills.get(),
            })
            .collect();
        all.sort_by(|one, other| one.table.cmp(&other.table));
        all
    }
}

fn name_of(tag: &Tag) -> &str {
    match tag.of() {
        TagOf::Table(table) => table,
        TagOf::Name => "#",
        TagOf::All => "*",
    }
}

/// Each table with the number of its tags.
fn by_table<'a>(tags: impl Iterator<Item = &'a Tag>) -> Vec<(&'a str, u64)> {
    let mut tables: Vec<(&str, u64)> = Vec::new();
    for name in tags.map(name_of) {
        match tables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, tags)) => *tags += 1,
            None => tables.push((name, 1)),
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_made_up_at_run_time_are_counted_together() {
        let figures = Figures::default();
        for n in 0..2 * TABLES_MAX {
            figures.wrote(&[Tag::table(&format!("t{n}")), Tag::row(&format!("t{n}"), &["1"])]);
        }
        let all = figures.by_table();
        assert_eq!(all.len(), TABLES_MAX + 1);
        let others = all.iter().find(|one| one.table == OTHERS).unwrap();
        assert_eq!((others.writes, others.invalidations), (TABLES_MAX as u64, 2 * TABLES_MAX as u64));
    }
}
