//! Columns and operands, resolved to canonical values.

use sea_orm::Values;

use super::{
    ROWS_MAX,
    facts::{Matching, Operand},
};
use crate::orm::{
    registry::{ColumnInfo, EntityInfo},
    values::{self, Canonical},
};

/// The canonical form of an operand in a column.
pub(super) fn canonical(column: &ColumnInfo, operand: &Operand, values: Option<&Values>) -> Canonical {
    match operand {
        Operand::Param(at) => match values.and_then(|values| values.0.get(*at)) {
            Some(value) => values::of_value(column.class, value),
            None => Canonical::Loose,
        },
        Operand::Literal(literal) => values::of_literal(column.class, literal),
        Operand::Unknown => Canonical::Loose,
    }
}

/// The values that a column has in the rows of `matching`, without repetition; `None` if other values are possible.
pub(super) fn bound(column: &ColumnInfo, matching: &Matching, values: Option<&Values>) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for conjunct in matching {
        let (_, operand) = conjunct.iter().find(|(name, _)| column.is(name))?;
        add_new(&mut found, canonical(column, operand, values).exact()?);
    }
    Some(found)
}

/// The keys of the rows of `matching`, without repetition; `None` if other rows are possible, or too many.
pub(super) fn keys(info: &EntityInfo, matching: &Matching, values: Option<&Values>) -> Option<Vec<Vec<String>>> {
    if !info.precise || matching.len() > ROWS_MAX {
        return None;
    }
    let mut found = Vec::new();
    for conjunct in matching {
        let key = info.key.iter().map(|column| {
            let (_, operand) = conjunct.iter().find(|(name, _)| column.is(name))?;
            canonical(column, operand, values).exact()
        });
        add_new(&mut found, key.collect::<Option<Vec<_>>>()?);
    }
    Some(found)
}

pub(super) fn add_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
