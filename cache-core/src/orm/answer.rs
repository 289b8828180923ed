//! What a database has answered with, when it refuses.

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr, SqlxError, sqlx::error::DatabaseError};

/// An error that the database itself reports, so that it is done with the statement.
pub(crate) struct Answer<'a>(&'a dyn DatabaseError);

impl<'a> Answer<'a> {
    /// The answer in an error; none if the statement, or its answer, did not arrive.
    pub(crate) fn of(error: &'a DbErr) -> Option<Self> {
        let (DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
        else {
            return None;
        };
        match cause.as_ref() {
            SqlxError::Database(answer) => Some(Self(answer.as_ref())),
            _ => None,
        }
    }

    /// A SQLSTATE of five characters, or SQLite's number, which has fewer.
    pub(crate) fn code(&self) -> Option<Cow<'a, str>> {
        self.0.code()
    }

    /// MySQL's number: `1366 (HY000): ..`. It is in a type that exists only with the driver for MySQL, and in its text.
    pub(crate) fn mysql_number(&self) -> Option<u32> {
        self.0.to_string().split_once(' ')?.0.parse().ok()
    }
}
