//! What an SQL text says, before its values are known.

use crate::orm::values::Literal;

/// Everything the analysis needs of one SQL text. Names are lower case, without quotes and schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Every table mentioned, once. Names of common table expressions are not among them.
    pub(super) tables: Vec<String>,
    /// Set if the whole text is one `SELECT` from one table without sub-selects.
    pub(super) point: Option<PointRead>,
    /// What the statements write, data-modifying common table expressions included.
    pub(super) writes: Vec<Write>,
    /// Where the rows about to be written can be looked at, for a text that is one simple `UPDATE` or `DELETE`.
    pub(super) look: Option<LookSource>,
    /// Why nothing can be said of what is written.
    pub(super) everything: Option<&'static str>,
    /// Why nothing can be said of what is read.
    pub(super) unknown_read: Option<&'static str>,
    /// Functions that are not known to be the database's own: they may read or write anything.
    pub(super) functions: Vec<String>,
    /// Whether the text begins or ends a transaction by itself.
    pub(super) controls_transaction: bool,
    /// Whether MySQL was told to bend values until they fit (`IGNORE`).
    pub(super) lenient: bool,
}

/// A `SELECT` of rows of one table.
#[derive(Clone, Debug)]
pub(super) struct PointRead {
    pub(super) table: String,
    pub(super) matching: Matching,
    /// Whether each row found is one row of the result.
    pub(super) plain: bool,
}

/// A value in an SQL text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// The bound value at this position, from 0.
    Param(usize),
    /// A constant.
    Literal(Literal),
    /// Computed by the database.
    Unknown,
}

/// Columns bound to values; all of them hold.
pub(super) type Conjunct = Vec<(String, Operand)>;

/// What is known of the rows that a condition lets through: each satisfies at least one of these. An empty conjunct says nothing.
pub(super) type Matching = Vec<Conjunct>;

/// One written table.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Insert(Insert),
    Change(Change),
    /// The table as a whole: truncated, created, altered, dropped.
    Whole {
        table: String,
        why: &'static str,
    },
}

/// New rows.
#[derive(Clone, Debug)]
pub(super) struct Insert {
    pub(super) table: String,
    /// Empty if the text names none.
    pub(super) columns: Vec<String>,
    /// Values in the order of `columns`; `None` if the text does not show them, or shows too many.
    pub(super) rows: Option<Vec<Vec<Operand>>>,
    pub(super) on_existing: OnExisting,
}

/// What happens to a row that stands in the way of a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OnExisting {
    /// It stays.
    Keep,
    /// It is deleted.
    Replace,
    /// It is changed.
    Update {
        /// The columns whose values collide; `None` if not said.
        target: Option<Vec<String>>,
        /// The columns changed; `None` if not known.
        set: Option<Vec<String>>,
    },
}

/// Changed or deleted rows.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) table: String,
    pub(super) matching: Matching,
    pub(super) kind: ChangeKind,
}

#[derive(Clone, Debug)]
pub(super) enum ChangeKind {
    Delete,
    /// New values by column.
    Update(Vec<(String, Operand)>),
    /// Rows are inserted, changed and deleted.
    Any,
}

/// The text of a simple statement's table and condition, to select the same rows by.
#[derive(Clone, Debug)]
pub(super) struct LookSource {
    pub(super) table: String,
    pub(super) condition: Vec<Piece>,
    /// The names of the columns that `RETURNING` shows of each row, in their order; `None` for what is more than a column.
    pub(super) returning: Vec<Option<String>>,
}

/// A piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The bound value at this position, from 0.
    Param(usize),
}

impl Facts {
    /// Facts of a text that nobody can read.
    pub(super) fn unreadable(why: &'static str) -> Self {
        Self { everything: Some(why), unknown_read: Some(why), ..Self::default() }
    }

    pub(super) fn add_table(&mut self, table: String) {
        if !self.tables.contains(&table) {
            self.tables.push(table);
        }
    }

    /// Keeps the first reason.
    pub(super) fn writes_everything(&mut self, why: &'static str) {
        self.everything.get_or_insert(why);
    }

    pub(super) fn reads_unknown(&mut self, why: &'static str) {
        self.unknown_read.get_or_insert(why);
    }
}
