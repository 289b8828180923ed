//! What writes make stale.

use super::*;

#[track_caller]
fn check(sql: &str, list: &[Value], expected: &str) {
    for backend in BACKENDS {
        let mut text = sql.to_owned();
        if backend == DbBackend::Postgres {
            for at in 1..=list.len() {
                text = text.replacen('?', &format!("${at}"), 1);
            }
        }
        if backend == DbBackend::MySql {
            text = text.replace('"', "`");
        }
        assert_tags(&written(backend, &text, list), expected, &format!("{backend:?}: {text}"));
    }
}

#[track_caller]
fn one(backend: DbBackend, sql: &str, expected: &str) {
    assert_tags(&written(backend, sql, &[]), expected, &format!("{backend:?}: {sql}"));
}

const MY: DbBackend = DbBackend::MySql;
const PG: DbBackend = DbBackend::Postgres;
const LITE: DbBackend = DbBackend::Sqlite;

#[test]
fn an_insert_with_a_known_key_names_the_row() {
    check(
        r#"INSERT INTO "user" (id, name, city) VALUES (?, ?, ?)"#,
        &[7.into(), "x".into(), "Oslo".into()],
        "user user:7 user.city=oslo",
    );
    check(
        "INSERT INTO post (id, author_id, title) VALUES (1, 3, 'x'), (2, 4, 'y')",
        &[],
        "post post:1 post:2 post.author_id=3 post.author_id=4",
    );
    check("INSERT INTO tagging (tag, post_id, weight) VALUES ('a', 1, 0)", &[], "tagging tagging:1,a");
    check(r#"INSERT INTO "user" (id, name, city) VALUES (7, 'x', NULL)"#, &[], "user user:7");
}

#[test]
fn an_insert_with_an_unknown_key_is_a_birth() {
    check(
        r#"INSERT INTO "user" (name, city) VALUES (?, ?)"#,
        &["x".into(), "oslo".into()],
        "user user:+ user.city=oslo",
    );
    check(r#"INSERT INTO "user" (name) VALUES ('x')"#, &[], "user user:+ user.*");
    check(r#"INSERT INTO "user" (id, name, city) VALUES (DEFAULT, 'x', lower('OSLO'))"#, &[], "user user:+ user.*");
    check(r#"INSERT INTO "user" VALUES (7, 'x', 'oslo')"#, &[], "user user:+ user.*");
    check(r#"INSERT INTO "user" (id, name, city) SELECT id, title, 'x' FROM post"#, &[], "user user:+ user.*");
    check(r#"INSERT INTO "user" (id, name, city) VALUES (NULL, 'x', 'oslo')"#, &[], "user user:+ user.city=oslo");
    one(LITE, r#"INSERT INTO "user" DEFAULT VALUES"#, "user user:+ user.*");
    one(MY, "INSERT INTO user SET id = 7, city = 'x'", "user user:7 user.city=x");
    one(MY, "INSERT INTO user (id, city) VALUES (0, 'x')", "user user:0 user:+ user.city=x");
    one(PG, "COPY post (id, title) FROM STDIN", "post post:+ post.*");
    check("INSERT INTO log (id, line) VALUES (1, 'x')", &[], "log log:1 log.*");
}

#[test]
fn many_new_rows_are_births() {
    let rows: Vec<_> = (1..=65).map(|id| format!("({id}, 3, 'x')")).collect();
    check(&format!("INSERT INTO post (id, author_id, title) VALUES {}", rows.join(", ")), &[], "post post:+ post.*");
}

#[test]
fn an_upsert_is_precise_only_by_the_primary_key() {
    for backend in [PG, LITE] {
        let sql = "INSERT INTO post (id, author_id, title) VALUES (1, 3, 'x') ON CONFLICT";
        one(backend, &format!("{sql} (id) DO UPDATE SET title = excluded.title"), "post post:1 post.*");
        one(backend, &format!("{sql} (title) DO UPDATE SET title = excluded.title"), "post post:*");
        one(backend, &format!("{sql} (id) DO UPDATE SET id = excluded.id"), "post post:*");
        one(backend, &format!("{sql} DO NOTHING"), "post post:1 post.author_id=3");
        one(backend, &format!("{sql} (title) DO NOTHING"), "post post:1 post.author_id=3");
        one(
            backend,
            "INSERT INTO post (author_id, title) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET title = 'y'",
            "post post:*",
        );
        one(
            backend,
            "INSERT INTO tagging (post_id, tag) VALUES (3, 'x') ON CONFLICT (tag, post_id) DO UPDATE SET weight = 1",
            "tagging tagging:3,x",
        );
        one(
            backend,
            r#"INSERT INTO "user" (id, city) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET city = 'x'"#,
            "user user:3 user.* profile profile:3",
        );
    }
    one(
        MY,
        "INSERT INTO post (id, title) VALUES (1, 'x') ON DUPLICATE KEY UPDATE title = VALUES(title)",
        "post post:*",
    );
    one(MY, "REPLACE INTO post (id, title) VALUES (1, 'x')", "post post:* tagging tagging:*");
    one(LITE, "INSERT OR REPLACE INTO post (id, title) VALUES (1, 'x')", "post post:* tagging tagging:*");
    one(LITE, "REPLACE INTO post (id, title) VALUES (1, 'x')", "post post:* tagging tagging:*");
    one(LITE, "INSERT OR IGNORE INTO tagging (post_id, tag) VALUES (1, 'x')", "tagging tagging:1,x");
    one(MY, "INSERT IGNORE INTO tagging (post_id, tag) VALUES (1, 'x')", "tagging tagging:1,x tagging:+");
    one(MY, "INSERT LOW_PRIORITY IGNORE INTO post (id, author_id) VALUES (1, 3)", "post post:1 post:+ post.*");
}

#[test]
fn an_update_of_known_rows_names_them() {
    check(
        "UPDATE tagging SET weight = ? WHERE post_id = ? AND tag = ?",
        &[1.into(), 7.into(), "x".into()],
        "tagging tagging:7,x",
    );
    check("UPDATE post SET title = ? WHERE id = ?", &["x".into(), 7.into()], "post post:7 post.*");
    check("UPDATE post SET title = 'x' WHERE id = 7 AND author_id = 3", &[], "post post:7 post.author_id=3");
    check(
        "UPDATE post SET author_id = 4 WHERE id = 7 AND author_id = 3",
        &[],
        "post post:7 post.author_id=3 post.author_id=4",
    );
    check("UPDATE post SET author_id = author_id + 1 WHERE id = 7 AND author_id = 3", &[], "post post:7 post.*");
    check("UPDATE post SET title = 'x' WHERE id IN (7, 8)", &[], "post post:7 post:8 post.*");
    check("UPDATE log SET line = 'x' WHERE id = 7", &[], "log log:7 log.*");
    check(
        r#"UPDATE "user" SET name = 'x' WHERE id = 7 AND city = 'y'"#,
        &[],
        "user user:7 user.city=y profile profile:7",
    );
}

#[test]
fn an_update_of_unknown_rows_is_every_row() {
    check("UPDATE post SET title = 'x'", &[], "post post:*");
    check("UPDATE post SET title = 'x' WHERE author_id = 3", &[], "post post:*");
    check("UPDATE post SET title = 'x' WHERE id > 3", &[], "post post:*");
    check("UPDATE post SET title = 'x' WHERE id = ?", &["03".into()], "post post:*");
    check(r#"UPDATE "user" SET name = 'x' WHERE name = 'y'"#, &[], "user user:* profile profile:*");
    check("UPDATE nobody SET title = 'x' WHERE id = 7", &[], "nobody nobody:*");
    check(
        "UPDATE active_user SET name = 'x' WHERE id = 7",
        &[],
        "active_user active_user:* user user:* profile profile:* post post:* tagging tagging:*",
    );
}

#[test]
fn an_update_of_the_key_names_both_rows() {
    check(
        "UPDATE tagging SET tag = 'new' WHERE post_id = 1 AND tag = 'old'",
        &[],
        "tagging tagging:1,old tagging:1,new",
    );
    check("UPDATE tagging SET tag = lower(tag) WHERE post_id = 1 AND tag = 'old'", &[], "tagging tagging:*");
    check(
        r#"UPDATE "user" SET id = 9 WHERE id = 7 AND city = 'x'"#,
        &[],
        "user user:7 user:9 user.city=x profile profile:7 profile:9 post post:*",
    );
    one(LITE, "UPDATE tagging SET rowid = 9 WHERE post_id = 1 AND tag = 'old'", "tagging tagging:*");
}

#[test]
fn a_delete_follows_foreign_keys_and_declared_dependents() {
    check("DELETE FROM tagging WHERE post_id = 7 AND tag = 'x'", &[], "tagging tagging:7,x");
    check("DELETE FROM post WHERE id = 7", &[], "post post:7 post.* tagging tagging:*");
    check(
        r#"DELETE FROM "user" WHERE id = ?"#,
        &[7.into()],
        "user user:7 user.* post post:* tagging tagging:* profile profile:7",
    );
    check("DELETE FROM profile", &[], "profile profile:*");
}

#[test]
fn several_tables_at_once_are_each_written() {
    one(
        MY,
        "UPDATE user u JOIN post p ON p.author_id = u.id SET u.name = 'x', p.title = 'y' WHERE u.id = 7",
        "user user:* post post:* profile profile:*",
    );
    one(
        MY,
        "DELETE p FROM post p JOIN user u ON u.id = p.author_id WHERE u.id = 7",
        "post post:* tagging tagging:* user user:* profile profile:*",
    );
    one(MY, "DELETE FROM a USING post AS a JOIN log ON 1 = 1", "a a:* post post:* log log:* tagging tagging:*");
    one(
        PG,
        r#"DELETE FROM tagging USING "user" WHERE "user".id = tagging.weight"#,
        "tagging tagging:* user user:* profile profile:* post post:*",
    );
    one(
        PG,
        "UPDATE tagging SET weight = 1 FROM post WHERE tagging.post_id = 7 AND tagging.tag = 'x'",
        "tagging tagging:7,x",
    );
    one(LITE, "UPDATE tagging SET weight = 1 FROM post WHERE post_id = 7 AND tag = 'x'", "tagging tagging:*");
    one(PG, "MERGE INTO tagging t USING post p ON t.post_id = p.id WHEN MATCHED THEN DELETE", "tagging tagging:*");
}

#[test]
fn schema_statements_change_the_whole_table() {
    check("DROP TABLE tagging", &[], "tagging tagging:*");
    check("DROP TABLE IF EXISTS post", &[], "post post:* tagging tagging:*");
    check("ALTER TABLE tagging ADD COLUMN note varchar(10)", &[], "tagging tagging:*");
    check("ALTER TABLE tagging RENAME TO labels", &[], "tagging tagging:* labels labels:*");
    check("CREATE TABLE fresh (id integer PRIMARY KEY)", &[], "fresh fresh:*");
    check("CREATE VIEW v AS SELECT * FROM post", &[], "v v:*");
    check("CREATE INDEX i ON post (title)", &[], "none");
    for backend in [MY, PG] {
        one(backend, "TRUNCATE TABLE tagging", "tagging tagging:*");
    }
    one(PG, "TRUNCATE post CASCADE", "*");
    one(PG, "DROP SCHEMA public CASCADE", "*");
    one(PG, "ALTER TYPE mood ADD VALUE 'x'", "*");
    one(MY, "RENAME TABLE tagging TO labels", "tagging tagging:* labels labels:*");
}

#[test]
fn data_modifying_common_tables_write() {
    one(
        PG,
        "WITH gone AS (DELETE FROM tagging WHERE post_id = 1 AND tag = 'x' RETURNING *) SELECT * FROM gone",
        "tagging tagging:1,x",
    );
    one(
        PG,
        "WITH n AS (INSERT INTO log (line) VALUES ('x') RETURNING id) UPDATE tagging SET weight = 1 WHERE post_id = 1 AND tag = 'x'",
        "log log:+ log.* tagging tagging:1,x",
    );
    one(MY, "WITH x AS (SELECT 1) DELETE FROM tagging WHERE post_id = 1 AND tag = 'x'", "tagging tagging:1,x");
    one(LITE, "WITH x AS (SELECT 1) INSERT INTO log (id) SELECT * FROM x", "log log:+ log.*");
}

#[test]
fn an_alias_hides_the_name_that_another_table_may_take() {
    for backend in [PG, LITE] {
        one(
            backend,
            "UPDATE post AS p SET title = 'x' FROM users AS post WHERE post.id = 7 AND p.author_id = post.id",
            "post post:*",
        );
        one(
            backend,
            "UPDATE post AS p SET title = 'x' FROM users AS post WHERE p.id = 7 AND p.author_id = 3",
            "post post:7 post.author_id=3",
        );
        // `other.profile` may be the other table; without one there is nothing else that it could be.
        one(backend, "UPDATE profile SET text = 'x' FROM log WHERE other.profile.user_id = 7", "profile profile:*");
        one(backend, "UPDATE profile SET text = 'x' WHERE public.profile.user_id = 7", "profile profile:7");
    }
    check("UPDATE profile AS p SET text = 'x' WHERE profile.user_id = 7", &[], "profile profile:*");
}
