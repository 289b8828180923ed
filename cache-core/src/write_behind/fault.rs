//! Tells errors of the data from errors of the database.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::orm::answer::Answer;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The row's: it will be refused every time.
    Data,
    /// The database's, the network's, the schema's: it may work later, and all rows are in the same position.
    Passing,
    /// The database has answered with an error that is not in the lists.
    Unknown,
}

/// SQLSTATE classes of errors in the data: cardinality violation, data exception, integrity constraint violation, check option
/// violation, program limit exceeded (PostgreSQL), signalled by the user (MySQL), PL/pgSQL error such as `RAISE`.
const DATA_CLASSES: [&str; 7] = ["21", "22", "23", "44", "54", "45", "P0"];

/// Classes of errors that have nothing to do with the data: connection, transaction state, authorisation, rollback (deadlock,
/// serialisation), syntax or missing objects and rights, resources, object not in the right state, intervention, system, configuration.
const PASSING_CLASSES: [&str; 15] =
    ["08", "0A", "25", "26", "28", "2D", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0"];

/// MySQL and MariaDB report many errors with the SQLSTATE `HY000`; of these, the ones about the data: null or no default, value
/// not valid or truncated, out of range, check constraint violated.
const MYSQL_DATA_CODES: [u32; 9] = [1048, 1265, 1292, 1364, 1366, 1411, 1526, 3819, 4025];

/// SQLite's primary result codes for errors in the data: too big, constraint, mismatch.
const SQLITE_DATA_CODES: [u32; 3] = [18, 19, 20];

/// By the code that the database has answered with.
pub(super) fn fault(error: &DbErr) -> Fault {
    match error {
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => return Fault::Data,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            if matches!(cause.as_ref(), SqlxError::Encode(_)) {
                return Fault::Data;
            }
        }
        _ => return Fault::Passing,
    }
    match Answer::of(error) {
        Some(answer) => answer.code().map_or(Fault::Unknown, |code| judge(&code, || answer.mysql_number())),
        None => Fault::Passing,
    }
}

/// `code` is a SQLSTATE of five characters, or SQLite's own number, which has fewer.
fn judge(code: &str, mysql_number: impl FnOnce() -> Option<u32>) -> Fault {
    if code.len() < 5 {
        // The lowest byte of an extended code is the primary one.
        let primary = code.parse().map(|code: u32| code & 0xff);
        return if primary.is_ok_and(|code| SQLITE_DATA_CODES.contains(&code)) { Fault::Data } else { Fault::Passing };
    }
    match code.get(..2) {
        Some(class) if DATA_CLASSES.contains(&class) => Fault::Data,
        Some(class) if PASSING_CLASSES.contains(&class) => Fault::Passing,
        // Too many connections, shutdown, lock wait timeout, read-only, disk full, and some about the data.
        Some("HY") if mysql_number().is_some_and(|number| MYSQL_DATA_CODES.contains(&number)) => Fault::Data,
        Some("HY") => Fault::Passing,
        _ => Fault::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_databases_way_of_saying_it_is_understood() {
        let plain = |code: &str| judge(code, || unreachable!("the code says it all"));
        let mysql = |code: &str, number| judge(code, || Some(number));
        for (found, expected) in [
            (plain("23505"), Fault::Data),
            (plain("22003"), Fault::Data),
            (plain("P0001"), Fault::Data),
            (plain("40P01"), Fault::Passing),
            (plain("57P01"), Fault::Passing),
            (plain("42P01"), Fault::Passing),
            (plain("XX000"), Fault::Unknown),
            (plain("23000"), Fault::Data),
            (plain("40001"), Fault::Passing),
            (plain("42S02"), Fault::Passing),
            (mysql("HY000", 1366), Fault::Data),
            (mysql("HY000", 1205), Fault::Passing),
            (plain("1555"), Fault::Data),
            (plain("787"), Fault::Data),
            (plain("5"), Fault::Passing),
            (plain("1"), Fault::Passing),
        ] {
            assert_eq!(found, expected);
        }
    }
}
