//! The entities that write-behind can write.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ColumnType, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn,
    PrimaryKeyTrait, Value,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, ErrorKind};

/// An entity that [`WriteBehind`](crate::WriteBehind) can write: its model and its key are written by serde and read back.
///
/// Implemented for every such entity.
pub trait WriteBehindEntity:
    EntityTrait<
        Model: Serialize + DeserializeOwned + Sync,
        PrimaryKey: PrimaryKeyTrait<ValueType: Serialize + DeserializeOwned + Clone + Sync>,
    >
{
}

impl<E> WriteBehindEntity for E where
    E: EntityTrait<
            Model: Serialize + DeserializeOwned + Sync,
            PrimaryKey: PrimaryKeyTrait<ValueType: Serialize + DeserializeOwned + Clone + Sync>,
        >
{
}

/// The type of an entity's key: one value, or a tuple.
pub type KeyOf<E> = <<E as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// The columns of the key, in the key's order.
pub(super) fn key_columns<E: EntityTrait>() -> Vec<E::Column> {
    E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect()
}

/// The columns besides the key.
pub(super) fn other_columns<E: EntityTrait>() -> Vec<E::Column> {
    E::Column::iter().filter(|column| E::PrimaryKey::from_column(*column).is_none()).collect()
}

/// The column of a name.
pub(super) fn column_named<E: EntityTrait>(name: &str) -> Option<E::Column> {
    E::Column::iter().find(|column| column.as_str() == name)
}

/// Refuses entities whose rows cannot be told apart by a key that the application gives.
pub(super) fn check<E: EntityTrait>() -> Result<(), Error> {
    let table = E::default();
    let table = table.table_name();
    let refuse = |why: &str| Err(Error::new(ErrorKind::Setting, format!("entity: {table} {why}")));
    let key = key_columns::<E>();
    if key.is_empty() {
        return refuse("has no primary key, so that its rows cannot be told apart");
    }
    if E::PrimaryKey::auto_increment() {
        return refuse(
            "has a primary key that the database gives: an operation needs its key when it is accepted, long before the \
             row is inserted (`#[sea_orm(primary_key, auto_increment = false)]`)",
        );
    }
    for column in key {
        let definition = column.def();
        let inexact = matches!(
            definition.get_column_type(),
            ColumnType::Float | ColumnType::Double | ColumnType::Json | ColumnType::JsonBinary
        );
        if inexact {
            return refuse(&format!(
                "has `{}` in its primary key, whose values have no exact equality",
                column.as_str()
            ));
        }
        if definition.is_null() {
            return refuse(&format!("has `{}` in its primary key, which may be null", column.as_str()));
        }
    }
    Ok(())
}

/// Refuses to increment what is no plain number.
pub(super) fn check_summand<E: EntityTrait>(column: E::Column) -> Result<(), Error> {
    let is_whole = matches!(
        column.def().get_column_type(),
        ColumnType::TinyInteger
            | ColumnType::SmallInteger
            | ColumnType::Integer
            | ColumnType::BigInteger
            | ColumnType::TinyUnsigned
            | ColumnType::SmallUnsigned
            | ColumnType::Unsigned
            | ColumnType::BigUnsigned
    );
    let refuse = |why| Err(Error::new(ErrorKind::Setting, format!("column `{}` {why}", column.as_str())));
    if !is_whole {
        return refuse("is no whole number, and cannot be incremented");
    }
    if E::PrimaryKey::from_column(column).is_some() {
        return refuse("is part of the primary key, and cannot be incremented");
    }
    Ok(())
}

/// Adds to a column of a model. Returns whether the sum has a place there; `NULL` stays what it is, as in SQL.
pub(super) fn add_to<M: ModelTrait>(model: &mut M, column: <M::Entity as EntityTrait>::Column, by: i64) -> bool {
    macro_rules! sum {
        ($($variant:ident),*) => {
            match model.get(column) {
                $(Value::$variant(None) => return true,
                Value::$variant(Some(old)) => {
                    i128::from(old).checked_add(i128::from(by)).and_then(|sum| sum.try_into().ok()).map(|sum| Value::$variant(Some(sum)))
                })*
                _ => None,
            }
        };
    }
    let sum = sum!(TinyInt, SmallInt, Int, BigInt, TinyUnsigned, SmallUnsigned, Unsigned, BigUnsigned);
    sum.is_some_and(|sum| model.try_set(column, sum).is_ok())
}

/// A model as the columns to be inserted.
pub(super) fn to_active<E: EntityTrait>(model: &E::Model) -> Result<E::ActiveModel, sea_orm::DbErr> {
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    for column in E::Column::iter() {
        active.try_set(column, model.get(column))?;
    }
    Ok(active)
}
