//! What each kind of statement writes.

use sqlparser::ast::{
    AlterTableOperation, CopySource, ObjectName, ObjectType, RenameTableNameKind, Statement, TableFactor, Truncate,
};

use super::{
    dml,
    facts::{Change, ChangeKind, Insert, OnExisting, Write},
    predicate,
    walk::{Walk, table_of},
};

/// Notes what the statement itself writes; what is nested in it is noted when the walk comes to it.
pub(super) fn note(walk: &mut Walk, statement: &Statement) {
    match statement {
        Statement::Insert(insert) => dml::insert(walk, insert),
        Statement::Update(update) => dml::update(walk, update),
        Statement::Delete(delete) => dml::delete(walk, delete),
        Statement::Merge(merge) => match &merge.table {
            TableFactor::Table { name, .. } => changed(walk, name, ChangeKind::Any),
            _ => walk.facts.writes_everything("MERGE into something that is no table"),
        },
        Statement::Truncate(truncate) => note_truncate(walk, truncate),
        Statement::Copy { source: CopySource::Table { table_name, .. }, to, .. } => {
            walk.reads(table_name);
            if !to {
                copied(walk, table_name);
            }
        }
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. } => walk.facts.controls_transaction = true,
        Statement::Fetch { .. } => walk.facts.reads_unknown("a cursor's rows"),
        Statement::Call(_) => walk.facts.writes_everything("a procedure may write anything"),
        Statement::Execute { .. } => walk.facts.writes_everything("a prepared statement may write anything"),
        other => note_schema(walk, other),
    }
}

fn note_truncate(walk: &mut Walk, truncate: &Truncate) {
    if truncate.cascade.is_some() {
        walk.facts.writes_everything("TRUNCATE, which may CASCADE into tables that nobody declared");
    }
    for target in &truncate.table_names {
        whole(walk, &target.name, "truncated");
    }
}

fn note_schema(walk: &mut Walk, statement: &Statement) {
    match statement {
        Statement::CreateTable(table) => whole(walk, &table.name, "created"),
        Statement::CreateView(view) => whole(walk, &view.name, "created"),
        Statement::CreateVirtualTable { name, .. } => whole(walk, name, "created"),
        Statement::AlterView { name, .. } => whole(walk, name, "altered"),
        Statement::AlterTable(alter) => {
            whole(walk, &alter.name, "altered");
            for operation in &alter.operations {
                if let AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::As(name) | RenameTableNameKind::To(name),
                } = operation
                {
                    whole(walk, name, "renamed");
                }
            }
        }
        Statement::RenameTable(renames) => {
            for rename in renames {
                whole(walk, &rename.old_name, "renamed");
                whole(walk, &rename.new_name, "renamed");
            }
        }
        Statement::Drop {
            object_type: ObjectType::Table | ObjectType::View | ObjectType::MaterializedView,
            names,
            ..
        } => {
            for name in names {
                whole(walk, name, "dropped");
            }
        }
        Statement::Drop { object_type: ObjectType::Index, .. } => {}
        other if is_harmless(other) => {}
        _ => walk.facts.writes_everything("a schema statement whose reach is not known"),
    }
}

/// Statements that change no row of any table, and nothing about what a query returns.
fn is_harmless(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Query(_)
            | Statement::Analyze(_)
            | Statement::Set(_)
            | Statement::Copy { .. }
            | Statement::Close { .. }
            | Statement::Declare { .. }
            | Statement::CreateIndex(_)
            | Statement::AlterIndex { .. }
            | Statement::CreateRole(_)
            | Statement::AlterRole { .. }
            | Statement::CreateUser(_)
            | Statement::AlterUser(_)
            | Statement::CreateServer(_)
            | Statement::CreateExtension(_)
            | Statement::CreateSchema { .. }
            | Statement::CreateDatabase { .. }
            | Statement::CreateFunction(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateTrigger(_)
            | Statement::DropTrigger(_)
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateType { .. }
            | Statement::AttachDatabase { .. }
            | Statement::Flush { .. }
            | Statement::Discard { .. }
            | Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowProcessList { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowCharset(_)
            | Statement::ShowTables { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowCollation { .. }
            | Statement::Use(_)
            | Statement::Comment { .. }
            | Statement::Grant(_)
            | Statement::Revoke(_)
            | Statement::Deallocate { .. }
            | Statement::Prepare { .. }
            | Statement::Kill { .. }
            | Statement::ExplainTable { .. }
            | Statement::Explain { .. }
            | Statement::Pragma { .. }
            | Statement::Lock(_)
            | Statement::LockTables { .. }
            | Statement::UnlockTables
            | Statement::OptimizeTable { .. }
            | Statement::LISTEN { .. }
            | Statement::UNLISTEN { .. }
            | Statement::NOTIFY { .. }
            | Statement::Vacuum(_)
            | Statement::Reset(_)
    )
}

/// The name of a written table; `None` makes everything stale.
pub(super) fn target(walk: &mut Walk, name: &ObjectName) -> Option<String> {
    let table = table_of(name);
    if table.is_none() {
        walk.facts.writes_everything("the written table's name cannot be read");
    }
    table
}

/// Rows of the table change, nobody knows which.
pub(super) fn changed(walk: &mut Walk, name: &ObjectName, kind: ChangeKind) {
    if let Some(table) = target(walk, name) {
        walk.facts.writes.push(Write::Change(Change { table, matching: predicate::anything(), kind }));
    }
}

fn copied(walk: &mut Walk, name: &ObjectName) {
    if let Some(table) = target(walk, name) {
        let insert = Insert { table, columns: Vec::new(), rows: None, on_existing: OnExisting::Keep };
        walk.facts.writes.push(Write::Insert(insert));
    }
}

fn whole(walk: &mut Walk, name: &ObjectName, why: &'static str) {
    if let Some(table) = target(walk, name) {
        walk.facts.writes.push(Write::Whole { table, why });
    }
}
