//! The tags that a write makes stale.

use std::sync::Arc;

use sea_orm::{DbBackend, Values};

use super::{
    Analysis,
    effects::{Image, Writer},
    facts::{Change, ChangeKind, Insert, OnExisting, Operand, Write},
    preimage::Preimage,
    resolve::{bound, canonical, keys},
    stale::{Stale, StaleTag},
};
use crate::{
    orm::{
        registry::{self, ColumnInfo, EntityInfo, Registry},
        through::WriteThrough,
        values::Canonical,
    },
    tag::Tag,
};

/// What a statement makes stale.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteTags {
    /// All that it makes stale, if the rows are not looked at before.
    pub(crate) tags: Vec<Tag>,
    /// A look at the rows, before they are written, would make the tags more precise. Who looks replaces `tags` by
    /// [`Preimage::always`] and either [`Preimage::tags`] or [`Preimage::coarse`].
    pub(crate) preimage: Option<Preimage>,
    /// Whether nobody can tell what is written, so that everything becomes stale.
    pub(crate) unreadable: bool,
}

impl Analysis {
    /// The table whose rows the statement inserts or updates, if that is all it does, and how the entity wants them kept.
    pub(crate) fn written_through(&self) -> Option<(WriteThrough, Arc<EntityInfo>)> {
        let table = match self.facts.writes.as_slice() {
            [Write::Insert(insert)] => &insert.table,
            [Write::Change(Change { table, kind: ChangeKind::Update(_), .. })] => table,
            _ => return None,
        };
        let registry = registry::current();
        let info = registry.entity(table).filter(|_| self.facts.everything.is_none() && !registry.is_view(table))?;
        Some((info.through?, Arc::clone(info)))
    }

    /// What the statement makes stale.
    pub(crate) fn write_tags(&self, values: Option<&Values>) -> WriteTags {
        self.write_with(&registry::current(), values)
    }

    /// Every tag that the statement makes stale if nothing is looked up before, with the reasons.
    pub(crate) fn explain_write(&self, values: Option<&Values>) -> Vec<StaleTag> {
        self.explain_with(&registry::current(), values)
    }

    pub(super) fn explain_with(&self, registry: &Registry, values: Option<&Values>) -> Vec<StaleTag> {
        self.stale(registry, values).into_tags()
    }

    pub(super) fn write_with(&self, registry: &Arc<Registry>, values: Option<&Values>) -> WriteTags {
        let coarse = untagged(self.stale(registry, values).into_tags());
        let unreadable = self.facts.everything.is_some();
        let preimage = self.preimage(registry, values, &coarse);
        WriteTags { tags: coarse, preimage, unreadable }
    }

    fn stale(&self, registry: &Registry, values: Option<&Values>) -> Stale {
        let mut writer = Writer::new(registry, self.backend);
        if let Some(why) = self.facts.everything {
            writer.stale.everything(why);
        }
        for write in &self.facts.writes {
            match write {
                Write::Insert(insert) => self.insert(&mut writer, insert, values),
                Write::Change(change) => self.change(&mut writer, change, values),
                Write::Whole { table, why } => writer.whole(table, why),
            }
        }
        writer.stale
    }

    fn change(&self, writer: &mut Writer<'_>, change: &Change, values: Option<&Values>) {
        let registry = writer.registry;
        match registry.entity(&change.table) {
            Some(info) if !registry.is_view(&change.table) && !matches!(change.kind, ChangeKind::Any) => {
                let image = Image {
                    keys: keys(info, &change.matching, values),
                    before: &|column| bound(column, &change.matching, values),
                };
                writer.changed(info, &image, &change.kind, values);
            }
            _ => writer.unknown(&change.table, &change.kind, "rows are written, and the statement does not say which"),
        }
    }

    fn insert(&self, writer: &mut Writer<'_>, insert: &Insert, values: Option<&Values>) {
        let table = insert.table.as_str();
        let registry = writer.registry;
        let Some(info) = registry.entity(table).filter(|_| !registry.is_view(table)) else {
            let kind = match insert.on_existing {
                OnExisting::Keep => ChangeKind::Update(Vec::new()),
                OnExisting::Replace | OnExisting::Update { .. } => ChangeKind::Any,
            };
            return writer.unknown(table, &kind, "rows are inserted into a table that is not registered");
        };
        let keys = inserted_keys(info, insert, values);
        let all_known = keys.iter().all(Option::is_some) && insert.rows.is_some();
        match &insert.on_existing {
            OnExisting::Keep => {}
            OnExisting::Replace => {
                let why = "rows that stand in the way are deleted, and they may be others";
                return writer.unknown(table, &ChangeKind::Delete, why);
            }
            OnExisting::Update { target, set } => {
                let set = set.as_ref().map(|set| set.iter().map(|name| (name.clone(), Operand::Unknown)));
                let kind = set.map_or(ChangeKind::Any, |set| ChangeKind::Update(set.collect()));
                let by_key = target.as_ref().is_some_and(|target| is_key(info, target));
                if !(by_key && all_known) {
                    let why = "rows that stand in the way are changed, and they may be others";
                    return writer.unknown(table, &kind, why);
                }
                let keys: Vec<_> = keys.iter().flatten().cloned().collect();
                let image = Image { before: &|column| key_values(info, &keys, column), keys: Some(keys.clone()) };
                writer.changed(info, &image, &kind, values);
            }
        }
        self.births(writer, info, insert, keys, values);
    }

    /// New rows: their keys if known, their index values if known.
    fn births(
        &self,
        writer: &mut Writer<'_>,
        info: &EntityInfo,
        insert: &Insert,
        keys: Vec<Option<Vec<String>>>,
        values: Option<&Values>,
    ) {
        let table = insert.table.as_str();
        let mysql = self.backend == DbBackend::MySql;
        writer.stale.table(table, "rows are inserted");
        if insert.rows.is_none() || self.facts.lenient {
            writer.stale.births(table, "the new rows' keys are not known");
            writer.unless_no_indexes(info, "the new rows' index values are not known");
        }
        for key in keys {
            match key {
                // MySQL takes 0 for "choose a key".
                Some(key) if mysql && key.iter().any(|part| part == "0") => {
                    writer.stale.births(table, "the database chooses the key");
                    writer.stale.row(table, key);
                }
                Some(key) => writer.stale.row(table, key),
                None => writer.stale.births(table, "the database chooses the key"),
            }
        }
        if !info.indexes_declared {
            writer.stale.all_indexes(table, "no index columns are declared, and other processes may have some");
        }
        for column in &info.indexes {
            let at = insert.columns.iter().position(|name| column.is(name));
            for row in insert.rows.iter().flatten() {
                let value = at.and_then(|at| row.get(at));
                match value.map_or(Canonical::Loose, |value| canonical(column, value, values)) {
                    Canonical::Exact(value) => writer.stale.index(table, &column.name, value),
                    // A lenient MySQL puts a value in the place of a NULL that the column cannot hold.
                    Canonical::Null if column.nullable || !mysql => {}
                    Canonical::Null | Canonical::Loose => {
                        writer.stale.all_indexes(table, "a new row's index value is not known");
                    }
                }
            }
        }
        writer.views(table);
    }
}

/// The key of each inserted row; empty if the rows are not known.
fn inserted_keys(info: &EntityInfo, insert: &Insert, values: Option<&Values>) -> Vec<Option<Vec<String>>> {
    let key_of = |row: &Vec<_>| {
        let parts = info.key.iter().map(|column| {
            let at = insert.columns.iter().position(|name| column.is(name))?;
            canonical(column, row.get(at)?, values).exact()
        });
        if info.precise { parts.collect() } else { None }
    };
    insert.rows.iter().flatten().map(key_of).collect()
}

/// The values of a column of the key in rows with these keys.
fn key_values(info: &EntityInfo, keys: &[Vec<String>], column: &ColumnInfo) -> Option<Vec<String>> {
    let at = info.key.iter().position(|part| part.is(&column.name))?;
    keys.iter().map(|key| key.get(at).cloned()).collect()
}

fn is_key(info: &EntityInfo, columns: &[String]) -> bool {
    info.precise
        && info.key.len() == columns.len()
        && info.key.iter().all(|column| columns.iter().any(|name| column.is(name)))
}

pub(super) fn untagged(tags: Vec<StaleTag>) -> Vec<Tag> {
    tags.into_iter().map(|stale| stale.tag).collect()
}
