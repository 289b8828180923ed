//! The tags that a read depends on.

use sea_orm::Values;

use super::{
    Analysis,
    facts::PointRead,
    resolve::{bound, keys},
};
use crate::{
    orm::registry::{self, Registry},
    tag::Tag,
};

/// What a statement's result depends on, besides [`Tag::all`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadTags {
    /// The tags.
    pub(crate) tags: Vec<Tag>,
    /// Tags that matter only if fewer than [`rows_if_all_found`](ReadTags::rows_if_all_found) rows come back.
    pub(crate) births: Vec<Tag>,
    /// As many rows as keys were asked for.
    pub(crate) rows_if_all_found: usize,
    /// Why the tags cannot be trusted, if they cannot: nothing that was read may be kept on their account.
    pub(crate) opaque: Option<&'static str>,
}

impl Analysis {
    /// What the statement's result depends on: `None` if that cannot be told, and nothing may be stored on its account.
    ///
    /// A table that no entity, [`register_view`](registry::register_view) or [`register_tables`](registry::register_tables) names
    /// might be a view of others; a function that is not the database's own might read anything.
    pub(crate) fn read_tags(&self, values: Option<&Values>) -> Option<Vec<Tag>> {
        let read = self.read(values);
        read.opaque.is_none().then(|| read.tags.into_iter().chain(read.births).collect())
    }

    /// The same in detail.
    pub(crate) fn read(&self, values: Option<&Values>) -> ReadTags {
        self.read_with(&registry::current(), values)
    }

    pub(super) fn read_with(&self, registry: &Registry, values: Option<&Values>) -> ReadTags {
        let facts = &self.facts;
        let opaque = if facts.unknown_read.is_some() {
            facts.unknown_read
        } else if !facts.functions.is_empty() {
            Some("a function that is not the database's own")
        } else if facts.tables.iter().any(|table| !registry.knows(table)) {
            Some("a table that is not registered, and may be a view")
        } else {
            None
        };
        let mut read = facts.point.as_ref().and_then(|point| read_rows(registry, point, values)).unwrap_or_else(|| {
            let mut tags = Vec::new();
            for table in &facts.tables {
                tags.push(Tag::table(table));
                tags.extend(registry.behind(table).into_iter().map(Tag::table));
            }
            tags.sort();
            tags.dedup();
            ReadTags { tags, ..ReadTags::default() }
        });
        read.opaque = opaque;
        read
    }
}

/// A read of known rows, or of the rows with known index values.
fn read_rows(registry: &Registry, point: &PointRead, values: Option<&Values>) -> Option<ReadTags> {
    let table = point.table.as_str();
    let info = registry.entity(table).filter(|_| !registry.is_view(table))?;
    if let Some(keys) = keys(info, &point.matching, values) {
        let mut tags: Vec<_> = keys.iter().map(|key| Tag::row(table, key)).collect();
        tags.push(Tag::rows(table));
        let births = vec![Tag::births(table)];
        return Some(if point.plain {
            ReadTags { tags, births, rows_if_all_found: keys.len(), opaque: None }
        } else {
            tags.extend(births);
            ReadTags { tags, ..ReadTags::default() }
        });
    }
    let (column, found) =
        info.indexes.iter().find_map(|column| Some((column, bound(column, &point.matching, values)?)))?;
    let mut tags: Vec<_> = found.iter().map(|value| Tag::index(table, &column.name, value)).collect();
    tags.extend([Tag::indexes(table), Tag::rows(table)]);
    Some(ReadTags { tags, ..ReadTags::default() })
}
