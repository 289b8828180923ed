//! What a run of records comes to, row by row.

use std::collections::{BTreeMap, HashMap};

use super::{
    entity::{KeyOf, WriteBehindEntity, add_to},
    operation::{self, Operation},
};
use crate::{
    error::Error,
    ports::journal::{Position, Record},
};

/// What happens to one row.
#[derive(Debug)]
pub(super) struct Net<E: WriteBehindEntity> {
    pub(super) key: KeyOf<E>,
    pub(super) base: Base<E>,
    /// Added after the base, by column name.
    pub(super) added: BTreeMap<String, (E::Column, i64)>,
}

/// What a row is before increments.
#[derive(Debug)]
pub(super) enum Base<E: WriteBehindEntity> {
    /// What it is in the database.
    Row,
    Put(Box<E::Model>),
    Delete,
}

/// A run of records that are written together.
#[derive(Debug)]
pub(super) struct Batch<E: WriteBehindEntity> {
    /// One for each key, in the order of their last absolute operations.
    pub(super) rows: Vec<Net<E>>,
    /// How many records it takes.
    pub(super) records: usize,
    /// The position of the last of them.
    pub(super) to: Position,
}

/// A record that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// Its place among the records.
    pub(super) at: usize,
    pub(super) error: Error,
}

/// Coalesces records, each key to its last operation: a put or a deletion replaces what was before it, increments are summed up,
/// and added to the model of a put before them. Takes as many records as can be written in one step; at least one.
pub(super) fn coalesce<E: WriteBehindEntity>(records: &[Record]) -> Result<Batch<E>, Unreadable> {
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    let mut rows: Vec<Option<Net<E>>> = Vec::new();
    let mut taken = 0;
    for (at, record) in records.iter().enumerate() {
        let unreadable = |error| Unreadable { at, error };
        let operation = operation::decode::<E>(&record.entry.change).map_err(unreadable)?;
        let place = places.get(record.entry.key.as_slice()).copied();
        let old = place.and_then(|place| rows.get_mut(place)).and_then(Option::take);
        let old = match old {
            Some(old) => old,
            None => {
                let key = operation::decode_key::<E>(&record.entry.key).map_err(unreadable)?;
                Net { key, base: Base::Row, added: BTreeMap::new() }
            }
        };
        match old.then(operation) {
            // What stands further back in the journal is written further back: unique values may move from row to row.
            Ok(Then::Replaced(net)) => {
                places.insert(&record.entry.key, rows.len());
                rows.push(Some(net));
            }
            Ok(Then::Added(net)) => match place.and_then(|place| rows.get_mut(place)) {
                Some(slot) => *slot = Some(net),
                None => {
                    places.insert(&record.entry.key, rows.len());
                    rows.push(Some(net));
                }
            },
            // A sum that does not fit is left to the next batch.
            Err(net) => {
                if let Some(slot) = place.and_then(|place| rows.get_mut(place)) {
                    *slot = Some(net);
                }
                break;
            }
        }
        taken = at + 1;
    }
    let to = taken.checked_sub(1).and_then(|last| records.get(last)).map_or(0, |record| record.position);
    Ok(Batch { rows: rows.into_iter().flatten().collect(), records: taken, to })
}

enum Then<E: WriteBehindEntity> {
    Replaced(Net<E>),
    Added(Net<E>),
}

impl<E: WriteBehindEntity> Net<E> {
    /// The error is the old state, for an increment that does not fit.
    fn then(mut self, operation: Operation<E>) -> Result<Then<E>, Self> {
        match operation {
            Operation::Put(model) => {
                Ok(Then::Replaced(Self { base: Base::Put(Box::new(model)), added: BTreeMap::new(), ..self }))
            }
            Operation::Delete => Ok(Then::Replaced(Self { base: Base::Delete, added: BTreeMap::new(), ..self })),
            Operation::Increment { column, by } => {
                use sea_orm::IdenStatic;
                let name = column.as_str();
                match &mut self.base {
                    // There is no row to add to.
                    Base::Delete => return Ok(Then::Added(self)),
                    Base::Put(model) => {
                        if !self.added.contains_key(name) && add_to(model.as_mut(), column, by) {
                            return Ok(Then::Added(self));
                        }
                    }
                    Base::Row => {}
                }
                let sum = self.added.get(name).map_or(Some(by), |(_, sum)| sum.checked_add(by));
                let Some(sum) = sum else { return Err(self) };
                self.added.insert(name.to_owned(), (column, sum));
                Ok(Then::Added(self))
            }
        }
    }
}
