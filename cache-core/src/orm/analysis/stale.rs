//! The tags that a write makes stale, gathered table by table.

use std::collections::{BTreeMap, BTreeSet};

use super::ROWS_MAX;
use crate::tag::Tag;

/// A tag that a write makes stale, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleTag {
    /// The tag.
    pub tag: Tag,
    /// Why the write touches it, as a clause.
    pub reason: &'static str,
}

/// Which part of a table's tags: `None`, or why.
type Reason = Option<&'static str>;

#[derive(Debug, Default)]
struct TableStale {
    why: Reason,
    all_rows: Reason,
    all_indexes: Reason,
    births: Reason,
    rows: BTreeSet<Vec<String>>,
    indexes: BTreeSet<(String, String)>,
}

/// Gathers what is stale. Finer tags that a coarser one covers are left out at the end.
#[derive(Debug, Default)]
pub(super) struct Stale {
    everything: Reason,
    tables: BTreeMap<String, TableStale>,
}

impl Stale {
    pub(super) fn everything(&mut self, why: &'static str) {
        self.everything.get_or_insert(why);
    }

    /// The table is written.
    pub(super) fn table(&mut self, table: &str, why: &'static str) {
        self.entry(table).why.get_or_insert(why);
    }

    /// Rows of the table change, nobody knows which.
    pub(super) fn all_rows(&mut self, table: &str, why: &'static str) {
        let entry = self.entry(table);
        entry.why.get_or_insert(why);
        entry.all_rows.get_or_insert(why);
    }

    /// Index values change, nobody knows which.
    pub(super) fn all_indexes(&mut self, table: &str, why: &'static str) {
        self.entry(table).all_indexes.get_or_insert(why);
    }

    /// Rows appear whose keys are not known.
    pub(super) fn births(&mut self, table: &str, why: &'static str) {
        self.entry(table).births.get_or_insert(why);
    }

    pub(super) fn row(&mut self, table: &str, key: Vec<String>) {
        let entry = self.entry(table);
        entry.rows.insert(key);
        if entry.rows.len() > ROWS_MAX {
            entry.all_rows.get_or_insert("more rows than are told apart");
        }
    }

    pub(super) fn index(&mut self, table: &str, column: &str, value: String) {
        let entry = self.entry(table);
        entry.indexes.insert((column.to_lowercase(), value));
        if entry.indexes.len() > ROWS_MAX {
            entry.all_indexes.get_or_insert("more index values than are told apart");
        }
    }

    fn entry(&mut self, table: &str) -> &mut TableStale {
        self.tables.entry(table.to_owned()).or_default()
    }

    /// The tags, coarse ones first for each table.
    pub(super) fn into_tags(self) -> Vec<StaleTag> {
        if let Some(reason) = self.everything {
            return vec![StaleTag { tag: Tag::all(), reason }];
        }
        let mut tags = Vec::new();
        for (table, stale) in self.tables {
            stale.push_into(&table, &mut tags);
        }
        tags
    }
}

impl TableStale {
    fn push_into(self, table: &str, tags: &mut Vec<StaleTag>) {
        let mut push = |tag, reason| tags.push(StaleTag { tag, reason });
        push(Tag::table(table), self.why.unwrap_or("the table is written"));
        if let Some(reason) = self.all_rows {
            return push(Tag::rows(table), reason);
        }
        if let Some(reason) = self.births {
            push(Tag::births(table), reason);
        }
        for key in self.rows {
            push(Tag::row(table, &key), "this row is written");
        }
        if let Some(reason) = self.all_indexes {
            return push(Tag::indexes(table), reason);
        }
        for (column, value) in self.indexes {
            push(Tag::index(table, &column, &value), "a row with this value is written");
        }
    }
}
