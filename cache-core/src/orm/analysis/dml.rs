//! What inserts, updates and deletes say of the rows they write.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, FromTable, Insert as InsertStatement, ObjectName, OnConflict,
    OnConflictAction, OnInsert, Query, SetExpr, SqliteOnConflict, TableFactor, TableObject, TableWithJoins,
    Update as UpdateStatement, visit_relations,
};

use super::{
    ROWS_MAX,
    facts::{Change, ChangeKind, Insert, Matching, OnExisting, Operand, Write},
    predicate::{self, Scope, name_of, operand},
    statements::{changed, target},
    walk::{Walk, last_name},
};

pub(super) fn insert(walk: &mut Walk, insert: &InsertStatement) {
    let TableObject::TableName(name) = &insert.table else {
        return walk.facts.writes_everything("INSERT into something that is no table");
    };
    if !insert.multi_table_into_clauses.is_empty()
        || !insert.multi_table_when_clauses.is_empty()
        || insert.multi_table_else_clause.is_some()
        || insert.overwrite
    {
        return walk.facts.writes_everything("an INSERT of an unknown form");
    }
    let Some(table) = target(walk, name) else { return };
    let (columns, rows) = inserted(insert);
    let replaces = insert.replace_into || insert.or == Some(SqliteOnConflict::Replace);
    let on_existing = if replaces { OnExisting::Replace } else { on_existing(insert.on.as_ref()) };
    walk.facts.lenient |= insert.ignore;
    walk.facts.writes.push(Write::Insert(Insert { table, columns, rows, on_existing }));
}

/// The columns named, and the values given for them row by row.
fn inserted(insert: &InsertStatement) -> (Vec<String>, Option<Vec<Vec<Operand>>>) {
    if !insert.assignments.is_empty() {
        let (columns, values) = assigned(&insert.assignments).into_iter().unzip();
        return (columns, Some(vec![values]));
    }
    let columns: Option<Vec<_>> = insert.columns.iter().map(last_name).collect();
    let columns = columns.unwrap_or_default();
    let rows = insert.source.as_deref().and_then(constant_rows);
    // A row of another width than the list of columns has been misread.
    let rows = rows.filter(|rows| rows.iter().all(|row| row.len() == columns.len()) && unique(&columns));
    (columns, rows)
}

fn unique(columns: &[String]) -> bool {
    columns.iter().enumerate().all(|(at, column)| !columns.iter().skip(at + 1).any(|other| other == column))
}

fn constant_rows(source: &Query) -> Option<Vec<Vec<Operand>>> {
    let Query { with: None, order_by: None, limit_clause: None, fetch: None, .. } = source else { return None };
    match source.body.as_ref() {
        SetExpr::Values(values) if values.rows.len() <= ROWS_MAX => {
            Some(values.rows.iter().map(|row| row.content.iter().map(operand).collect()).collect())
        }
        _ => None,
    }
}

fn on_existing(on: Option<&OnInsert>) -> OnExisting {
    match on {
        None | Some(OnInsert::OnConflict(OnConflict { action: OnConflictAction::DoNothing, .. })) => OnExisting::Keep,
        Some(OnInsert::OnConflict(OnConflict { conflict_target, action: OnConflictAction::DoUpdate(update) })) => {
            let target = match conflict_target {
                Some(ConflictTarget::Columns(columns)) => Some(columns.iter().map(name_of).collect()),
                Some(ConflictTarget::OnConstraint(_)) | None => None,
            };
            OnExisting::Update { target, set: Some(columns_of(&update.assignments)) }
        }
        Some(OnInsert::DuplicateKeyUpdate(assignments)) => {
            OnExisting::Update { target: None, set: Some(columns_of(assignments)) }
        }
        // The enum may grow.
        #[allow(unreachable_patterns)]
        Some(_) => OnExisting::Update { target: None, set: None },
    }
}

fn columns_of(assignments: &[Assignment]) -> Vec<String> {
    assigned(assignments).into_iter().map(|(column, _)| column).collect()
}

/// New values by column. A column that is assigned twice has an unknown value.
fn assigned(assignments: &[Assignment]) -> Vec<(String, Operand)> {
    let mut list: Vec<(String, Operand)> = Vec::new();
    let mut add = |name: &ObjectName, value: Operand| {
        let column = last_name(name).unwrap_or_default();
        match list.iter_mut().find(|(known, _)| *known == column) {
            Some((_, known)) => *known = Operand::Unknown,
            None => list.push((column, value)),
        }
    };
    for assignment in assignments {
        match &assignment.target {
            AssignmentTarget::ColumnName(name) => add(name, operand(&assignment.value)),
            AssignmentTarget::Tuple(names) => names.iter().for_each(|name| add(name, Operand::Unknown)),
        }
    }
    list
}

pub(super) fn update(walk: &mut Walk, update: &UpdateStatement) {
    let mut set = assigned(&update.assignments);
    if update.or == Some(SqliteOnConflict::Replace) {
        // Rows that stand in the way are deleted.
        return every_table(walk, std::slice::from_ref(&update.table), &ChangeKind::Any);
    }
    if walk.facts.lenient {
        set.iter_mut().for_each(|(_, value)| *value = Operand::Unknown);
    }
    let kind = ChangeKind::Update(set);
    match single(std::slice::from_ref(&update.table), update.from.is_some()) {
        Some((name, scope)) => {
            let matching = predicate::matching(update.selection.as_ref(), &scope);
            one_table(walk, name, matching, kind);
        }
        None => every_table(walk, std::slice::from_ref(&update.table), &kind),
    }
}

pub(super) fn delete(walk: &mut Walk, delete: &Delete) {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    match single(from, false) {
        Some((name, scope)) if delete.tables.is_empty() && delete.using.is_none() => {
            let matching = predicate::matching(delete.selection.as_ref(), &scope);
            one_table(walk, name, matching, ChangeKind::Delete);
        }
        _ => {
            every_table(walk, from, &ChangeKind::Delete);
            // MySQL may name a table of `USING` by its alias in `FROM`; who cannot tell says too much.
            every_table(walk, delete.using.as_deref().unwrap_or_default(), &ChangeKind::Delete);
        }
    }
}

/// The one table of a clause, with what its columns may be called by; `others`: whether tables of other clauses are in sight.
fn single(tables: &[TableWithJoins], others: bool) -> Option<(&ObjectName, Scope)> {
    match tables {
        [TableWithJoins { relation: TableFactor::Table { name, alias, args: None, .. }, joins }]
            if joins.is_empty() =>
        {
            Some((name, Scope::of(last_name(name)?, alias.as_ref(), others)?))
        }
        _ => None,
    }
}

fn one_table(walk: &mut Walk, name: &ObjectName, matching: Matching, kind: ChangeKind) {
    if let Some(table) = target(walk, name) {
        walk.facts.writes.push(Write::Change(Change { table, matching, kind }));
    }
}

/// Each table mentioned counts as written.
fn every_table(walk: &mut Walk, tables: &[TableWithJoins], kind: &ChangeKind) {
    let mut found = 0;
    for table in tables {
        let _: ControlFlow<()> = visit_relations(table, |name| {
            found += 1;
            changed(walk, name, kind.clone());
            ControlFlow::Continue(())
        });
    }
    if found == 0 && !tables.is_empty() {
        walk.facts.writes_everything("the written table's name cannot be read");
    }
}
