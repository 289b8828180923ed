//! Recognises statements that end a transaction, or that no transaction can hold.

use sea_orm::DbBackend;

/// What a text of statements does to the transaction around it. Found by the first word of each statement, without
/// regard to quotes: a semicolon inside a string may make a text look like more than it is, never like less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// It may commit what was written before it: `COMMIT`, or one of the statements before which MySQL commits.
    pub(super) commits: bool,
    /// It begins a transaction itself.
    pub(super) begins: bool,
    /// It ends a transaction that an earlier statement began, so that nobody knows what becomes visible.
    pub(super) ends_foreign_transaction: bool,
    /// It is one statement that writes rows, and may run inside a transaction.
    pub(super) is_transactional: bool,
    /// It undoes nothing that was written before: no part of it rolls back, as far as its words are known.
    pub(super) keeps_rows: bool,
}

impl Control {
    pub(super) fn of(backend: DbBackend, sql: &str) -> Self {
        let mut control = Self::default();
        if is_one_select(sql) {
            control.keeps_rows = true;
            return control;
        }
        control.keeps_rows = true;
        let mut ends = false;
        let mut statements = 0;
        let mut rows_only = true;
        for statement in sql.split(';') {
            let Some(first) = first_word(statement) else { continue };
            statements += 1;
            let is = |words: &[&str]| words.iter().any(|word| first.eq_ignore_ascii_case(word));
            control.begins |= is(&["begin", "start"]);
            ends |= is(&["commit", "end"]) || (is(&["prepare"]) && mentions_transaction(statement));
            control.commits |= backend == DbBackend::MySql && is(&MYSQL_COMMITS);
            rows_only &= is(&ROWS);
            control.keeps_rows &= is(&ROWS) || is(&["select", "savepoint", "release", "values", "table"]);
        }
        control.commits |= ends;
        control.ends_foreign_transaction = ends && !control.begins;
        control.is_transactional = statements == 1 && rows_only;
        control
    }
}

/// By far the most frequent text, told apart without splitting it.
fn is_one_select(sql: &str) -> bool {
    sql.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("select ")) && !sql.contains(';')
}

const ROWS: [&str; 6] = ["insert", "update", "delete", "replace", "merge", "with"];

/// <https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html>; `/*!` is a comment that MySQL executes.
const MYSQL_COMMITS: [&str; 23] = [
    "alter", "analyze", "begin", "cache", "change", "check", "create", "drop", "flush", "grant", "install", "load",
    "lock", "optimize", "rename", "repair", "reset", "revoke", "set", "start", "stop", "truncate", "/*!",
];

/// The first word of a statement, comments left out. `None` if there is nothing but comments.
fn first_word(statement: &str) -> Option<&str> {
    let mut rest = statement;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        if rest.starts_with("/*!") {
            return rest.get(..3);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/")?.1;
        } else if let Some(comment) = rest.strip_prefix("--").or_else(|| rest.strip_prefix('#')) {
            rest = comment.split_once('\n')?.1;
        } else {
            break;
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.get(..end).filter(|word| !word.is_empty())
}

/// `PREPARE TRANSACTION` of PostgreSQL, which leaves the outcome to another session.
fn mentions_transaction(statement: &str) -> bool {
    statement.split_whitespace().nth(1).is_some_and(|word| word.eq_ignore_ascii_case("transaction"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(backend: DbBackend, sql: &str) -> Control {
        Control::of(backend, sql)
    }

    #[test]
    fn rows_may_be_written_in_a_transaction_and_schemas_may_not() {
        assert!(of(DbBackend::Postgres, "INSERT INTO t VALUES (1)").is_transactional);
        assert!(of(DbBackend::Postgres, "-- note\n/* x */ update t set a = 1;").is_transactional);
        assert!(!of(DbBackend::Postgres, "CREATE INDEX CONCURRENTLY i ON t (a)").is_transactional);
        assert!(!of(DbBackend::Postgres, "UPDATE t SET a = 1; UPDATE t SET a = 2").is_transactional);
    }

    #[test]
    fn a_commit_is_seen_wherever_it_stands() {
        assert!(of(DbBackend::Sqlite, "commit").commits);
        assert!(of(DbBackend::Sqlite, "UPDATE t SET a = 1; COMMIT").commits);
        assert!(of(DbBackend::Postgres, "PREPARE TRANSACTION 'a'").commits);
        assert!(!of(DbBackend::Postgres, "PREPARE a AS SELECT 1").commits);
        assert!(!of(DbBackend::Postgres, "SAVEPOINT a").commits);
    }

    #[test]
    fn mysql_commits_before_a_change_of_the_schema() {
        assert!(of(DbBackend::MySql, "ALTER TABLE t ADD a INT").commits);
        assert!(of(DbBackend::MySql, "/*!40000 ALTER TABLE t DISABLE KEYS */").commits);
        assert!(!of(DbBackend::Postgres, "ALTER TABLE t ADD a INT").commits);
    }

    #[test]
    fn a_commit_without_its_begin_ends_what_others_began() {
        for backend in [DbBackend::MySql, DbBackend::Postgres, DbBackend::Sqlite] {
            for (sql, foreign) in
                [("COMMIT", true), ("BEGIN; UPDATE t SET a = 1; COMMIT", false), ("ALTER TABLE t ADD a INT", false)]
            {
                assert_eq!(of(backend, sql).ends_foreign_transaction, foreign, "{backend:?}: {sql}");
            }
        }
    }
}
