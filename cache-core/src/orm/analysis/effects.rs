//! What a change of known or unknown rows does, to its own table and to others.

use std::{collections::VecDeque, mem::discriminant};

use sea_orm::{DbBackend, Values};

use super::{
    facts::ChangeKind,
    resolve::{add_new, canonical},
    stale::Stale,
};
use crate::orm::{
    registry::{self, Affected, Cascade, ColumnInfo, EntityInfo, Registry},
    values::Canonical,
};

/// What is known of the rows before they change.
pub(super) struct Image<'a> {
    /// Their keys.
    pub(super) keys: Option<Vec<Vec<String>>>,
    /// The values of a column in them; `None` if others are possible.
    pub(super) before: &'a dyn Fn(&ColumnInfo) -> Option<Vec<String>>,
}

/// Gathers the effects of one SQL text.
pub(super) struct Writer<'a> {
    pub(super) registry: &'a Registry,
    backend: DbBackend,
    pub(super) stale: Stale,
}

/// The value of a column after an update.
enum After {
    /// As before.
    Same,
    /// This; `NULL` is none.
    Known(Option<String>),
    Unknown,
}

impl<'a> Writer<'a> {
    pub(super) fn new(registry: &'a Registry, backend: DbBackend) -> Self {
        Self { registry, backend, stale: Stale::default() }
    }

    /// Rows of which something is known are updated or deleted.
    pub(super) fn changed(&mut self, info: &EntityInfo, image: &Image<'_>, kind: &ChangeKind, values: Option<&Values>) {
        let table = info.table.as_str();
        self.stale.table(table, "rows are written");
        match &image.keys {
            Some(keys) => self.rows(info, keys, kind, values),
            None => self.stale.all_rows(table, "rows are written, and the statement does not say which"),
        }
        if !info.indexes_declared {
            self.stale.all_indexes(table, "no index columns are declared, and other processes may have some");
        }
        for column in &info.indexes {
            match self.values_around(column, image, kind, values) {
                Some(found) => found.into_iter().for_each(|value| self.stale.index(table, &column.name, value)),
                None => self.stale.all_indexes(table, "a written row's index value is not known"),
            }
        }
        let from = |column: &ColumnInfo| self.values_around(column, image, kind, values);
        let steps = info.cascades.iter().map(|cascade| (cascade.clone(), from(&cascade.from))).collect();
        self.declared(steps);
        self.foreign_keys(table, kind);
        self.views(table);
    }

    /// Rows with this index value are named, and what they are part of.
    pub(super) fn indexed(&mut self, info: &EntityInfo, column: &ColumnInfo, value: &str, why: &'static str) {
        let table = info.table.as_str();
        self.stale.table(table, why);
        self.stale.index(table, &column.name, value.to_owned());
        let from = |own: &ColumnInfo| own.is(&column.name).then(|| vec![value.to_owned()]);
        let steps = info.cascades.iter().map(|cascade| (cascade.clone(), from(&cascade.from))).collect();
        self.declared(steps);
        self.foreign_keys(table, &ChangeKind::Any);
        self.views(table);
    }

    /// Rows of which nothing is known change.
    pub(super) fn unknown(&mut self, table: &str, kind: &ChangeKind, why: &'static str) {
        self.stale.all_rows(table, why);
        self.declared_of(table);
        self.foreign_keys(table, kind);
        self.views(table);
    }

    /// The table as a whole changes.
    pub(super) fn whole(&mut self, table: &str, why: &'static str) {
        self.unknown(table, &ChangeKind::Delete, why);
    }

    /// Index entries are concerned, unless it is known that there are none.
    pub(super) fn unless_no_indexes(&mut self, info: &EntityInfo, why: &'static str) {
        if !(info.indexes_declared && info.indexes.is_empty()) {
            self.stale.all_indexes(&info.table, why);
        }
    }

    fn rows(&mut self, info: &EntityInfo, keys: &[Vec<String>], kind: &ChangeKind, values: Option<&Values>) {
        let table = info.table.as_str();
        for key in keys {
            self.stale.row(table, key.clone());
            let after = info.key.iter().zip(key).map(|(column, part)| match self.after(column, kind, values) {
                After::Same => Some(part.clone()),
                After::Known(Some(part)) => Some(part),
                After::Known(None) | After::Unknown => None,
            });
            match after.collect() {
                Some(key) => self.stale.row(table, key),
                None => self.stale.all_rows(table, "a row's new key is not known"),
            }
        }
    }

    fn after(&self, column: &ColumnInfo, kind: &ChangeKind, values: Option<&Values>) -> After {
        let ChangeKind::Update(set) = kind else { return After::Same };
        let Some((_, operand)) = set.iter().find(|(name, _)| column.is(name)) else {
            return if set.iter().any(|(name, _)| self.may_be_key(name)) { After::Unknown } else { After::Same };
        };
        match canonical(column, operand, values) {
            Canonical::Exact(value) => After::Known(Some(value)),
            Canonical::Null if column.nullable || self.backend != DbBackend::MySql => After::Known(None),
            Canonical::Null | Canonical::Loose => After::Unknown,
        }
    }

    /// SQLite knows an integer key by three more names.
    fn may_be_key(&self, name: &str) -> bool {
        name.is_empty() || self.backend == DbBackend::Sqlite && matches!(name, "rowid" | "oid" | "_rowid_")
    }

    /// The values that a column has before and after; `None` if others are possible.
    fn values_around(
        &self,
        column: &ColumnInfo,
        image: &Image<'_>,
        kind: &ChangeKind,
        values: Option<&Values>,
    ) -> Option<Vec<String>> {
        let mut found = (image.before)(column)?;
        match self.after(column, kind, values) {
            After::Same | After::Known(None) => Some(found),
            After::Known(Some(value)) => {
                add_new(&mut found, value);
                Some(found)
            }
            After::Unknown => None,
        }
    }

    /// What the database changes by itself in other tables.
    fn foreign_keys(&mut self, table: &str, kind: &ChangeKind) {
        let changes = match kind {
            ChangeKind::Delete => vec![registry::Change::Delete],
            ChangeKind::Update(set) if set.iter().any(|(name, _)| self.may_be_key(name)) => {
                vec![registry::Change::Update(None)]
            }
            ChangeKind::Update(set) => {
                vec![registry::Change::Update(Some(set.iter().map(|(name, _)| name.clone()).collect()))]
            }
            ChangeKind::Any => vec![registry::Change::Delete, registry::Change::Update(None)],
        };
        for change in changes {
            match self.registry.affected(table, &change) {
                Affected::TooMany => self.stale.everything("foreign keys lead to more tables than are followed"),
                Affected::Tables(children) => {
                    for child in children {
                        self.stale.all_rows(&child, "a foreign key's action may change its rows");
                        self.declared_of(&child);
                        self.stale_views(&child);
                    }
                }
            }
        }
    }

    /// The declared dependents of rows of which nothing is known.
    fn declared_of(&mut self, table: &str) {
        if let Some(info) = self.registry.entity(table) {
            self.declared(info.cascades.iter().map(|cascade| (cascade.clone(), None)).collect());
        }
    }

    /// Declared dependents, and theirs: a dependent's own dependents are known if they hang on the same column.
    fn declared(&mut self, mut steps: VecDeque<(Cascade, Option<Vec<String>>)>) {
        const WHY: &str = "declared to depend on a written row";
        let mut seen: Vec<(Cascade, Option<Vec<String>>)> = Vec::new();
        while let Some((cascade, found)) = steps.pop_front() {
            if seen.len() >= CASCADES_MAX {
                return self.stale.everything("declared dependents lead further than is followed");
            }
            if seen.iter().any(|(known, values)| *known == cascade && *values == found) {
                continue;
            }
            let child = self.registry.entity(&cascade.table);
            let is_key =
                child.is_some_and(|child| matches!(child.key.as_slice(), [key] if key.is(&cascade.column.name)));
            let comparable = discriminant(&cascade.from.class) == discriminant(&cascade.column.class);
            let found = found.filter(|_| comparable);
            self.stale.table(&cascade.table, WHY);
            match &found {
                Some(values) if is_key => {
                    values.iter().for_each(|value| self.stale.row(&cascade.table, vec![value.clone()]));
                }
                Some(values) => values
                    .iter()
                    .for_each(|value| self.stale.index(&cascade.table, &cascade.column.name, value.clone())),
                None if is_key => self.stale.all_rows(&cascade.table, WHY),
                None => self.stale.all_indexes(&cascade.table, WHY),
            }
            for next in child.iter().flat_map(|child| &child.cascades) {
                let same_column = next.from.is(&cascade.column.name);
                steps.push_back((next.clone(), found.clone().filter(|_| same_column)));
            }
            seen.push((cascade, found));
        }
    }

    /// A write to a view is one to the tables behind it.
    pub(super) fn views(&mut self, table: &str) {
        for behind in self.stale_views(table) {
            self.declared_of(&behind);
            self.foreign_keys(&behind, &ChangeKind::Any);
        }
    }

    fn stale_views(&mut self, table: &str) -> Vec<String> {
        let behind: Vec<String> = self.registry.behind(table).into_iter().map(str::to_owned).collect();
        for table in &behind {
            self.stale.all_rows(table, "written through a view");
        }
        behind
    }
}

/// The most steps that declared dependents are followed; beyond, everything counts as changed.
pub(crate) const CASCADES_MAX: usize = 64;
