use std::{
    collections::{BTreeMap, HashMap},
    error::Error as StdError,
    fmt,
};

use proptest::{collection, option, prelude::*, string::string_regex};
use serde::{Serialize, Serializer, ser::Error as _};

use super::*;

fn text<T: Serialize + ?Sized>(args: &T) -> String {
    encode_key("", args).expect("these arguments serialise").as_str().to_owned()
}

/// The short form, if there is one.
fn short<T: Serialize + ?Sized>(args: &T) -> Option<String> {
    Fingerprint::of_args(args).map(|short| format!("{short:?}"))
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Point,
    RoundAbout(u8),
    Pair(u8, String),
    Range {
        from: i32,
        #[serde(rename = "to=")]
        to: i32,
    },
    #[serde(rename = "null")]
    Nothing,
    #[serde(rename = "a,b")]
    Odd,
}

#[derive(Serialize)]
struct Wrapped(Option<i32>);

#[derive(Serialize)]
struct Filter<'a> {
    name: &'a str,
    limit: Option<u64>,
}

struct Shown;

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}\"{}", 1, "{}"))
    }
}

struct Raw(&'static [u8]);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[test]
fn a_key_reads_as_prefix_plus_arguments() {
    assert_eq!(encode_key("find_user:v1:", &(42,)).unwrap().as_str(), "find_user:v1:[42]");
    assert_eq!(text(&("a", "b:c")), r#"["a","b:c"]"#);
    assert_eq!(text(&()), "()");
    assert_eq!(text(&(true, -7_i8, u128::MAX, i128::MIN)), format!("[true,-7,{},{}]", u128::MAX, i128::MIN));
    assert_eq!(text(&(1.5_f32, -0.0_f64, f64::NEG_INFINITY)), "[1.5,-0.0,-inf]");
    assert_eq!(text(&f64::from_bits(0x7ff8_0000_0000_0001)), "nan(7ff8000000000001)");
    assert_eq!(text(&('x', '\'', 'é')), r"['x','\'','é']");
    assert_eq!(text("Grüße, \"{x}\"\\\n\u{1}"), r#""Grüße, \"\u007bx\u007d\"\\\n\u0001""#);
    assert_eq!(text(&Raw(&[0, 255])), "0x00ff");
    assert_eq!(text(&Shown), r#""1\"\u007b\u007d""#);
    assert_eq!(text(&Filter { name: "a", limit: Some(3) }), r#"(name="a",limit=3)"#);
    assert_eq!(text(&uuid::Uuid::from_u128(7)), "\"00000000-0000-0000-0000-000000000007\"");
    assert_eq!(text(&chrono::NaiveDate::from_ymd_opt(2024, 2, 29)), "\"2024-02-29\"");
}

#[test]
fn a_variant_reads_as_its_name() {
    assert_eq!(text(&Shape::Point), "point");
    assert_eq!(text(&Shape::RoundAbout(3)), "round-about(3)");
    assert_eq!(text(&Shape::Pair(3, "a".into())), "pair(3,\"a\")");
    assert_eq!(text(&Shape::Range { from: 1, to: 2 }), "range(from=1,@\"to=\"=2)");
    assert_eq!(text(&(Some(Shape::Nothing), None::<Shape>)), "[@\"null\",null]");
    assert_eq!(text(&[Shape::Odd]), "[@\"a,b\"]");
}

#[test]
fn each_depth_of_an_option_has_its_own_text() {
    let values: [Option<Option<Option<()>>>; 4] = [None, Some(None), Some(Some(None)), Some(Some(Some(())))];
    assert_eq!(values.map(|value| text(&value)), ["null", "?null", "??null", "()"]);
    assert_eq!(text(&Some(Wrapped(None))), "?null");
    assert_eq!(text(&Some(Wrapped(Some(1)))), "1");
}

#[test]
fn the_order_of_a_map_does_not_matter() {
    let pairs = [("b", 2), ("a", 1), ("a,b", 3), ("c", 4), ("d", 5)];
    let forward: HashMap<_, _> = pairs.into_iter().collect();
    let backward: HashMap<_, _> = pairs.into_iter().rev().collect();
    assert_eq!(text(&forward), r#"("a":1,"a,b":3,"b":2,"c":4,"d":5)"#);
    assert_eq!(text(&forward), text(&backward));
    assert_eq!(text(&HashMap::<u8, u8>::new()), "(:)");
    assert_eq!(text(&BTreeMap::from([((1, Some('x')), BTreeMap::from([(2, 3)]))])), "([1,'x']:(2:3))");
}

#[test]
fn a_long_text_is_digested_and_no_text_is_spelled_like_a_digest() {
    let long = encode_key("f:v1:", &("x".repeat(300),)).unwrap();
    assert_eq!(long.len(), "f:v1:#".len() + 32);
    assert!(long.starts_with("f:v1:#"));
    assert_ne!(long, encode_key("f:v1:", &("x".repeat(301),)).unwrap());
    let fake = &long["f:v1:".len()..];
    assert_ne!(plain_key("f:v1:", fake), long);
    let exact = "x".repeat(TEXT_BYTES_MAX);
    assert_eq!(plain_key("", &exact).as_str(), exact, "the bound itself is still readable");
}

#[test]
fn usual_arguments_have_a_short_form_and_unusual_ones_have_none() {
    let uuid = uuid::Uuid::from_u128(7);
    assert!(short(&(42_i64,)).is_some());
    assert!(short(&(42_i64, "a title", Some(true))).is_some());
    assert!(short(&(uuid,)).is_some(), "a text that is too long is there as its digest");
    assert!(short(&(uuid, 1)).is_some());
    assert!(short(&([(); 0])).is_some());
    assert!(short(&(1, 2, 3, 4)).is_none());
    assert!(short(&(Filter { name: "a", limit: None },)).is_none());
    assert!(short(&(HashMap::from([(1, 2)]),)).is_none());
}

#[test]
fn short_forms_differ_where_the_arguments_do() {
    let distinct = [
        short(&([(); 0])),
        short(&((),)),
        short(&(None::<i64>,)),
        short(&(Some(None::<i64>),)),
        short(&(0,)),
        short(&(0, 0)),
        short(&((0, 0),)),
        short(&(0_u8,)),
        short(&(0.0,)),
        short(&(-0.0,)),
        short(&(0.0_f32,)),
        short(&("",)),
        short(&("\0",)),
        short(&("\0\0",)),
        short(&('\0',)),
        short(&("", "")),
        short(&(false,)),
        short(&(true,)),
        short(&("abcdefg",)),
        short(&("abcdefgh",)),
        short(&("abcdefgh\0",)),
        short(&("a".repeat(22),)),
        short(&("a".repeat(23),)),
        short(&("a".repeat(24),)),
        short(&("a".repeat(25),)),
        short(&(Shape::Point,)),
        short(&(Shape::RoundAbout(0),)),
        short(&(Shape::Nothing,)),
        Some(format!("{:?}", Fingerprint::of_text(""))),
        Some(format!("{:?}", Fingerprint::of_text("[0]"))),
        Some(format!("{:?}", Fingerprint::of_text(&"a".repeat(24)))),
        Some(format!("{:?}", Fingerprint::of_text(&"a".repeat(500)))),
    ];
    for (at, one) in distinct.iter().enumerate() {
        assert!(one.is_some(), "{at}");
        assert!(!distinct[..at].contains(one), "{at}");
    }
}

#[test]
fn a_plain_key_is_the_users_own_text() {
    assert_eq!(plain_key("", "user:7").as_str(), "user:7");
    assert_eq!(plain_key("p:", "a\"b {c}\\").as_str(), r#"p:a"b \u007bc\u007d\\"#);
    assert_ne!(plain_key("", "#a"), plain_key("", "\\#a"));
}

#[test]
fn no_key_names_a_hash_slot() {
    let key = encode_key("{f}:", &("{a}", BTreeMap::from([("{b}", '{')]))).unwrap();
    assert!(!key.contains(['{', '}']), "{key}");
}

#[test]
fn a_thread_uses_the_memory_of_its_last_key_again() {
    let memory = || {
        let key = encode_key("find_user:v1:", &(42, "name", Some(uuid::Uuid::nil()))).unwrap();
        let other = key.clone();
        assert_ne!(key.as_ptr(), other.as_ptr(), "two keys at a time have each its own");
        key.as_ptr()
    };
    let first = memory();
    assert_eq!(memory(), first);
    let long = encode_key("find_user:v1:", &("x".repeat(150),)).unwrap();
    assert_eq!(long.len(), "find_user:v1:".len() + 154);
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("no such luck"))
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[test]
fn an_argument_that_cannot_be_serialised_is_an_error() {
    let error = encode_key("find_user:v1:", &(1, Failing)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("find_user:v1:"));
    assert_eq!(error.source().unwrap().to_string(), "no such luck");
}

/// A value of many shapes whose equality tells bits of floats apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
enum Rich {
    Unit,
    #[serde(rename = "null")]
    Null,
    #[serde(rename = "a(b)=\"")]
    Odd(Box<Rich>),
    Bool(bool),
    Small(i8),
    Big(i128, u128),
    Float(Bits),
    Char(char),
    Text(String),
    Bytes(Blob),
    Option(Option<Option<i8>>),
    OptionalUnit(Option<Option<()>>),
    Deep(Option<Option<Box<Rich>>>),
    Pair(String, String),
    Tuple((Box<Rich>, String)),
    List(Vec<Rich>),
    Words(Vec<String>),
    Struct {
        a: String,
        b: Option<Box<Rich>>,
        #[serde(rename = "c=")]
        c: Unitary,
    },
    Map(BTreeMap<String, Rich>),
    Keyed(HashMap<(i8, Option<String>), String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Unitary;

#[derive(Clone, Copy, Debug)]
struct Bits(f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct("Bits", &self.0)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// Texts that would pass for the end of a string and what may follow it, were they not escaped. Few and whole, so that lists
/// of them are near misses of each other all the time: `["","a"]` as two strings, and as one.
fn word() -> impl Strategy<Value = String> {
    let whole = prop::sample::select(vec![
        "",
        "a",
        "\"",
        "\\",
        "\\\"",
        "\",\"",
        "\",\"a",
        "a\",\"",
        "\\\",\\\"",
        "\":\"",
        "\"=\"",
        "\"]",
        "[\"",
        "\",null",
        "'",
        "{",
        "\\u007b",
        "\n",
        "\\n",
        "é",
        "null",
        "?",
        "#",
    ]);
    prop_oneof![
        4 => whole.prop_map(str::to_owned),
        1 => string_regex("[a\"',:=?#(){}\\[\\]\\\\\né]{0,3}").expect("a valid pattern"),
    ]
}

fn float() -> impl Strategy<Value = Bits> {
    prop_oneof![
        prop::sample::select(vec![0.0, -0.0, 1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN]),
        any::<u64>().prop_map(f64::from_bits),
    ]
    .prop_map(Bits)
}

fn rich() -> impl Strategy<Value = Rich> {
    let leaf = prop_oneof![
        Just(Rich::Unit),
        Just(Rich::Null),
        any::<bool>().prop_map(Rich::Bool),
        (-3_i8..3).prop_map(Rich::Small),
        (any::<i128>(), any::<u128>()).prop_map(|(a, b)| Rich::Big(a, b)),
        float().prop_map(Rich::Float),
        prop::sample::select(vec!['a', '"', '\'', '\\', '{', 'é', '\0']).prop_map(Rich::Char),
        word().prop_map(Rich::Text),
        collection::vec(0_u8..3, 0..3).prop_map(|bytes| Rich::Bytes(Blob(bytes))),
        option::of(option::of(-1_i8..1)).prop_map(Rich::Option),
        option::of(option::of(Just(()))).prop_map(Rich::OptionalUnit),
        (word(), word()).prop_map(|(a, b)| Rich::Pair(a, b)),
        collection::vec(word(), 0..3).prop_map(Rich::Words),
        collection::hash_map((-1_i8..1, option::of(word())), word(), 0..3).prop_map(Rich::Keyed),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|value| Rich::Odd(Box::new(value))),
            option::of(option::of(inner.clone().prop_map(Box::new))).prop_map(Rich::Deep),
            (inner.clone().prop_map(Box::new), word()).prop_map(Rich::Tuple),
            collection::vec(inner.clone(), 0..3).prop_map(Rich::List),
            (word(), option::of(inner.clone().prop_map(Box::new))).prop_map(|(a, b)| Rich::Struct { a, b, c: Unitary }),
            collection::btree_map(word(), inner, 0..3).prop_map(Rich::Map),
        ]
    })
}

proptest! {
    #[test]
    fn values_have_the_same_key_exactly_if_they_are_equal(values in collection::vec(rich(), 2..60)) {
        let mut seen: HashMap<String, &Rich> = HashMap::new();
        for value in &values {
            if let Some(short) = short(value) {
                let before = *seen.entry(short.clone()).or_insert(value);
                prop_assert_eq!(before, value, "both have the short form {}", short);
            }
            let key = text(value);
            prop_assert_eq!(&key, &text(&value.clone()));
            prop_assert!(!key.contains(['{', '}', '\n']), "{}", key);
            let before = *seen.entry(key.clone()).or_insert(value);
            prop_assert_eq!(before, value, "both have the key {}", key);
        }
    }

    #[test]
    fn argument_lists_have_the_same_key_exactly_if_they_are_equal(
        lists in collection::vec((word(), option::of(word()), collection::vec(word(), 0..3)), 2..100),
    ) {
        let mut seen = HashMap::new();
        for list in &lists {
            for key in [Some(text(list)), short(list)].into_iter().flatten() {
                let before = *seen.entry(key).or_insert(list);
                prop_assert_eq!(before, list);
            }
        }
    }

    /// The attack on a separator: one string that holds what stands between two.
    #[test]
    fn joined_strings_never_pass_for_separate_ones(
        words in collection::vec(word(), 2..5),
        at in any::<prop::sample::Index>(),
        quote in prop::sample::select(vec!["\"", "\\\"", "'", ""]),
        between in prop::sample::select(vec![",", ":", "=", "],[", "),(", ",null,"]),
    ) {
        let at = at.index(words.len() - 1);
        let mut joined = words.clone();
        let second = joined.remove(at + 1);
        joined[at].push_str(&format!("{quote}{between}{quote}{second}"));
        prop_assert_ne!(text(&joined), text(&words));
        let (first, second) = (&words[at], &words[at + 1]);
        let one = BTreeMap::from([(first.as_str(), second.as_str())]);
        let other = BTreeMap::from([(joined[at].as_str(), "")]);
        prop_assert_ne!(text(&one), text(&other));
        prop_assert_ne!(text(&(&joined[at], "")), text(&(first, format!("{second}{quote}{between}{quote}"))));
    }

    #[test]
    fn lists_of_strings_have_the_same_key_exactly_if_they_are_equal(
        lists in collection::vec(collection::vec(word(), 0..3), 2..200),
    ) {
        let mut seen = HashMap::new();
        for list in &lists {
            let before = *seen.entry(text(list)).or_insert(list);
            prop_assert_eq!(before, list);
        }
    }

    #[test]
    fn floats_have_the_same_key_exactly_if_their_bits_are_equal(
        floats in collection::vec(float(), 2..50),
        payload in 1_u64..1 << 51,
    ) {
        let nans = [f64::NAN.to_bits(), f64::NAN.to_bits() | payload, f64::NAN.to_bits() | payload | 1 << 63];
        let mut seen = HashMap::new();
        for float in floats.into_iter().chain(nans.map(|bits| Bits(f64::from_bits(bits)))) {
            let before = *seen.entry(text(&float)).or_insert(float);
            prop_assert_eq!(before, float);
        }
    }

    #[test]
    fn plain_texts_have_the_same_key_exactly_if_they_are_equal(a in ".{0,220}", b in "[#\\\\{}a]{0,4}", c in "[#\\\\{}a]{0,4}") {
        prop_assert_eq!(plain_key("p:", &a), plain_key("p:", &a));
        prop_assert_eq!(plain_key("p:", &b) == plain_key("p:", &c), b == c);
    }
}
