//! Random reads and writes over the tests' schema.

use rand::{Rng, rngs::SmallRng, seq::IndexedRandom};
use sea_orm::{DbBackend, Value};

/// A column: whether it holds a number, and its name.
type Column = (bool, &'static str);

pub(super) struct TableSpec {
    pub(super) name: &'static str,
    key: &'static [Column],
    rest: &'static [Column],
}

pub(super) const TABLES: &[TableSpec] = &[
    TableSpec { name: "user", key: &[(true, "id")], rest: &[(false, "name"), (false, "city")] },
    TableSpec { name: "post", key: &[(true, "id")], rest: &[(true, "author_id"), (false, "title")] },
    TableSpec { name: "tagging", key: &[(true, "post_id"), (false, "tag")], rest: &[(true, "weight")] },
    TableSpec { name: "profile", key: &[(true, "user_id")], rest: &[(false, "text")] },
    TableSpec { name: "log", key: &[(true, "id")], rest: &[(false, "line")] },
];

/// The schema as SQLite has it; foreign keys as the entities say.
pub(super) const SCHEMA: &[&str] = &[
    "CREATE TABLE user (id integer PRIMARY KEY, name text, city text COLLATE NOCASE)",
    "CREATE TABLE post (id integer PRIMARY KEY, author_id integer REFERENCES user(id) ON DELETE CASCADE ON UPDATE CASCADE, title text UNIQUE)",
    "CREATE TABLE tagging (post_id integer NOT NULL REFERENCES post(id) ON DELETE CASCADE, tag text NOT NULL COLLATE NOCASE, weight integer, PRIMARY KEY (post_id, tag))",
    "CREATE TABLE profile (user_id integer PRIMARY KEY, text text COLLATE RTRIM UNIQUE)",
    "CREATE TABLE log (id integer PRIMARY KEY AUTOINCREMENT, line text)",
    "CREATE VIEW active_user AS SELECT * FROM user WHERE city IS NOT NULL",
    // The view can be written through, as simple views can in PostgreSQL and MySQL.
    "CREATE TRIGGER active_user_update INSTEAD OF UPDATE ON active_user BEGIN UPDATE user SET name = NEW.name WHERE id = OLD.id; END",
];

/// A statement with `?` for its parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) params: Vec<Value>,
}

impl Sql {
    /// The same for another backend.
    pub(super) fn on(&self, backend: DbBackend) -> String {
        match backend {
            DbBackend::Postgres => {
                (1..=self.params.len()).fold(self.text.clone(), |text, at| text.replacen('?', &format!("${at}"), 1))
            }
            DbBackend::MySql => self.text.replace('"', "`"),
            _ => self.text.clone(),
        }
    }
}

/// A read: `{P}` in its text stands for the projection.
#[derive(Clone, Debug)]
pub(super) struct Read {
    sql: Sql,
    projection: String,
    executed: String,
}

impl Read {
    /// As the application writes it.
    pub(super) fn analysed(&self) -> Sql {
        Sql { text: self.sql.text.replace("{P}", &self.projection), params: self.sql.params.clone() }
    }

    /// With each row as one text.
    pub(super) fn executed(&self) -> Sql {
        Sql { text: self.sql.text.replace("{P}", &self.executed), params: self.sql.params.clone() }
    }
}

pub(super) struct Generator<'a> {
    pub(super) rng: &'a mut SmallRng,
    params: Vec<Value>,
}

impl<'a> Generator<'a> {
    pub(super) fn new(rng: &'a mut SmallRng) -> Self {
        Self { rng, params: Vec::new() }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        *list.choose(self.rng).expect("a choice")
    }

    fn param(&mut self, value: Value) -> String {
        self.params.push(value);
        "?".to_owned()
    }

    /// A value, mostly of the column's kind, in one of its many spellings.
    fn value(&mut self, number: bool) -> String {
        if number != self.one_in(12) {
            let value: i32 = self.rng.random_range(1..=4);
            match self.rng.random_range(0..16) {
                0 => format!("'{value}'"),
                1 => format!("'0{value}'"),
                2 => format!("{value}.0"),
                3 => self.param(f64::from(value).into()),
                4 => self.param(format!("0{value}").into()),
                5 => self.param(value.to_string().into()),
                6 => self.param(i64::from(value).into()),
                7 => format!("{value} + 0"),
                8 => format!("(0{value})"),
                9..=11 => value.to_string(),
                _ => self.param(value.into()),
            }
        } else {
            let value = self.pick(&["a", "A", "b", "B ", "a ", "é", "É", "1", "01", "", "a'b", "a%"]);
            match self.rng.random_range(0..8) {
                0..=2 => format!("'{}'", value.replace('\'', "''")),
                3 => format!("lower('{}')", value.replace('\'', "''")),
                _ => self.param(value.into()),
            }
        }
    }

    fn nullable(&mut self, number: bool) -> String {
        match self.rng.random_range(0..20) {
            0 => "NULL".to_owned(),
            1 => self.param(if number { Value::Int(None) } else { Value::String(None) }),
            _ => self.value(number),
        }
    }

    fn columns(&mut self, table: &TableSpec) -> Vec<Column> {
        table.key.iter().chain(table.rest).copied().collect()
    }

    /// Conditions on the key are the most interesting ones.
    fn condition(&mut self, table: &TableSpec, prefix: &str, depth: u32) -> String {
        if self.one_in(3) {
            return self.key_condition(table, prefix);
        }
        let all = self.columns(table);
        let (number, name) = self.pick(&all);
        match self.rng.random_range(0..if depth == 0 { 7 } else { 12 }) {
            0..=2 => format!("{prefix}{name} = {}", self.value(number)),
            3 => format!("{} = {prefix}{name}", self.value(number)),
            4 => {
                let list: Vec<_> = (0..self.rng.random_range(1..4)).map(|_| self.value(number)).collect();
                format!("{prefix}{name} IN ({})", list.join(", "))
            }
            5 => format!("{prefix}{name} {} {}", self.pick(&["<>", "<", ">=", "IS", "LIKE"]), self.value(number)),
            6 => format!("{prefix}{name} IS NOT NULL"),
            7 | 8 => format!("{} AND {}", self.side(table, prefix, depth), self.side(table, prefix, depth)),
            9 | 10 => format!("{} OR {}", self.side(table, prefix, depth), self.side(table, prefix, depth)),
            _ => format!("NOT ({})", self.condition(table, prefix, depth - 1)),
        }
    }

    fn side(&mut self, table: &TableSpec, prefix: &str, depth: u32) -> String {
        let condition = self.condition(table, prefix, depth - 1);
        // Without parentheses the precedence of AND and OR is at stake, too.
        if self.one_in(2) { format!("({condition})") } else { condition }
    }

    fn key_condition(&mut self, table: &TableSpec, prefix: &str) -> String {
        if let [(one, first), (two, second)] = table.key
            && self.one_in(3)
        {
            let tuples: Vec<_> = (0..self.rng.random_range(1..3))
                .map(|_| format!("({}, {})", self.value(*one), self.value(*two)))
                .collect();
            return format!("({prefix}{first}, {prefix}{second}) IN (VALUES {})", tuples.join(", "))
                .replace("IN (VALUES (", if self.one_in(2) { "IN (VALUES (" } else { "IN ( VALUES (" });
        }
        let parts: Vec<_> =
            table.key.iter().map(|(number, name)| format!("{prefix}{name} = {}", self.value(*number))).collect();
        parts.join(" AND ")
    }

    fn where_clause(&mut self, table: &TableSpec, prefix: &str) -> String {
        if self.one_in(12) { String::new() } else { format!(" WHERE {}", self.condition(table, prefix, 2)) }
    }

    fn finish(&mut self, text: String) -> Sql {
        Sql { text, params: std::mem::take(&mut self.params) }
    }

    pub(super) fn read(&mut self) -> Read {
        let table = &TABLES[self.rng.random_range(0..TABLES.len())];
        let name = table.name;
        let quoted = |prefix: &str, table: &TableSpec| {
            let columns: Vec<_> =
                table.key.iter().chain(table.rest).map(|(_, name)| format!("quote({prefix}{name})")).collect();
            columns.join(" || ',' || ")
        };
        let mut projection = "*".to_owned();
        let mut executed = quoted("", table);
        let text = match self.rng.random_range(0..14) {
            0 => {
                projection = "COUNT(*)".to_owned();
                executed = "quote(COUNT(*))".to_owned();
                format!(r#"SELECT {{P}} FROM "{name}"{}"#, self.where_clause(table, ""))
            }
            1 => {
                executed = quoted("t.", table);
                format!(r#"SELECT {{P}} FROM "{name}" AS t{}"#, self.where_clause(table, "t."))
            }
            2 => {
                executed = format!("{} || ',' || quote(p.title)", quoted("u.", &TABLES[0]));
                let condition = self.where_clause(&TABLES[0], "u.");
                format!(r#"SELECT {{P}} FROM "user" u LEFT JOIN post p ON p.author_id = u.id{condition}"#)
            }
            3 => {
                let condition = self.condition(table, "", 1);
                format!(r#"WITH x AS (SELECT * FROM "{name}" WHERE {condition}) SELECT {{P}} FROM x"#)
            }
            4 => {
                let (one, two) = (self.condition(table, "", 1), self.condition(table, "", 1));
                format!(r#"SELECT {{P}} FROM "{name}" WHERE {one} UNION ALL SELECT {{P}} FROM "{name}" WHERE {two}"#)
            }
            5 => {
                let condition = self.condition(table, "", 1);
                format!(r#"SELECT {{P}} FROM "{name}" WHERE {condition} AND EXISTS (SELECT 1 FROM log)"#)
            }
            6 => {
                executed = quoted("", &TABLES[0]);
                format!("SELECT {{P}} FROM active_user{}", self.where_clause(&TABLES[0], ""))
            }
            7 => {
                projection = "(SELECT COUNT(*) FROM tagging WHERE post_id = post.id)".to_owned();
                executed = format!("quote({projection})");
                format!("SELECT {{P}} FROM post{}", self.where_clause(&TABLES[1], ""))
            }
            8 | 9 => {
                let (column, value) = if self.one_in(2) { ("author_id", true) } else { ("city", false) };
                let table = if value { &TABLES[1] } else { &TABLES[0] };
                executed = quoted("", table);
                format!(r#"SELECT {{P}} FROM "{}" WHERE {column} = {}"#, table.name, self.value(value))
            }
            10 | 11 => {
                let condition = self.key_condition(table, "");
                format!(r#"SELECT {{P}} FROM "{name}" WHERE {condition}"#)
            }
            _ => format!(r#"SELECT {{P}} FROM "{name}"{}"#, self.where_clause(table, "")),
        };
        Read { sql: self.finish(text), projection, executed: format!("{executed} AS v") }
    }

    pub(super) fn write(&mut self) -> Sql {
        let table = &TABLES[self.rng.random_range(0..TABLES.len())];
        let text = match self.rng.random_range(0..10) {
            0..=3 => self.insert(table),
            4..=7 => self.update(table),
            _ => self.delete(table),
        };
        self.finish(text)
    }

    fn insert(&mut self, table: &TableSpec) -> String {
        let verb = match self.rng.random_range(0..8) {
            0 => "INSERT OR REPLACE",
            1 => "INSERT OR IGNORE",
            2 => "REPLACE",
            _ => "INSERT",
        };
        let mut columns = self.columns(table);
        while columns.len() > 1 && self.one_in(4) {
            let at = self.rng.random_range(0..columns.len());
            columns.remove(at);
        }
        let names: Vec<_> = columns.iter().map(|(_, name)| *name).collect();
        let target = format!(r#"{verb} INTO "{}" ({})"#, table.name, names.join(", "));
        let source = if self.one_in(8) {
            let list: Vec<_> = columns.iter().map(|(number, _)| self.nullable(*number)).collect();
            format!("SELECT {} FROM log LIMIT 2", list.join(", "))
        } else {
            let rows: Vec<_> = (0..self.rng.random_range(1..3))
                .map(|_| {
                    let row: Vec<_> = columns.iter().map(|(number, _)| self.nullable(*number)).collect();
                    format!("({})", row.join(", "))
                })
                .collect();
            format!("VALUES {}", rows.join(", "))
        };
        if verb != "INSERT" || source.starts_with("SELECT") || !self.one_in(3) {
            return format!("{target} {source}");
        }
        let keys: Vec<_> = table.key.iter().map(|(_, name)| *name).collect();
        let unique = match table.name {
            "post" if self.one_in(2) => "(title)".to_owned(),
            "profile" if self.one_in(2) => "(text)".to_owned(),
            "log" if self.one_in(2) => String::new(),
            _ => format!("({})", keys.join(", ")),
        };
        if self.one_in(4) {
            return format!("{target} {source} ON CONFLICT {unique} DO NOTHING");
        }
        let set = self.assignments(table);
        format!("{target} {source} ON CONFLICT {unique} DO UPDATE SET {set}")
    }

    fn assignments(&mut self, table: &TableSpec) -> String {
        let all = self.columns(table);
        let mut set: Vec<String> = Vec::new();
        for (number, name) in all {
            let key = table.key.iter().any(|(_, key)| *key == name);
            if self.one_in(if key { 6 } else { 2 }) {
                let value = if self.one_in(8) { name.to_owned() } else { self.nullable(number) };
                set.push(format!("{name} = {value}"));
            }
        }
        if set.is_empty() {
            let (number, name) = table.rest[table.rest.len() - 1];
            set.push(format!("{name} = {}", self.nullable(number)));
        }
        set.join(", ")
    }

    /// A condition that chooses other rows each time: for writes only.
    fn fickle(&mut self, table: &TableSpec) -> String {
        let condition = self.condition(table, "", 1);
        format!(" WHERE ({condition} OR 1 = 1) AND random() > 0")
    }

    fn update(&mut self, table: &TableSpec) -> String {
        let name = table.name;
        if self.one_in(20) {
            let set = self.assignments(table);
            return format!(r#"UPDATE "{name}" SET {set}{}"#, self.fickle(table));
        }
        match self.rng.random_range(0..16) {
            0 => {
                let set = self.assignments(table);
                let how = self.pick(&["REPLACE", "IGNORE"]);
                format!(r#"UPDATE OR {how} "{name}" SET {set}{}"#, self.where_clause(table, ""))
            }
            1 => {
                let set = self.assignments(&TABLES[2]);
                let condition = self.key_condition(&TABLES[2], "tagging.");
                format!("UPDATE tagging SET {set} FROM post WHERE {condition}")
            }
            2 => {
                let value = self.nullable(false);
                format!("UPDATE active_user SET name = {value} WHERE {}", self.key_condition(&TABLES[0], ""))
            }
            3 => {
                let value = self.rng.random_range(1..=4);
                format!("UPDATE profile SET rowid = {value} WHERE {}", self.key_condition(&TABLES[3], ""))
            }
            4 => {
                let set = self.assignments(table);
                format!(r#"UPDATE "{name}" AS t SET {set}{}"#, self.where_clause(table, "t."))
            }
            5 => {
                let set = self.assignments(table);
                let condition = self.key_condition(table, "");
                format!(r#"WITH x AS (SELECT 1) UPDATE "{name}" SET {set} WHERE {condition}"#)
            }
            _ => {
                let set = self.assignments(table);
                format!(r#"UPDATE "{name}" SET {set}{}"#, self.where_clause(table, ""))
            }
        }
    }

    fn delete(&mut self, table: &TableSpec) -> String {
        let name = table.name;
        if self.one_in(8) {
            let condition = self.condition(&TABLES[1], "", 1);
            return format!("DELETE FROM tagging WHERE post_id IN (SELECT id FROM post WHERE {condition})");
        }
        if self.one_in(6) {
            return format!(r#"DELETE FROM "{name}"{}"#, self.where_clause(table, ""));
        }
        format!(r#"DELETE FROM "{name}" WHERE {}"#, self.key_condition(table, ""))
    }
}
