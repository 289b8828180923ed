//! Reads a row as it will be once everything that was accepted is written.

use std::collections::BTreeMap;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, IsolationLevel, QueryFilter, TransactionTrait, sea_query::IntoValueTuple,
};

use super::{
    core::Core,
    entity::{KeyOf, WriteBehindEntity, add_to, column_named, key_columns},
    operation::{decode_absolute, encode_key},
    position,
    statements::is_row,
};
use crate::{
    envelope::Wire,
    error::{Error, ErrorKind},
    orm::row_entry::Row,
    policy::{Consistency, PolicyOverride},
    ports::journal::Position,
};

const STRICT: PolicyOverride = PolicyOverride { consistency: Some(Consistency::Strict), ..PolicyOverride::NONE };

/// How often a row is read again because it was written meanwhile.
const ATTEMPTS_MAX: u32 = 16;

/// The row of a key: what is pending for it, else what the database has.
pub(super) async fn get<E: WriteBehindEntity>(core: &Core<E>, key: KeyOf<E>) -> Result<Option<E::Model>, Error> {
    let encoded = encode_key::<E>(&key)?;
    let shard = core.shard_of(&encoded);
    let pending = core.journal.pending(shard, &encoded, 0).await?;
    if let Some(base) = pending.base {
        return Ok(with(decode_absolute::<E>(&base)?, &pending.added));
    }
    if pending.added.is_empty() {
        return entry(core, key).await.map_err(|error| failed(&error));
    }
    // What is pending is relative to a row that may be written at this moment: both are needed as of one position.
    for _ in 0..ATTEMPTS_MAX {
        let (row, position) = snapshot(core, shard, key.clone()).await.map_err(|error| failed(&error))?;
        let pending = core.journal.pending(shard, &encoded, position).await?;
        if let Some(base) = pending.base {
            return Ok(with(decode_absolute::<E>(&base)?, &pending.added));
        }
        if pending.acknowledged <= position {
            return Ok(with(row, &pending.added));
        }
    }
    Err(Error::new(ErrorKind::Database, "the row is written faster than it can be read"))
}

/// The row's own entry, or what the database has. Strict: what was pending a moment ago is in the database now, and an entry that a
/// node cannot yet know to be stale would show an older row.
async fn entry<E: WriteBehindEntity>(core: &Core<E>, key: KeyOf<E>) -> Result<Option<E::Model>, DbErr> {
    let values = key.clone().into_value_tuple().into_iter().collect();
    let wire = Some(Wire::SERDE);
    match Row::of::<E>(values, wire) {
        Some(row) => row.answer(core.db.cache(), &STRICT, wire, None, || stored::<E, _>(&core.db, key)).await,
        None => stored::<E, _>(&core.db, key).await,
    }
}

async fn stored<E: WriteBehindEntity, C: ConnectionTrait>(db: &C, key: KeyOf<E>) -> Result<Option<E::Model>, DbErr> {
    E::find().filter(is_row::<E>(&key_columns::<E>(), key.into_value_tuple())).one(db).await
}

/// The row, and the position that it is of.
async fn snapshot<E: WriteBehindEntity>(
    core: &Core<E>,
    shard: u32,
    key: KeyOf<E>,
) -> Result<(Option<E::Model>, Position), DbErr> {
    let db = core.db.inner();
    let txn = match db.get_database_backend() {
        // Every transaction reads a snapshot there.
        DbBackend::Sqlite => db.begin().await?,
        _ => db.begin_with_config(Some(IsolationLevel::RepeatableRead), None).await?,
    };
    let position = position::read(&txn, core.journal.identity(), shard).await?.unwrap_or(0);
    let row = stored::<E, _>(&txn, key).await?;
    txn.commit().await?;
    Ok((row, position))
}

/// A sum that has no place in its column will be refused by the database, too.
fn with<M: sea_orm::ModelTrait>(row: Option<M>, added: &[(String, i64)]) -> Option<M> {
    let mut row = row?;
    let sums: BTreeMap<&str, i64> = added.iter().map(|(column, by)| (column.as_str(), *by)).collect();
    for (column, by) in sums {
        if let Some(column) = column_named::<M::Entity>(column) {
            let _fits = add_to(&mut row, column, by);
        }
    }
    Some(row)
}

fn failed(error: &DbErr) -> Error {
    Error::new(ErrorKind::Database, format!("cannot read the row: {error}"))
}
