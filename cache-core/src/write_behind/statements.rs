//! The statements that write a batch.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, Condition, DbBackend, DbErr, EntityTrait, IdenStatic, QueryFilter, QueryTrait, Statement, Value,
    sea_query::{CaseStatement, Expr, ExprTrait, IntoValueTuple, OnConflict, ValueTuple},
};

use super::{
    coalesce::{Base, Net},
    entity::{WriteBehindEntity, key_columns, other_columns, to_active},
};

/// Values bound to one statement. Databases take 30 times as many, but the text of a statement this long is still remembered by
/// what reads it (the driver, the database, the analysis of what it writes), and the next batch has the same text.
const VALUES_MAX: usize = 1_000;

/// Deletions first, since their unique values may go to other rows; then rows as a whole, in the order of their last operations;
/// then increments, which may be of rows that were just inserted.
pub(super) fn of_batch<E: WriteBehindEntity>(backend: DbBackend, rows: &[Net<E>]) -> Result<Vec<Statement>, DbErr> {
    let key = key_columns::<E>();
    let mut statements = Vec::new();
    let deleted: Vec<_> = rows.iter().filter(|net| matches!(net.base, Base::Delete)).collect();
    for part in deleted.chunks(VALUES_MAX / key.len().max(1)) {
        let keys = part.iter().map(|net| net.key.clone().into_value_tuple()).collect();
        statements.push(E::delete_many().filter(one_of::<E>(&key, keys)).build(backend));
    }
    let put: Vec<&E::Model> = rows
        .iter()
        .filter_map(|net| match &net.base {
            Base::Put(model) => Some(model.as_ref()),
            Base::Row | Base::Delete => None,
        })
        .collect();
    let others = other_columns::<E>();
    for part in put.chunks((VALUES_MAX / (key.len() + others.len()).max(1)).max(1)) {
        let models = part.iter().map(|model| to_active::<E>(model)).collect::<Result<Vec<_>, _>>()?;
        statements.push(E::insert_many(models).on_conflict(on_conflict::<E>(backend, &key, &others)).build(backend));
    }
    let added: Vec<&Net<E>> = rows.iter().filter(|net| !net.added.is_empty()).collect();
    let values_per_row = key.len() + added.iter().map(|net| net.added.len() * (key.len() + 1)).max().unwrap_or(0);
    for part in added.chunks((VALUES_MAX / values_per_row.max(1)).max(1)) {
        statements.push(increments::<E>(backend, &key, part));
    }
    Ok(statements)
}

/// The whole row is replaced. Of an entity that is nothing but its key there is nothing to replace.
fn on_conflict<E: EntityTrait>(backend: DbBackend, key: &[E::Column], others: &[E::Column]) -> OnConflict {
    let mut conflict = OnConflict::columns(key.to_vec());
    if backend == DbBackend::MySql {
        // MySQL takes any unique index for a conflict, and would change a row with another key.
        for column in key {
            let name = column.as_str().replace('`', "``");
            let same_row = format!("IF(`{name}` = VALUES(`{name}`), `{name}`, (SELECT 1 UNION ALL SELECT 2))");
            conflict.value(*column, Expr::cust(same_row));
        }
        conflict.update_columns(others.to_vec());
    } else if others.is_empty() {
        conflict.do_nothing();
    } else {
        conflict.update_columns(others.to_vec());
    }
    conflict
}

/// What is added to a column, by row.
type Summands<'a, E> = Vec<(&'a Net<E>, i64)>;

/// `SET col = col + CASE WHEN key = .. THEN .. ELSE 0 END WHERE key IN (..)`.
fn increments<E: WriteBehindEntity>(backend: DbBackend, key: &[E::Column], rows: &[&Net<E>]) -> Statement {
    let mut by_column: BTreeMap<&str, (E::Column, Summands<'_, E>)> = BTreeMap::new();
    for net in rows {
        for (name, (column, by)) in &net.added {
            by_column.entry(name).or_insert_with(|| (*column, Vec::new())).1.push((net, *by));
        }
    }
    let mut update = E::update_many();
    for (column, summands) in by_column.into_values() {
        let summand = match summands.as_slice() {
            [(_, by)] if rows.len() == 1 => Expr::val(*by),
            _ => {
                let case = summands.iter().fold(CaseStatement::new(), |case, (net, by)| {
                    case.case(is_row::<E>(key, net.key.clone().into_value_tuple()), Expr::val(*by))
                });
                case.finally(Expr::val(0_i64)).into()
            }
        };
        update = update.col_expr(column, Expr::col(column).add(summand));
    }
    let keys = rows.iter().map(|net| net.key.clone().into_value_tuple()).collect();
    update.filter(one_of::<E>(key, keys)).build(backend)
}

/// The condition that a row has this key.
pub(super) fn is_row<E: EntityTrait>(key: &[E::Column], values: ValueTuple) -> Condition {
    key.iter().zip(values).fold(Condition::all(), |all, (column, value)| all.add(column.eq(value)))
}

fn one_of<E: EntityTrait>(key: &[E::Column], mut keys: Vec<ValueTuple>) -> Condition {
    if let ([column], false) = (key, keys.len() == 1) {
        let values: Vec<Value> = keys.into_iter().flatten().collect();
        return Condition::all().add(column.is_in(values));
    }
    match keys.pop() {
        Some(only) if keys.is_empty() => is_row::<E>(key, only),
        last => {
            keys.extend(last);
            let columns = key.iter().map(|column| Expr::col(*column));
            Condition::all().add(Expr::tuple(columns).in_tuples(keys))
        }
    }
}
