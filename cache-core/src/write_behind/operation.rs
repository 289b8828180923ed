//! Operations as bytes.

use sea_orm::{IdenStatic, Iterable, ModelTrait, sea_query::FromValueTuple};

use super::entity::{KeyOf, WriteBehindEntity, column_named};
use crate::{
    codec,
    error::{Error, ErrorKind},
    policy::CodecKind,
    ports::journal::{Change, Entry},
};

/// An operation on one row.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation<E: WriteBehindEntity> {
    /// The row becomes this model, whether it is there or not.
    Put(E::Model),
    /// The row is deleted.
    Delete,
    /// A number is added to a column, if the row is there.
    Increment {
        /// The column.
        column: E::Column,
        /// What is added; may be negative.
        by: i64,
    },
}

/// What precedes the payload of an absolute operation.
const PUT: u8 = b'P';
const DELETE: u8 = b'D';

/// The key's bytes: two keys are the same row if, and only if, their bytes are the same.
pub(super) fn encode_key<E: WriteBehindEntity>(key: &KeyOf<E>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(16);
    codec::encode(CodecKind::MessagePack, key, &mut bytes)?;
    Ok(bytes)
}

/// The reverse of [`encode_key`].
pub(super) fn decode_key<E: WriteBehindEntity>(bytes: &[u8]) -> Result<KeyOf<E>, Error> {
    codec::decode(CodecKind::MessagePack, bytes)
}

/// The key of a model.
pub(super) fn key_of<E: WriteBehindEntity>(model: &E::Model) -> KeyOf<E> {
    KeyOf::<E>::from_value_tuple(model.get_primary_key_value())
}

/// A put. Checks that the model comes back with every column as it was: a field that serde skips would be lost.
pub(super) fn put<E: WriteBehindEntity>(model: &E::Model) -> Result<Entry, Error> {
    let mut bytes = vec![PUT];
    codec::encode(CodecKind::MessagePack, model, &mut bytes)?;
    let back = decode_model::<E>(&bytes)?;
    for column in E::Column::iter() {
        let (value, read) = (model.get(column), back.get(column));
        // A number that is not one equals nothing, itself included, and is written the same.
        if value != read && value.to_string() != read.to_string() {
            return Err(Error::new(
                ErrorKind::Encode,
                format!("the model's column `{}` does not come back from serde as it was", column.as_str()),
            ));
        }
    }
    Ok(Entry { key: encode_key::<E>(&key_of::<E>(model))?, change: Change::Absolute(bytes) })
}

/// A deletion.
pub(super) fn delete<E: WriteBehindEntity>(key: &KeyOf<E>) -> Result<Entry, Error> {
    Ok(Entry { key: encode_key::<E>(key)?, change: Change::Absolute(vec![DELETE]) })
}

/// An increment.
pub(super) fn increment<E: WriteBehindEntity>(key: &KeyOf<E>, column: E::Column, by: i64) -> Result<Entry, Error> {
    super::entity::check_summand::<E>(column)?;
    if by == i64::MIN {
        return Err(Error::new(ErrorKind::Full, "an increment by the least number there is cannot be taken back"));
    }
    Ok(Entry { key: encode_key::<E>(key)?, change: Change::Add { column: column.as_str().to_owned(), by } })
}

/// What a journal's entry says.
pub(super) fn decode<E: WriteBehindEntity>(change: &Change) -> Result<Operation<E>, Error> {
    match change {
        Change::Absolute(bytes) => Ok(decode_absolute::<E>(bytes)?.map_or(Operation::Delete, Operation::Put)),
        Change::Add { column, by } => {
            let known = column_named::<E>(column).ok_or_else(|| unknown(&format!("column {column:?}")))?;
            Ok(Operation::Increment { column: known, by: *by })
        }
    }
}

/// The model of a put; `None` of a deletion.
pub(super) fn decode_absolute<E: WriteBehindEntity>(bytes: &[u8]) -> Result<Option<E::Model>, Error> {
    match bytes.first() {
        Some(&PUT) => decode_model::<E>(bytes).map(Some),
        Some(&DELETE) => Ok(None),
        first => Err(unknown(&format!("kind {first:?}"))),
    }
}

fn decode_model<E: WriteBehindEntity>(bytes: &[u8]) -> Result<E::Model, Error> {
    codec::decode(CodecKind::MessagePack, bytes.get(1..).unwrap_or_default())
}

fn unknown(what: &str) -> Error {
    Error::new(ErrorKind::Decode, format!("an operation in the journal has a {what} that this program does not know"))
}
