//! What an SQL text reads and writes, and by which tags.
//!
//! A text is read once: [`analyze`] gives facts without values, kept by text. Bound values and the registry of entities then make
//! tags of them. Precision may be lost on the way, and is whenever a text cannot be followed; a dependency may not.
//!
//! Beyond what a text shows, and therefore not covered: triggers and rules; functions of the application's own in a `SELECT` that write
//! (a [warning](Analysis::warning) names them; `CALL`, `DO` and `EXECUTE` count as writing everything); writes through a view or to
//! a partition that was not [declared](super::registry::register_view); foreign-key actions that no entity declares;
//! generated index columns; `ON CONFLICT` clauses in a table's own definition (SQLite); collations that take different ASCII letters for
//! equal; values that MySQL bends outside its strict mode; MySQL's `NO_BACKSLASH_ESCAPES` mode.

mod dml;
mod effects;
mod explicit;
mod facts;
mod functions;
mod lex;
mod memo;
mod parse;
mod predicate;
mod preimage;
mod reads;
mod resolve;
mod stale;
mod statements;
mod walk;
mod writes;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::orm) use tests::entities as test_entities;

use sea_orm::DbBackend;

pub(crate) use explicit::{index_written, row_written, table_written};
use facts::Facts;
pub(crate) use memo::analyze;
pub(crate) use preimage::Preimage;
pub use stale::StaleTag;
#[cfg(test)]
pub(crate) use writes::WriteTags;

/// The most rows, and the most index values, of one table that a statement's tags tell apart.
pub(crate) const ROWS_MAX: usize = 64;

/// What one SQL text reads and writes.
#[derive(Debug)]
pub(crate) struct Analysis {
    backend: DbBackend,
    facts: Facts,
    warning: Option<memo::Warning>,
}

impl Analysis {
    /// Whether the text writes, as far as it shows.
    pub(crate) fn is_write(&self) -> bool {
        self.facts.everything.is_some() || !self.facts.writes.is_empty()
    }

    /// A table that the text names, for people to read.
    pub(crate) fn a_table(&self) -> Option<&str> {
        self.facts.tables.first().map(String::as_str)
    }

    /// Whether the text itself begins or ends a transaction or a savepoint, which nobody can follow: writes between
    /// such texts count as committed one by one.
    #[cfg(test)]
    pub(crate) fn controls_transaction(&self) -> bool {
        self.facts.controls_transaction
    }

    /// Something about the text that a person should know; said once for each text.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.warning.as_ref().and_then(memo::Warning::first)
    }
}
