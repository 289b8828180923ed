use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::*;

/// One version of a model per module, all of the same name: only the structure tells them apart.
macro_rules! versions {
    ($($module:ident { $($item:item)* })*) => {
        $(mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(#[derive(Deserialize)] #[allow(dead_code)] $item)*
        })*
    };
}

versions! {
    base { pub(super) struct Model { id: i32, name: String, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u8) } }
    added { pub(super) struct Model { id: i32, name: String, at: chrono::NaiveDateTime, kind: Kind, age: u8 } pub(super) enum Kind { A, B(u8) } }
    removed { pub(super) struct Model { id: i32, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u8) } }
    renamed { pub(super) struct Model { id: i32, title: String, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u8) } }
    moved { pub(super) struct Model { name: String, id: i32, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u8) } }
    wider { pub(super) struct Model { id: i64, name: String, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u8) } }
    optional { pub(super) struct Model { id: i32, name: Option<String>, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u8) } }
    time { pub(super) struct Model { id: i32, name: String, at: chrono::DateTime<chrono::Utc>, kind: Kind } pub(super) enum Kind { A, B(u8) } }
    variant { pub(super) struct Model { id: i32, name: String, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u8), C } }
    content { pub(super) struct Model { id: i32, name: String, at: chrono::NaiveDateTime, kind: Kind } pub(super) enum Kind { A, B(u16) } }
}

/// The facts without the names of the modules above.
fn structure<T: serde::de::DeserializeOwned>() -> Vec<String> {
    let module = type_name::<T>().rsplit_once("::").map_or("", |(module, _)| module).to_owned();
    [false, true].into_iter().flat_map(facts::<T>).map(|fact| fact.replace(&module, "")).collect()
}

#[test]
fn every_change_of_structure_changes_the_facts() {
    let all = [
        ("base", structure::<base::Model>()),
        ("added", structure::<added::Model>()),
        ("removed", structure::<removed::Model>()),
        ("renamed", structure::<renamed::Model>()),
        ("moved", structure::<moved::Model>()),
        ("wider", structure::<wider::Model>()),
        ("optional", structure::<optional::Model>()),
        ("time", structure::<time::Model>()),
        ("variant", structure::<variant::Model>()),
        ("content", structure::<content::Model>()),
    ];
    for (at, (left, left_facts)) in all.iter().enumerate() {
        for (right, right_facts) in all.iter().skip(at + 1) {
            assert_ne!(left_facts, right_facts, "{left} and {right}");
        }
    }
}

mod same {
    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) struct Model {
        id: i32,
        name: String,
        at: chrono::NaiveDateTime,
        kind: Kind,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) enum Kind {
        A,
        B(u8),
    }
}

#[test]
fn the_same_structure_has_the_same_facts() {
    assert_eq!(structure::<base::Model>(), structure::<same::Model>());
    assert_ne!(schema_id::<base::Model>(), schema_id::<same::Model>(), "the type's own name takes part");
    assert_eq!(schema_id::<base::Model>(), fingerprint::<base::Model>());
    assert_eq!(fingerprint::<base::Model>(), fingerprint::<base::Model>());
}

#[test]
fn an_id_does_not_change_between_builds_of_the_same_code() {
    // Written down once. A change here (ours, or in the words of serde or rustc) makes every stored entry a miss: it belongs in the
    // changelog.
    assert_eq!(format!("{:016x}", schema_id::<(i32, Option<String>)>()), "ddd12c197c9d38d9");
}

/// Facts about `T` that contain `part`.
fn has<T: serde::de::DeserializeOwned>(part: &str) -> bool {
    let found = facts::<T>(true).iter().any(|fact| fact.contains(part));
    if !found {
        eprintln!("{:#?}", facts::<T>(true));
    }
    found
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Picky {
    id: uuid::Uuid,
    ip: IpAddr,
    day: chrono::NaiveDate,
    at: chrono::DateTime<chrono::FixedOffset>,
    time: chrono::NaiveTime,
    count: NonZeroU32,
    blob: [u8; 4],
    shared: Arc<str>,
    last: i64,
}

#[test]
fn types_that_check_their_text_do_not_end_the_trace() {
    assert!(has::<Picky>(".last i64"));
    assert!(has::<Vec<Picky>>("[].last i64"));
    assert!(has::<HashMap<uuid::Uuid, Picky>>("{}v.last i64"));
    assert!(has::<BTreeMap<(u8, String), Option<Picky>>>("{}v?.last i64"));
}

#[derive(Debug)]
struct Refusing;

impl<'de> Deserialize<'de> for Refusing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?;
        Err(D::Error::custom("never good enough"))
    }
}

struct Panicking;

impl<'de> Deserialize<'de> for Panicking {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        assert!(text == "only this", "a panic that the test asks for");
        Ok(Self)
    }
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Around<T> {
    first: i8,
    refusing: T,
    inner: Option<Vec<Inner<T>>>,
    last: i64,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Inner<T> {
    refusing: T,
    kind: Deep,
    after: u16,
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Deep {
    One(bool),
    Two { x: f32, y: Option<Side> },
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Side {
    Left(u8),
    Right(i8),
}

#[test]
fn a_type_that_refuses_every_sample_hides_only_itself() {
    for part in [".last i64", ".inner?[].after u16", "#One bool", "#Two.x f32", "#Two.y?#Left u8", "#Two.y?#Right i8"] {
        assert!(has::<Around<Refusing>>(part), "{part}");
    }
}

#[test]
fn a_type_that_panics_hides_only_itself() {
    assert!(has::<Around<Panicking>>(".last i64"));
    assert!(has::<Around<Panicking>>(".inner?[].after u16"));
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Tree {
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
    named: HashMap<String, Tree>,
    label: u16,
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Expr {
    Add(Box<Expr>, Box<Expr>, u16),
    Call { of: Box<Expr>, with: Vec<Expr>, at: u32 },
    Literal(i64),
    Not(Box<Expr>),
}

#[test]
fn recursive_types_end() {
    assert!(has::<Tree>(".label u16"));
    assert!(has::<Expr>("[2] u16"));
    assert!(has::<Expr>("#Call.at u32"));
    assert!(has::<Expr>("#Literal i64"));
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type")]
#[allow(dead_code)]
enum Tagged {
    Circle { radius: f64 },
    Square { side: f64 },
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Flat {
    id: i32,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Rest {
    colour: String,
    size: u8,
}

#[test]
fn tags_and_flattened_fields_are_found_by_what_is_missed() {
    assert!(has::<Tagged>("one of [\"Circle\", \"Square\"]"));
    assert!(has::<Tagged>(".radius any"));
    assert!(has::<Tagged>(".side any"));
    assert!(has::<Flat>(".id i32"));
    assert!(has::<Flat>(".colour any"));
    assert!(has::<Flat>(".size any"));
}

#[test]
fn values_of_any_shape_have_an_id_too() {
    assert!(has::<serde_json::Value>("any"));
    assert_ne!(schema_id::<serde_json::Value>(), schema_id::<Option<serde_json::Value>>());
    assert_ne!(schema_id::<()>(), schema_id::<((),)>());
    assert_ne!(schema_id::<i32>(), schema_id::<i64>());
    assert_ne!(schema_id::<Vec<u8>>(), schema_id::<[u8; 3]>());
}
