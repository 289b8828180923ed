//! Texts that are hard to read.

use super::*;

const MY: DbBackend = DbBackend::MySql;
const PG: DbBackend = DbBackend::Postgres;
const LITE: DbBackend = DbBackend::Sqlite;

#[track_caller]
fn one(backend: DbBackend, sql: &str, expected: &str) {
    assert_tags(&written(backend, sql, &[]), expected, &format!("{backend:?}: {sql}"));
}

#[test]
fn what_nobody_can_read_makes_everything_stale() {
    for backend in BACKENDS {
        one(backend, "FROBNICATE post", "*");
        one(backend, "UPDATE", "*");
        one(backend, "UPDATE post SET title = 'unfinished", "*");
        one(backend, "DELETE FROM post WHERE id = 7 FROBNICATE", "*");
        one(backend, "SELECT 1; FROBNICATE post", "*");
        one(backend, "CALL close_account(7)", "*");
    }
    one(PG, "DO $$ BEGIN DELETE FROM post; END $$", "*");
    one(PG, "EXECUTE prepared(1)", "*");
    one(PG, "SELECT * INTO fresh FROM post", "*");
    one(PG, "REFRESH MATERIALIZED VIEW totals", "*");
    one(MY, "LOAD DATA INFILE 'x' REPLACE INTO TABLE post", "*");
    one(MY, "SELECT 1 /*M! ; DELETE FROM post */", "*");
}

#[test]
fn an_unreadable_select_is_an_opaque_read() {
    for backend in BACKENDS {
        let sql = "SELECT * FROM post FROBNICATE ALL THE (THINGS)";
        assert_eq!((written(backend, sql, &[]), read(backend, sql, &[])), (vec!["none".into()], vec!["opaque".into()]));
        let hidden = "SELECT FROBNICATE (ALL; DELETE FROM post";
        one(backend, hidden, "*");
    }
}

#[test]
fn an_unreadable_insert_names_its_table() {
    for target in
        ["(lower(title)) DO NOTHING", "(id) WHERE author_id > 3 DO UPDATE SET title = 'x'", "(id, (1 + 1)) DO NOTHING"]
    {
        let sql = format!(r#"INSERT INTO "public"."tagging" (post_id, tag) VALUES (1, 'x') ON CONFLICT {target}"#);
        let found = written(PG, &sql, &[]);
        assert!(found == ["tagging", "tagging:*"] || found == ["tagging", "tagging:1,x"], "{sql}: {found:?}");
    }
    one(PG, "INSERT INTO tagging WITH x AS (DELETE FROM post FROBNICATE THE THING) SELECT 1", "*");
    one(PG, "INSERT INTO tagging SELECT FROBNICATE (ALL; DELETE FROM post", "*");
    one(MY, "INSERT DELAYED INTO shop.tagging FROBNICATE THE THING", "tagging tagging:*");
}

#[test]
fn a_key_given_and_then_overridden_is_not_known() {
    let found = written(PG, "INSERT INTO post (id, author_id) OVERRIDING USER VALUE VALUES (7, 3)", &[]);
    assert!(found.contains(&"post:*".to_owned()) || found.contains(&"post:+".to_owned()), "{found:?}");
    assert_tags(&read(MY, "SELECT 1 FROM DUAL", &[]), "", "no table");
}

#[test]
fn mariadb_returns_what_it_writes() {
    one(MY, "INSERT INTO `tagging` (`post_id`, `tag`) VALUES (1, 'x') RETURNING `post_id`", "tagging tagging:1,x");
    one(MY, "DELETE FROM `tagging` WHERE `post_id` = 1 AND `tag` = 'x' RETURNING *", "tagging tagging:1,x");
}

#[test]
fn every_statement_of_a_text_counts() {
    for backend in BACKENDS {
        one(
            backend,
            "DELETE FROM profile WHERE user_id = 1; DELETE FROM tagging",
            "profile profile:1 tagging tagging:*",
        );
        one(backend, "SELECT 1; DELETE FROM tagging;", "tagging tagging:*");
        one(backend, " ; ", "none");
        one(backend, "-- nothing", "none");
    }
    let list = [Value::from(1), 2.into(), "x".into()];
    let sql = "DELETE FROM profile WHERE user_id = ?; DELETE FROM tagging WHERE post_id = ? AND tag = ?";
    assert_tags(&written(LITE, sql, &list), "profile profile:1 tagging tagging:2,x", "parameters count on");
}

#[test]
fn modifiers_are_not_tables() {
    for modifier in ["LOW_PRIORITY", "IGNORE", "LOW_PRIORITY IGNORE"] {
        one(
            MY,
            &format!("UPDATE {modifier} tagging SET weight = 1 WHERE post_id = 1 AND tag = 'x'"),
            "tagging tagging:1,x",
        );
    }
    one(MY, "DELETE LOW_PRIORITY QUICK IGNORE FROM tagging WHERE post_id = 1 AND tag = 'x'", "tagging tagging:1,x");
    one(MY, "UPDATE IGNORE tagging SET tag = 'y' WHERE post_id = 1 AND tag = 'x'", "tagging tagging:*");
    one(PG, "UPDATE ONLY tagging SET weight = 1 WHERE post_id = 1 AND tag = 'x'", "tagging tagging:1,x");
    one(PG, "DELETE FROM ONLY tagging", "tagging tagging:*");
    one(PG, "TRUNCATE TABLE ONLY tagging", "tagging tagging:*");
    assert_tags(&read(PG, "SELECT * FROM ONLY post FETCH FIRST 3 ROWS ONLY", &[]), "post", "ONLY");
    assert_tags(&read(PG, "SELECT * FROM log, ONLY post", &[]), "log post", "ONLY after a comma");
}

#[test]
fn names_are_compared_without_quotes_schema_and_case() {
    for (backend, sql) in [
        (PG, r#"DELETE FROM "public"."Tagging" WHERE "Post_ID" = 1 AND "tag" = 'x'"#),
        (LITE, "DELETE FROM main.[TAGGING] WHERE [post_id] = 1 AND `tag` = 'x'"),
        (MY, "DELETE FROM `shop`.`tagging` WHERE `tagging`.`post_id` = 1 AND TAG = 'x'"),
        (PG, "DELETE FROM TAGGING AS t WHERE t.post_id = 1 AND T.tag = 'x'"),
    ] {
        one(backend, sql, "tagging tagging:1,x");
    }
    one(PG, r#"DELETE FROM "odd""name""#, "odd\"name odd\"name:*");
}

#[test]
fn a_string_with_an_escape_is_not_precise() {
    one(MY, r"DELETE FROM tagging WHERE post_id = 1 AND tag = '\x'", "tagging tagging:*");
    one(PG, r"DELETE FROM tagging WHERE post_id = 1 AND tag = E'x'", "tagging tagging:*");
    one(MY, r#"DELETE FROM tagging WHERE post_id = 1 AND tag = "x""#, "tagging tagging:*");
    one(LITE, r#"DELETE FROM tagging WHERE post_id = 1 AND tag = "x""#, "tagging tagging:*");
    one(PG, "DELETE FROM tagging WHERE post_id = 1 AND tag = CAST('x' AS text)", "tagging tagging:*");
}

#[test]
fn conditions_that_only_look_like_equality_say_nothing() {
    for backend in BACKENDS {
        for condition in [
            "user_id = 7 IS FALSE",
            "NOT (user_id = 7)",
            "(user_id = 7) = (text = 'x')",
            "user_id = 7 OR text = 'x'",
            "user_id = user_id",
            "user_id = 7 + 1",
            "user_id = (SELECT 7)",
            "COALESCE(user_id, 0) = 7",
            "user_id = 7 XOR text = 'x'",
            "user_id IN (7, text)",
            "user_id NOT IN (7)",
            "user_id BETWEEN 7 AND 7",
            "CASE WHEN user_id = 7 THEN 1 ELSE 1 END",
        ] {
            let sql = format!("DELETE FROM profile WHERE {condition}");
            let found = written(backend, &sql, &[]);
            assert!(found == ["profile", "profile:*"] || found == ["*"], "{backend:?}: {sql}: {found:?}");
        }
    }
    // MySQL's `||` is OR, another's is concatenation.
    one(MY, "DELETE FROM profile WHERE user_id = 7 || text = 'x'", "profile profile:*");
}

#[test]
fn explaining_is_not_doing() {
    for backend in BACKENDS {
        one(backend, "EXPLAIN DELETE FROM tagging", "none");
    }
    one(PG, "EXPLAIN ANALYZE DELETE FROM tagging", "tagging tagging:*");
    one(PG, "EXPLAIN (ANALYZE, BUFFERS) DELETE FROM tagging", "tagging tagging:*");
}

#[test]
fn mariadb_runs_what_it_analyzes() {
    for options in ["", "FORMAT=JSON "] {
        for sql in [
            "DELETE FROM tagging",
            "UPDATE tagging SET weight = 1",
            "UPDATE IGNORE tagging SET weight = 1 WHERE post_id = 1",
            "INSERT INTO tagging SELECT 1, 'x', 2",
            "REPLACE INTO tagging VALUES (1, 'x', 2)",
            "WITH x AS (SELECT 1) DELETE FROM tagging",
        ] {
            let sql = format!("ANALYZE {options}{sql}");
            let found = written(MY, &sql, &[]);
            assert!(found == ["*"] || found.contains(&"tagging:*".to_owned()), "{sql}: {found:?}");
        }
        one(MY, &format!("ANALYZE {options}SELECT * FROM tagging"), "none");
    }
    one(MY, "SET STATEMENT max_statement_time = 1 FOR DELETE FROM tagging", "*");
}

#[test]
fn harmless_statements_write_nothing() {
    for sql in [
        "SET search_path TO app",
        "SHOW server_version",
        "LOCK TABLE post IN SHARE MODE",
        "VACUUM",
        "ANALYZE post",
        "LISTEN x",
        "CREATE EXTENSION IF NOT EXISTS citext",
        "CREATE TYPE mood AS ENUM ('sad', 'ok')",
        "COMMENT ON TABLE post IS 'x'",
        "CREATE SCHEMA IF NOT EXISTS app",
        "GRANT SELECT ON post TO someone",
        "COPY post TO STDOUT",
    ] {
        one(PG, sql, "none");
    }
    for sql in
        ["SET NAMES utf8mb4", "SHOW TABLES", "LOCK TABLES post READ", "UNLOCK TABLES", "USE shop", "ANALYZE TABLE post"]
    {
        one(MY, sql, "none");
    }
    for sql in ["PRAGMA foreign_keys = ON", "PRAGMA table_info(post)", "VACUUM", "ATTACH DATABASE 'x' AS y", "ANALYZE"]
    {
        one(LITE, sql, "none");
    }
}

#[test]
fn transaction_control_by_text_is_noticed() {
    for (backend, sql) in [
        (PG, "BEGIN"),
        (PG, "COMMIT"),
        (PG, "ROLLBACK"),
        (PG, "SAVEPOINT a"),
        (PG, "RELEASE SAVEPOINT a"),
        (LITE, "BEGIN IMMEDIATE"),
        (LITE, "END"),
        (MY, "START TRANSACTION"),
        (MY, "ROLLBACK TO SAVEPOINT a"),
        (PG, "BEGIN ISOLATION LEVEL SERIALIZABLE"),
    ] {
        let analysis = analyze(backend, sql);
        assert!(analysis.controls_transaction() && !analysis.is_write(), "{backend:?}: {sql}");
    }
    let mixed = analyze(PG, "BEGIN; DELETE FROM tagging; COMMIT");
    assert!(mixed.controls_transaction() && mixed.is_write());
}

#[test]
fn a_long_chain_of_conditions_does_not_overflow_the_stack() {
    for backend in BACKENDS {
        for joint in ["OR", "AND"] {
            let chain = vec!["user_id = 7"; 4_000].join(&format!(" {joint} "));
            one(
                backend,
                &format!("DELETE FROM profile WHERE {chain}"),
                if joint == "OR" { "profile profile:*" } else { "profile profile:7" },
            );
            let longer = vec!["user_id = 7"; 10_000].join(&format!(" {joint} "));
            one(backend, &format!("DELETE FROM profile WHERE {longer}"), "*");
        }
        let union = vec!["SELECT 1"; 3_000].join(" UNION ALL ");
        one(backend, &union, "none");
        let sum = vec!["1"; 5_000].join(" + ");
        one(backend, &format!("DELETE FROM profile WHERE user_id = {sum}"), "profile profile:*");
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    for backend in BACKENDS {
        for depth in [30, 10_000] {
            for (open, close) in
                [("(", ")"), ("NOT (", ")"), ("- ", ""), ("NOT ", ""), ("ABS(", ")"), ("EXISTS (SELECT ", ")")]
            {
                let sql = format!("DELETE FROM profile WHERE {}1{}", open.repeat(depth), close.repeat(depth));
                let found = written(backend, &sql, &[]);
                assert!(found == ["profile", "profile:*"] || found == ["*"], "{backend:?} {open} {depth}: {found:?}");
            }
        }
        one(backend, &format!("SELECT {}1{}", "(SELECT ".repeat(10_000), ")".repeat(10_000)), "none");
    }
}

#[test]
fn a_large_insert_is_read_in_a_small_stack() {
    let rows = vec!["(DEFAULT, ?, CAST(? AS text))"; 5_000].join(", ");
    let sql = format!("INSERT INTO post (id, author_id, title) VALUES {rows}");
    let found = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || written(LITE, &sql, &[]))
        .expect("spawned")
        .join()
        .expect("finished");
    assert_tags(&found, "post post:+ post.*", "large insert");
}

#[test]
fn a_warning_is_said_once_for_each_text() {
    let sql = "FROBNICATE THIS ONCE";
    assert!(analyze(PG, sql).warning().is_some_and(|text| text.contains("FROBNICATE")));
    assert_eq!(analyze(PG, sql).warning(), None);
    let function = "SELECT purge_everything()";
    assert!(!analyze(PG, function).is_write(), "documented: what such a function writes makes nothing stale");
    assert!(analyze(PG, function).warning().is_some_and(|text| text.contains("purge_everything")));
    assert_eq!(analyze(PG, "SELECT count(*) FROM post").warning(), None);
}

#[test]
fn every_tag_is_explained() {
    let explained = analyze(PG, r#"DELETE FROM "user" WHERE id = 7"#).explain_with(&registry(), None);
    let reason = |tag: &str| explained.iter().find(|stale| stale.tag.as_str() == tag).map(|stale| stale.reason);
    assert_eq!(reason("user:7"), Some("this row is written"));
    assert_eq!(reason("post:*"), Some("a foreign key's action may change its rows"));
    assert_eq!(reason("profile:7"), Some("this row is written"));
    assert!(explained.iter().all(|stale| !stale.reason.is_empty()));
}
