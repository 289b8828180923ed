//! The entities, views and tables that the cache knows by name.
//!
//! Every process has its own registry, and makes stale what that one knows of. All processes that write to one database have to know
//! the same entities, views and cascades; [`CachedEntity`] says what to do while they do not.

mod closure;
mod info;
#[cfg(test)]
mod tests;

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use sea_orm::EntityTrait;

pub(crate) use closure::{Affected, Change};
pub use info::{CachedEntity, Cascade, ColumnInfo, EntityInfo};

/// An entity made known at link time: `inventory::submit! { EntityRegistration::of::<user::Entity>() }`.
pub struct EntityRegistration {
    /// Describes the entity; called once, when the first statement is analysed.
    pub info: fn() -> EntityInfo,
}

impl EntityRegistration {
    /// An entity with declared indexes and cascades.
    #[must_use]
    pub const fn of<E: CachedEntity>() -> Self {
        Self { info: EntityInfo::of_cached::<E> }
    }

    /// An entity of which nothing is declared besides SeaORM's own traits.
    #[must_use]
    pub const fn plain<E: EntityTrait>() -> Self {
        Self { info: EntityInfo::of::<E> }
    }
}

inventory::collect!(EntityRegistration);

/// Views that stand for views are followed this deep.
const VIEW_DEPTH_MAX: usize = 16;

/// A state of the registry. Cheap to share, replaced as a whole when something is added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    entities: HashMap<String, Arc<EntityInfo>>,
    types: HashSet<TypeId>,
    views: HashMap<String, Vec<String>>,
    tables: HashSet<String>,
}

static REGISTRY: LazyLock<RwLock<Arc<Registry>>> = LazyLock::new(|| {
    let mut registry = Registry::default();
    for registration in inventory::iter::<EntityRegistration>() {
        registry.add((registration.info)());
    }
    RwLock::new(Arc::new(registry))
});

/// The registry as it is now.
pub(crate) fn current() -> Arc<Registry> {
    REGISTRY.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn change(change: impl FnOnce(&mut Registry)) {
    let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
    change(Arc::make_mut(&mut registry));
}

/// Makes an entity known. Doing it again is cheap and changes nothing.
pub fn register<E: EntityTrait>() {
    let id = TypeId::of::<E>();
    if !current().types.contains(&id) {
        let info = EntityInfo::of::<E>();
        change(|registry| {
            if registry.types.insert(id) {
                registry.add(info);
            }
        });
    }
}

/// Makes known what an entity says of a table named at run time: `register_info(EntityInfo::of_cached::<Log>().named("log_2024"))`.
pub fn register_info(info: EntityInfo) {
    let known = current().entity(&info.table).is_some_and(|known| {
        let mut merged = EntityInfo::clone(known);
        merged.merge(info.clone());
        merged == **known
    });
    if !known {
        change(|registry| registry.add(info));
    }
}

/// Says that `name` stands for rows of `tables`: a view, a partition, an inheriting table.
///
/// A read of it depends on those tables, and a write to it counts as a write to rows of theirs that are not known. Nothing in
/// an SQL text tells a view from a table, so a view that is written through, or that has an entity of its own, has to be declared.
pub fn register_view<T: AsRef<str>>(name: &str, tables: &[T]) {
    let tables: Vec<_> = tables.iter().map(|table| table.as_ref().to_lowercase()).collect();
    change(|registry| {
        registry.views.insert(name.to_lowercase(), tables);
    });
}

/// Says that these names are ordinary tables, though no entity of theirs is known: what statements read of them can be trusted.
pub fn register_tables<T: AsRef<str>>(names: &[T]) {
    let known = current();
    if names.iter().any(|name| !known.tables.contains(&name.as_ref().to_lowercase())) {
        change(|registry| registry.tables.extend(names.iter().map(|name| name.as_ref().to_lowercase())));
    }
}

impl Registry {
    /// Adds an entity, merging it with what is known of its table.
    pub(crate) fn add(&mut self, info: EntityInfo) {
        match self.entities.get_mut(&info.table) {
            Some(known) => Arc::make_mut(known).merge(info),
            None => {
                self.entities.insert(info.table.clone(), Arc::new(info));
            }
        }
    }

    /// `table` is lower case.
    pub(crate) fn entity(&self, table: &str) -> Option<&Arc<EntityInfo>> {
        self.entities.get(table)
    }

    /// The tables that a view stands for, itself not among them; empty for a table.
    pub(crate) fn behind(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        let mut layer: Vec<&str> = self.views.get(name).into_iter().flatten().map(String::as_str).collect();
        for _ in 0..VIEW_DEPTH_MAX {
            layer.retain(|table| *table != name && !found.contains(table));
            if layer.is_empty() {
                break;
            }
            found.extend(&layer);
            layer = layer.iter().filter_map(|view| self.views.get(*view)).flatten().map(String::as_str).collect();
        }
        found
    }

    /// Whether `name` is known to be a view.
    pub(crate) fn is_view(&self, name: &str) -> bool {
        self.views.contains_key(name)
    }

    /// Whether it is known what a read of `name` depends on.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.entities.contains_key(name) || self.views.contains_key(name) || self.tables.contains(name)
    }

    #[cfg(test)]
    pub(crate) fn add_view(&mut self, name: &str, tables: &[&str]) {
        self.views.insert(name.to_owned(), tables.iter().map(|table| (*table).to_owned()).collect());
    }
}
