//! What reads depend on.

use super::*;

#[track_caller]
fn check(sql: &str, list: &[Value], expected: &str) {
    for backend in BACKENDS {
        // Parameters and quotes as the backend writes them.
        let mut text = sql.to_owned();
        if backend == DbBackend::Postgres {
            for at in 1..=list.len() {
                text = text.replacen('?', &format!("${at}"), 1);
            }
        }
        if backend == DbBackend::MySql {
            text = text.replace('"', "`");
        }
        assert_tags(&read(backend, &text, list), expected, &format!("{backend:?}: {text}"));
    }
}

#[test]
fn a_whole_key_names_the_row() {
    check(r#"SELECT * FROM "user" WHERE "id" = ?"#, &[7.into()], "user:7 user:* user:+");
    check(r#"SELECT * FROM "user" WHERE "user"."id" = ? LIMIT 1"#, &[7.into()], "user:7 user:* user:+");
    check(r#"SELECT u.name FROM "user" AS u WHERE u.id = ? AND u.city <> 'x'"#, &[7.into()], "user:7 user:* user:+");
    check(r#"SELECT * FROM "user" WHERE ? = id"#, &[7.into()], "user:7 user:* user:+");
    check(r#"SELECT * FROM "user" WHERE (id = 7)"#, &[], "user:7 user:* user:+");
    check(r#"SELECT * FROM "user" WHERE id IN (?, 8, ?)"#, &[7.into(), 9.into()], "user:7 user:8 user:9 user:* user:+");
    check(r#"SELECT * FROM "user" WHERE id = 7 OR id = 8 AND name = 'x'"#, &[], "user:7 user:8 user:* user:+");
    check(r#"SELECT COUNT(*) FROM "user" WHERE id = 7"#, &[], "user:7 user:* user:+");
    check(r#"SELECT * FROM public."user" WHERE id = 7"#, &[], "user:7 user:* user:+");
}

#[test]
fn a_composite_key_needs_every_column() {
    check(
        "SELECT * FROM tagging WHERE post_id = ? AND tag = ?",
        &[1.into(), "Rust".into()],
        "tagging:1,rust tagging:* tagging:+",
    );
    check(
        "SELECT * FROM tagging WHERE (post_id, tag) IN ((1, 'a'), (2, 'b'))",
        &[],
        "tagging:1,a tagging:2,b tagging:* tagging:+",
    );
    check(
        "SELECT * FROM tagging WHERE (post_id = 1 AND tag = 'a') OR (tag = 'b' AND post_id = 2)",
        &[],
        "tagging:1,a tagging:2,b tagging:* tagging:+",
    );
    check("SELECT * FROM tagging WHERE post_id = 1", &[], "tagging");
    check("SELECT * FROM tagging WHERE tag = 'a' OR post_id = 1 AND tag = 'b'", &[], "tagging");
}

#[test]
fn a_declared_index_names_the_value() {
    check("SELECT * FROM post WHERE author_id = ? ORDER BY id", &[3.into()], "post.author_id=3 post.* post:*");
    check(
        "SELECT * FROM post WHERE author_id IN (3, 4) AND title LIKE 'x'",
        &[],
        "post.author_id=3 post.author_id=4 post.* post:*",
    );
    check("SELECT * FROM post WHERE title = 'x'", &[], "post");
}

#[test]
fn everything_else_depends_on_the_tables() {
    check(r#"SELECT * FROM "user""#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE id > 7"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE NOT id = 7"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE id <> 7"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE id NOT IN (7)"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE id = 7 OR name = 'x'"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE id = id"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE id = 7 + 0"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE other.id = 7"#, &[], "user");
    check(r#"SELECT * FROM "user" u JOIN post p ON p.author_id = u.id WHERE u.id = 7"#, &[], "post user");
    check(r#"SELECT * FROM "user", post WHERE "user".id = 7"#, &[], "post user");
    check(r#"SELECT * FROM "user" WHERE id = 7 AND EXISTS (SELECT 1 FROM post)"#, &[], "post user");
    check(r#"SELECT (SELECT COUNT(*) FROM post) FROM "user" WHERE id = 7"#, &[], "post user");
    check(r#"SELECT * FROM "user" WHERE id = 7 UNION SELECT * FROM "user""#, &[], "user");
    check(r#"SELECT * FROM (SELECT * FROM "user" WHERE id = 7) AS x"#, &[], "user");
    check(r#"SELECT * FROM "user" ORDER BY (SELECT MAX(id) FROM post)"#, &[], "post user");
    check(r#"SELECT 1 LIMIT (SELECT COUNT(*) FROM post)"#, &[], "post");
    check(r#"SELECT 1"#, &[], "");
}

#[test]
fn a_value_that_is_not_precise_depends_on_the_table() {
    check(r#"SELECT * FROM "user" WHERE id = ?"#, &["07".into()], "user");
    check(r#"SELECT * FROM "user" WHERE id = ?"#, &[7.0_f64.into()], "user");
    check(r#"SELECT * FROM "user" WHERE id = ?"#, &[Value::Int(None)], "user");
    check(r#"SELECT * FROM "user" WHERE id IN (?, ?)"#, &[7.into(), "x".into()], "user");
    check(r#"SELECT * FROM "user" WHERE city = 'São Paulo'"#, &[], "user");
    check(r#"SELECT * FROM "user" WHERE city = 'it''s'"#, &[], "user");
    let unbound = analyze(DbBackend::Sqlite, r#"SELECT * FROM "user" WHERE id = ?"#).read_with(&registry(), None);
    assert_tags(&sorted(unbound.tags), "user", "a parameter without a value");
}

#[test]
fn many_rows_are_the_table() {
    let list: Vec<_> = (0..=64).map(|id| id.to_string()).collect();
    check(&format!(r#"SELECT * FROM "user" WHERE id IN ({})"#, list.join(", ")), &[], "user");
}

#[test]
fn common_tables_are_not_tables() {
    check(r#"WITH recent AS (SELECT * FROM post) SELECT * FROM recent"#, &[], "post");
    check(
        r#"WITH a AS (SELECT * FROM post), b AS (SELECT * FROM a) SELECT * FROM b JOIN "user" ON 1 = 1"#,
        &[],
        "post user",
    );
    check(
        "WITH RECURSIVE up AS (SELECT * FROM post UNION ALL SELECT p.* FROM post p JOIN up ON up.id = p.id) SELECT * FROM up",
        &[],
        "post",
    );
    // The inner `post` is the table, the outer one is not.
    check("WITH post AS (SELECT * FROM post WHERE id = 1) SELECT * FROM post", &[], "post");
    // A name is common only where it can be seen.
    check(r#"SELECT * FROM (WITH tagging AS (SELECT 1) SELECT * FROM tagging) x, tagging"#, &[], "tagging");
}

#[test]
fn what_may_be_a_view_is_opaque_until_it_is_declared() {
    check("SELECT * FROM secret_view", &[], "opaque");
    check("SELECT * FROM active_user WHERE id = 7", &[], "active_user user");
    check(r#"SELECT * FROM "user" WHERE id = 7 AND my_function(id)"#, &[], "opaque");
    check("SELECT * FROM my_function(7)", &[], "opaque");
    for sql in ["SELECT * FROM generate_series(1, 3)", "SELECT pg_catalog.now()"] {
        assert_ne!(read(DbBackend::Postgres, sql, &[]), ["opaque"], "{sql}");
    }
    assert_tags(&read(DbBackend::Postgres, "SELECT * FROM post UNION TABLE post", &[]), "post", "TABLE");
    assert_tags(&read(DbBackend::Postgres, "TABLE post", &[]), "opaque", "the parser does not know it");
    assert_tags(&read(DbBackend::Postgres, "SELECT app.now()", &[]), "opaque", "a function of another schema");
}

#[test]
fn births_matter_only_if_a_row_was_missing() {
    let find = |sql: &str| analyze(DbBackend::Sqlite, sql).read_with(&registry(), None);
    let one = find(r#"SELECT id, name FROM "user" WHERE id IN (7, 8, 7)"#);
    assert_eq!((sorted(one.births), one.rows_if_all_found), (vec!["user:+".to_owned()], 2));
    for sql in [
        r#"SELECT COUNT(*) FROM "user" WHERE id = 7"#,
        r#"SELECT MAX(name) FROM "user" WHERE id = 7"#,
        r#"SELECT 1 FROM "user" WHERE id = 7 GROUP BY name"#,
    ] {
        let counted = find(sql);
        assert!(counted.births.is_empty() && sorted(counted.tags).contains(&"user:+".to_owned()), "{sql}");
    }
}

#[test]
fn a_locking_read_is_a_read() {
    for backend in [DbBackend::MySql, DbBackend::Postgres] {
        let analysis = analyze(backend, "SELECT * FROM post WHERE id = 7 FOR UPDATE");
        assert!(!analysis.is_write());
        assert_tags(&read(backend, "SELECT * FROM post WHERE id = 7 FOR UPDATE", &[]), "post:7 post:* post:+", "lock");
    }
}

#[test]
fn an_alias_that_renames_columns_is_not_followed() {
    let sql = "SELECT * FROM post AS p (title, id, author_id) WHERE p.id = 7";
    assert_tags(&read(DbBackend::Postgres, sql, &[]), "post", "`id` is the author's");
}
