//! A look at the rows that a statement is about to write.

use std::sync::Arc;

use sea_orm::{DbBackend, QueryResult, Statement, Value, Values};

use super::{
    Analysis, ROWS_MAX,
    effects::{Image, Writer},
    facts::{Change, ChangeKind, LookSource, Piece, Write},
    resolve::{add_new, bound, keys},
    writes::untagged,
};
use crate::{
    orm::{
        registry::{ColumnInfo, EntityInfo, Registry},
        values::{self, Canonical, ColumnClass},
    },
    tag::Tag,
};

/// A `SELECT` of the keys and index values of the rows that an `UPDATE` or `DELETE` is about to write.
///
/// It has to run in the same transaction, right before the write, and its rows count only if the write reports as many
/// rows affected: the rows found are locked, so that equal numbers mean the very same rows.
#[derive(Clone, Debug)]
pub(crate) struct Preimage {
    statement: Statement,
    columns: Vec<ColumnInfo>,
    info: Arc<EntityInfo>,
    registry: Arc<Registry>,
    change: Change,
    values: Option<Values>,
    coarse: Vec<Tag>,
    /// Where the rows that the write itself returns show the same columns.
    told: Option<Vec<usize>>,
}

/// The canonical values of one row, in the order of the columns asked for.
pub(super) type StoredRow = Vec<Canonical>;

impl Preimage {
    /// The statement to run. It returns at most one row more than [`tags`](Preimage::tags) can tell apart.
    pub(crate) fn statement(&self) -> Statement {
        self.statement.clone()
    }

    /// The table written, in lower case.
    pub(crate) fn table(&self) -> &str {
        &self.info.table
    }

    /// What the write makes stale whatever the rows.
    pub(crate) fn always(&self) -> Vec<Tag> {
        vec![Tag::table(&self.info.table)]
    }

    /// What the write makes stale if these are the rows that it writes.
    pub(crate) fn tags(&self, rows: &[QueryResult]) -> Vec<Tag> {
        let rows: Option<Vec<_>> = rows.iter().map(|row| self.stored(row)).collect();
        rows.map_or_else(|| self.coarse(), |rows| self.tags_of(&rows))
    }

    /// Whether the write itself returns what a look would show: the keys and index values of every row it writes, as they were before and
    /// are after, since it assigns none of them.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// What the write makes stale if these are the rows that it has returned.
    pub(crate) fn tags_told(&self, rows: &[QueryResult]) -> Vec<Tag> {
        let Some(places) = &self.told else { return self.coarse() };
        let stored = |row: &QueryResult| {
            places.iter().zip(&self.columns).map(|(at, column)| whole_number(row, *at, column.class)).collect()
        };
        let rows: Option<Vec<StoredRow>> = rows.iter().map(stored).collect();
        rows.map_or_else(|| self.coarse(), |rows| self.tags_of(&rows))
    }

    /// What the write makes stale if the rows are not known.
    pub(crate) fn coarse(&self) -> Vec<Tag> {
        self.coarse.clone()
    }

    fn stored(&self, row: &QueryResult) -> Option<StoredRow> {
        let value = |(at, column): (usize, &ColumnInfo)| {
            let text: Option<String> = row.try_get_by_index(at).ok()?;
            Some(text.map_or(Canonical::Null, |text| values::of_stored(column.class, &text)))
        };
        self.columns.iter().enumerate().map(value).collect()
    }

    pub(super) fn tags_of(&self, rows: &[StoredRow]) -> Vec<Tag> {
        if rows.len() > ROWS_MAX {
            return self.coarse();
        }
        let cell = |row: &StoredRow, column: &ColumnInfo| {
            let at = self.columns.iter().position(|known| known.is(&column.name))?;
            row.get(at).cloned()
        };
        let key = |row| self.info.key.iter().map(|column| cell(row, column)?.exact()).collect::<Option<Vec<_>>>();
        let before = |column: &ColumnInfo| {
            let mut found = Vec::new();
            for row in rows {
                match cell(row, column)? {
                    Canonical::Exact(value) => add_new(&mut found, value),
                    Canonical::Null => {}
                    Canonical::Loose => return None,
                }
            }
            Some(found)
        };
        let mut writer = Writer::new(&self.registry, self.statement.db_backend);
        let image = Image { keys: rows.iter().map(key).collect(), before: &before };
        writer.changed(&self.info, &image, &self.change.kind, self.values.as_ref());
        untagged(writer.stale.into_tags())
    }
}

impl Analysis {
    /// A look that would make the statement's tags more precise.
    pub(super) fn preimage(
        &self,
        registry: &Arc<Registry>,
        values: Option<&Values>,
        coarse: &[Tag],
    ) -> Option<Preimage> {
        let source = self.facts.look.as_ref()?;
        let [Write::Change(change)] = self.facts.writes.as_slice() else { return None };
        let info = registry.entity(&change.table).filter(|info| info.precise && info.indexes_declared)?;
        if registry.is_view(&change.table) || matches!(change.kind, ChangeKind::Any) || self.facts.everything.is_some()
        {
            return None;
        }
        let mut columns = info.key.clone();
        let wanted = info.indexes.iter().chain(info.cascades.iter().map(|cascade| &cascade.from));
        let wanted: Vec<_> = wanted.collect();
        let known = keys(info, &change.matching, values).is_some()
            && wanted.iter().all(|column| bound(column, &change.matching, values).is_some());
        if known {
            return None;
        }
        for column in wanted {
            if !columns.iter().any(|known| known.is(&column.name)) {
                columns.push(column.clone());
            }
        }
        let told = told(&columns, &change.kind, &source.returning);
        Some(Preimage {
            told,
            statement: select(self.backend, &columns, source, values)?,
            columns,
            info: info.clone(),
            registry: registry.clone(),
            change: change.clone(),
            values: values.cloned(),
            coarse: coarse.to_vec(),
        })
    }
}

/// Where the statement's own `RETURNING` shows these columns as they were before it.
fn told(columns: &[ColumnInfo], kind: &ChangeKind, returning: &[Option<String>]) -> Option<Vec<usize>> {
    let place = |column: &ColumnInfo| {
        let is_assigned = match kind {
            ChangeKind::Delete => false,
            // An empty name is one that could not be read; the others are SQLite's for an integer key.
            ChangeKind::Update(set) => {
                set.iter().any(|(name, _)| column.is(name) || matches!(name.as_str(), "" | "rowid" | "oid" | "_rowid_"))
            }
            ChangeKind::Any => true,
        };
        // Only of whole numbers what the driver hands out is known to be what a look would ask for.
        let is_plain = matches!(column.class, ColumnClass::Int { .. });
        let at = returning.iter().position(|name| name.as_deref().is_some_and(|name| column.is(name)));
        at.filter(|_| is_plain && !is_assigned)
    };
    columns.iter().map(place).collect()
}

/// A column of the row, in whichever of its widths the driver hands it out.
fn whole_number(row: &QueryResult, at: usize, class: ColumnClass) -> Option<Canonical> {
    let value = (row.try_get_by_index::<Option<i64>>(at))
        .or_else(|_| row.try_get_by_index::<Option<i32>>(at).map(|value| value.map(i64::from)))
        .or_else(|_| row.try_get_by_index::<Option<i16>>(at).map(|value| value.map(i64::from)))
        .or_else(|_| row.try_get_by_index::<Option<u32>>(at).map(|value| value.map(i64::from)));
    Some(values::of_value(class, &Value::BigInt(value.ok()?)))
}

fn select(
    backend: DbBackend,
    columns: &[ColumnInfo],
    source: &LookSource,
    values: Option<&Values>,
) -> Option<Statement> {
    let columns: Vec<_> = columns.iter().map(|column| as_text(backend, column)).collect();
    let mut sql = format!("SELECT {} FROM {} WHERE", columns.join(", "), source.table);
    let mut used: Vec<Value> = Vec::new();
    for piece in &source.condition {
        match piece {
            Piece::Text(text) => sql.push_str(text),
            Piece::Param(at) => {
                used.push(values?.0.get(*at)?.clone());
                match backend {
                    DbBackend::Postgres => sql.push_str(&format!("${}", used.len())),
                    _ => sql.push('?'),
                }
            }
        }
    }
    sql.push_str(&format!(" LIMIT {}", ROWS_MAX + 1));
    // As strong as the write itself, and no stronger where that can be said: `FOR UPDATE` would stand in the way of inserts that refer
    // to the rows, which the write does not unless it changes keys (PostgreSQL, "Explicit Locking": row-level lock modes).
    sql.push_str(match backend {
        DbBackend::Postgres => " FOR NO KEY UPDATE",
        DbBackend::Sqlite => "",
        _ => " FOR UPDATE",
    });
    Some(Statement { sql, values: (!used.is_empty()).then_some(Values(used)), db_backend: backend })
}

/// An expression that gives the column's value as text, whatever its type is called in this database.
fn as_text(backend: DbBackend, column: &ColumnInfo) -> String {
    let quote = if backend == DbBackend::MySql { '`' } else { '"' };
    let name = column.name.replace(quote, &String::from_iter([quote, quote]));
    let name = format!("{quote}{name}{quote}");
    match (backend, column.class) {
        (DbBackend::Postgres, ColumnClass::Bool) => format!("CAST(CAST({name} AS integer) AS text)"),
        (DbBackend::Postgres, ColumnClass::Date) => format!("to_char({name}, 'YYYY-MM-DD')"),
        (DbBackend::MySql | DbBackend::Sqlite, ColumnClass::Uuid) => format!("HEX({name})"),
        (DbBackend::MySql, _) => format!("CAST({name} AS CHAR)"),
        _ => format!("CAST({name} AS text)"),
    }
}
