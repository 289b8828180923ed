//! Looks at rows before they are written.

use sea_orm::DbBackend;

use super::*;
use crate::orm::{analysis::WriteTags, values::Canonical};

fn plan(backend: DbBackend, sql: &str, list: &[Value]) -> WriteTags {
    analyze(backend, sql).write_with(&registry(), Some(&values(list)))
}

fn exact(text: &str) -> Canonical {
    Canonical::Exact(text.to_owned())
}

#[test]
fn the_same_condition_selects_the_rows() {
    let list = [Value::from("x"), 7.into(), 3.into()];
    for (backend, sql, expected) in [
        (
            DbBackend::Postgres,
            r#"UPDATE "post" SET "title" = $1 WHERE "post"."id" = $2 AND author_id <> $3 RETURNING "id""#,
            r#"SELECT CAST("id" AS text), CAST("author_id" AS text) FROM "post" WHERE "post"."id" = $1 AND author_id <> $2  LIMIT 65 FOR NO KEY UPDATE"#,
        ),
        (
            DbBackend::MySql,
            "UPDATE `post` AS p SET `title` = ? WHERE p.`id` = ? AND author_id <> ?",
            "SELECT CAST(`id` AS CHAR), CAST(`author_id` AS CHAR) FROM `post` AS p WHERE p.`id` = ? AND author_id <> ? LIMIT 65 FOR UPDATE",
        ),
        (
            DbBackend::Sqlite,
            r#"UPDATE "post" SET "title" = ? WHERE "id" = ? AND author_id <> ?"#,
            r#"SELECT CAST("id" AS text), CAST("author_id" AS text) FROM "post" WHERE "id" = ? AND author_id <> ? LIMIT 65"#,
        ),
    ] {
        let statement = plan(backend, sql, &list).preimage.expect("a look").statement();
        assert_eq!(statement.sql, expected);
        assert_eq!(statement.values, Some(values(&list[1..])));
    }
}

#[test]
fn found_rows_name_their_old_and_new_values() {
    let sql = "UPDATE post SET author_id = ? WHERE title = ?";
    let planned = plan(DbBackend::Sqlite, sql, &[4.into(), "x".into()]);
    assert_tags(&sorted(planned.tags), "post post:*", "complete without a look");
    let look = planned.preimage.expect("a look");
    assert_tags(&sorted(look.always()), "post", "whatever the rows");
    assert_tags(&sorted(look.coarse()), "post post:*", "without a look");
    let rows = [vec![exact("7"), exact("3")], vec![exact("8"), Canonical::Null]];
    assert_tags(&sorted(look.tags_of(&rows)), "post post:7 post:8 post.author_id=3 post.author_id=4", "with a look");
    assert_tags(&sorted(look.tags_of(&[])), "post post.author_id=4", "no rows");
    let loose = [vec![exact("7"), Canonical::Loose]];
    assert_tags(&sorted(look.tags_of(&loose)), "post post:7 post.*", "an index value that is not precise");
    let keyless = [vec![Canonical::Loose, exact("3")]];
    assert_tags(&sorted(look.tags_of(&keyless)), "post post:*", "a key that is not precise");
    let many: Vec<_> = (0..65).map(|id| vec![exact(&id.to_string()), exact("3")]).collect();
    assert_tags(&sorted(look.tags_of(&many)), "post post:*", "more rows than are told apart");
}

#[test]
fn a_delete_passes_what_it_found_to_declared_dependents() {
    let look = plan(DbBackend::Postgres, r#"DELETE FROM "user" WHERE name = 'x'"#, &[]).preimage.expect("a look");
    let rows = [vec![exact("7"), exact("oslo")]];
    assert_tags(
        &sorted(look.tags_of(&rows)),
        "user user:7 user.city=oslo profile profile:7 post post:* tagging tagging:*",
        "delete",
    );
}

#[test]
fn there_is_no_look_where_it_would_not_help_or_not_be_the_same_rows() {
    for backend in BACKENDS {
        for sql in [
            "DELETE FROM profile WHERE user_id = 7",
            "UPDATE post SET title = 'x' WHERE id = 7 AND author_id = 3",
            "DELETE FROM post",
            "DELETE FROM post WHERE author_id IN (SELECT id FROM log)",
            "DELETE FROM post WHERE id = 7; DELETE FROM log",
            "DELETE FROM log WHERE line = 'x'",
            "DELETE FROM nobody WHERE line = 'x'",
            "DELETE FROM active_user WHERE name = 'x'",
            "DELETE FROM post WHERE title = 'x' LIMIT 1",
            "INSERT INTO post (title) VALUES ('x')",
            "DELETE FROM post WHERE random() < 1",
            "DELETE FROM post WHERE title < CURRENT_TIMESTAMP",
            "DELETE FROM post WHERE title = lower ('X')",
            "DELETE FROM post WHERE title = CAST('now' AS text)",
        ] {
            assert!(plan(backend, sql, &[]).preimage.is_none(), "{backend:?}: {sql}");
        }
    }
    assert!(plan(DbBackend::MySql, "UPDATE IGNORE post SET id = 3 WHERE title = 'x'", &[]).preimage.is_none());
    assert!(plan(DbBackend::Sqlite, "UPDATE OR REPLACE post SET id = 3 WHERE title = 'x'", &[]).preimage.is_none());
    let unbound = analyze(DbBackend::Sqlite, "DELETE FROM post WHERE title = ?").write_with(&registry(), None);
    assert!(unbound.preimage.is_none(), "a value is missing");
}

#[test]
fn a_statement_that_returns_the_rows_as_they_were_tells_what_a_look_would_show() {
    let told = |backend, sql: &str| plan(backend, sql, &[]).preimage.map(|look| look.is_told());
    for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
        for (sql, expected) in [
            ("UPDATE post SET title = 'x' WHERE id = 7 RETURNING id, author_id", true),
            (r#"UPDATE post SET title = 'x' WHERE title = 'y' RETURNING "title", "post"."author_id", "Id""#, true),
            ("DELETE FROM post WHERE title = 'x' RETURNING author_id, id", true),
            ("UPDATE post SET author_id = 4 WHERE id = 7 RETURNING id, author_id", false),
            ("UPDATE post SET id = 8 WHERE title = 'x' RETURNING id, author_id", false),
            ("UPDATE post SET title = 'x' WHERE id = 7 RETURNING id", false),
            ("UPDATE post SET title = 'x' WHERE id = 7 RETURNING *", false),
            ("UPDATE post SET title = 'x' WHERE id = 7 RETURNING id, 3 AS author_id", false),
            ("DELETE FROM post WHERE title = 'x' RETURNING new.id, new.author_id", false),
            // Text comes from a driver in more than one spelling of equal values.
            (r#"DELETE FROM "user" WHERE name = 'x' RETURNING id, city"#, false),
            ("UPDATE post SET title = 'x' WHERE id = 7", false),
        ] {
            assert_eq!(told(backend, sql), Some(expected), "{backend:?}: {sql}");
        }
    }
    assert_eq!(
        told(DbBackend::Sqlite, "UPDATE post SET rowid = 8 WHERE id = 7 RETURNING id, author_id"),
        Some(false),
        "another name of the key"
    );
}
