//! Which other tables the database changes by itself, following foreign keys.

use std::collections::{HashSet, VecDeque};

use super::{
    Registry,
    info::{ChildEffect, ForeignKey, same_name},
};

/// A change of one table that foreign keys react to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    /// Rows are deleted.
    Delete,
    /// These columns change; `None`: any column.
    Update(Option<Vec<String>>),
}

impl Change {
    fn touches(&self, columns: &[String]) -> bool {
        match self {
            Self::Delete => false,
            Self::Update(None) => true,
            Self::Update(Some(changed)) => {
                changed.iter().any(|name| columns.iter().any(|column| same_name(column, name)))
            }
        }
    }

    fn effect(&self, key: &ForeignKey) -> ChildEffect {
        match self {
            Self::Delete => key.on_delete,
            Self::Update(_) if self.touches(&key.parent_columns) => key.on_update,
            Self::Update(_) => ChildEffect::None,
        }
    }
}

/// What a change of one table does to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Affected {
    /// Rows of these tables change, nobody knows which. In the order found, without repetition.
    Tables(Vec<String>),
    /// More than [`TABLES_MAX`].
    TooMany,
}

/// The most tables that one statement's foreign keys are followed into; beyond, everything counts as changed.
pub(crate) const TABLES_MAX: usize = 64;

impl Registry {
    /// The tables in which the database deletes or changes rows when `table` changes, transitively. The table itself is among
    /// them if it refers to itself, or if a cycle leads back.
    pub(crate) fn affected(&self, table: &str, change: &Change) -> Affected {
        let mut found: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        let mut queue = VecDeque::from([(table.to_owned(), change.clone())]);
        while let Some((parent, change)) = queue.pop_front() {
            for (child, effect) in self.children(&parent, &change) {
                if !found.contains(&child) {
                    if found.len() >= TABLES_MAX {
                        return Affected::TooMany;
                    }
                    found.push(child.clone());
                }
                // Each table is visited once for each sort of change, so a cycle ends.
                if seen.insert((child.clone(), effect.clone())) {
                    queue.push_back((child, effect));
                }
            }
        }
        Affected::Tables(found)
    }

    fn children(&self, parent: &str, change: &Change) -> Vec<(String, Change)> {
        let mut children = Vec::new();
        for (table, info) in &self.entities {
            for key in info.foreign_keys.iter().filter(|key| key.parent == parent) {
                match change.effect(key) {
                    ChildEffect::None => {}
                    ChildEffect::Delete => children.push((table.clone(), Change::Delete)),
                    ChildEffect::Change => children.push((table.clone(), Change::Update(Some(key.columns.clone())))),
                }
            }
        }
        // A table that is said to refer to this one, and whose own entity is not known, may do so with any action.
        for referrer in self.entities.get(parent).iter().flat_map(|info| &info.referrers) {
            let known = self
                .entities
                .get(&referrer.table)
                .is_some_and(|child| child.foreign_keys.iter().any(|key| key.parent == parent));
            if !known && (*change == Change::Delete || change.touches(&referrer.columns)) {
                children.push((referrer.table.clone(), Change::Delete));
            }
        }
        children.sort_by(|one, two| one.0.cmp(&two.0));
        children
    }
}
