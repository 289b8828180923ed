//! Tells errors of the data from errors of the database.

use std::error::Error as StdError;

use sea_orm::DbErr;

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

/// SQLSTATE is in the text of MySQL's errors, SQLite's codes are in the text of its own, PostgreSQL's SQLSTATE is in the debug form: sqlx's types
/// are visible only with a driver switched on, which this crate leaves to its user.
pub(super) fn fault(error: &DbErr) -> Fault {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return Fault::Passing,
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => return Fault::Data,
        _ => {}
    }
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if let Some(answer) = text.strip_prefix("error returned from database: ") {
            return judge(answer, &format!("{inner:?}"));
        }
        if text.starts_with("error occurred while encoding a value") {
            return Fault::Data;
        }
        cause = inner.source();
    }
    Fault::Passing
}

fn judge(answer: &str, debug: &str) -> Fault {
    if let Some(code) = sqlite_code(answer) {
        // The lowest byte of an extended code is the primary one.
        return if SQLITE_DATA_CODES.contains(&(code & 0xff)) { Fault::Data } else { Fault::Passing };
    }
    let (number, state) = match mysql_codes(answer) {
        Some((number, state)) => (Some(number), Some(state)),
        None => (None, postgres_state(debug)),
    };
    if number.is_some_and(|number| MYSQL_DATA_CODES.contains(&number)) {
        return Fault::Data;
    }
    match state.and_then(|state| state.get(..2)) {
        Some(class) if DATA_CLASSES.contains(&class) => Fault::Data,
        Some(class) if PASSING_CLASSES.contains(&class) => Fault::Passing,
        // Too many connections, shutdown, lock wait timeout, read-only, disk full ..
        Some("HY") => Fault::Passing,
        _ => Fault::Unknown,
    }
}

/// `(code: 1555) UNIQUE constraint failed: ..`
fn sqlite_code(answer: &str) -> Option<u32> {
    answer.strip_prefix("(code: ")?.split(')').next()?.parse().ok()
}

/// `1062 (23000): Duplicate entry ..`
fn mysql_codes(answer: &str) -> Option<(u32, &str)> {
    let (number, rest) = answer.split_once(" (")?;
    let (state, _) = rest.split_once(')')?;
    let number = number.parse().ok()?;
    (state.len() == 5).then_some((number, state))
}

/// `.. code: "23505", ..`
fn postgres_state(debug: &str) -> Option<&str> {
    let (_, rest) = debug.split_once("code: \"")?;
    rest.split('"').next().filter(|state| state.len() == 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_databases_way_of_saying_it_is_understood() {
        let postgres =
            |code: &str| judge("whatever", &format!("PgDatabaseError {{ severity: Error, code: \"{code}\", .. }}"));
        for (found, expected) in [
            (postgres("23505"), Fault::Data),
            (postgres("22003"), Fault::Data),
            (postgres("P0001"), Fault::Data),
            (postgres("40P01"), Fault::Passing),
            (postgres("57P01"), Fault::Passing),
            (postgres("42P01"), Fault::Passing),
            (postgres("XX000"), Fault::Unknown),
            (judge("1062 (23000): Duplicate entry '7' for key 'PRIMARY'", ""), Fault::Data),
            (judge("1264 (22003): Out of range value for column 'n' at row 1", ""), Fault::Data),
            (judge("1366 (HY000): Incorrect integer value", ""), Fault::Data),
            (judge("1213 (40001): Deadlock found when trying to get lock", ""), Fault::Passing),
            (judge("1205 (HY000): Lock wait timeout exceeded", ""), Fault::Passing),
            (judge("1146 (42S02): Table 'x.y' doesn't exist", ""), Fault::Passing),
            (judge("(code: 1555) UNIQUE constraint failed: t.id", ""), Fault::Data),
            (judge("(code: 5) database is locked", ""), Fault::Passing),
            (judge("(code: 1) no such table: t", ""), Fault::Passing),
        ] {
            assert_eq!(found, expected);
        }
    }
}
