//! What an annotated writer makes stale.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, PrimaryKeyTrait, Value};

use crate::{
    cache::Cache,
    orm::{CachedConnection, CachedTransaction, deps, recognise},
    tag::Tag,
};

/// A list of tags.
#[derive(Default)]
pub struct Stale(Vec<Tag>);

impl Stale {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tag.
    pub fn push(&mut self, tag: Tag) {
        self.0.push(tag);
    }

    /// Hands the tags to the transaction behind `db`, if there is one that collects.
    pub fn offer<C: ConnectionTrait + ?Sized>(&mut self, db: &C) {
        self.0 = recognise::offer(db, std::mem::take(&mut self.0));
    }

    pub(super) fn into_tags(self) -> Vec<Tag> {
        self.0
    }
}

/// Something that takes tags over if it is a transaction that collects them.
pub trait TakesStale {
    /// Takes them, or leaves them.
    fn take_stale(&self, stale: &mut Stale);
}

impl TakesStale for CachedTransaction {
    fn take_stale(&self, stale: &mut Stale) {
        self.invalidate_all(std::mem::take(&mut stale.0));
    }
}

macro_rules! leaves_them {
    ($($ty:ty),*) => {$(
        impl TakesStale for $ty {
            fn take_stale(&self, _: &mut Stale) {}
        }
    )*};
}

leaves_them!(Cache, CachedConnection, DatabaseConnection, DatabaseTransaction);

macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<T: TakesStale + ?Sized> TakesStale for $pointer {
            fn take_stale(&self, stale: &mut Stale) {
                (**self).take_stale(stale);
            }
        }
    )*};
}

through_pointers!(&T, &mut T, Arc<T>, Box<T>);

/// The whole table.
pub fn table_target<E: EntityTrait>(stale: &mut Stale) {
    stale.0.extend(deps::table_tags::<E>());
}

/// One row.
pub fn row_target<E: EntityTrait>(stale: &mut Stale, key: <E::PrimaryKey as PrimaryKeyTrait>::ValueType) {
    stale.0.extend(deps::row_tags::<E>(key));
}

/// The rows with one value of one column.
#[allow(clippy::needless_pass_by_value)]
pub fn index_target<E: EntityTrait>(stale: &mut Stale, column: E::Column, value: Value) {
    stale.0.extend(deps::index_tags::<E>(column, &value));
}
