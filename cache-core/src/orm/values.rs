//! The canonical text of a column's value.
//!
//! A value becomes part of a tag only if every value that some database would call equal to it gets the same text. Where that
//! cannot be promised the value is [`Loose`](Canonical::Loose), and its reader or writer uses a coarser tag.

use sea_orm::{
    ColumnType, Value,
    sea_query::{OptionEnum, StringLen},
};

/// How the values of a column are compared, as far as tags are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnClass {
    /// An integer of so many bits. Values that do not fit are loose: a lenient database stores another one in their place.
    Int {
        /// The width.
        bits: u8,
        /// Whether negative values exist.
        signed: bool,
    },
    /// A truth value, which most databases keep as 0 or 1.
    Bool,
    /// Text of at most so many characters; longer values are loose (a lenient database cuts them).
    Text {
        /// The length declared, if any.
        chars_max: Option<u32>,
    },
    /// A UUID, as bytes, text or a type of its own.
    Uuid,
    /// A calendar date.
    Date,
    /// Everything else (floats, decimals, times, blobs, JSON, arrays): always loose.
    Other,
}

impl ColumnClass {
    /// The class of a column that SeaORM declares with this type.
    #[must_use]
    pub fn of(column_type: &ColumnType) -> Self {
        match column_type {
            ColumnType::TinyInteger => Self::Int { bits: 8, signed: true },
            ColumnType::SmallInteger => Self::Int { bits: 16, signed: true },
            ColumnType::Integer => Self::Int { bits: 32, signed: true },
            ColumnType::BigInteger => Self::Int { bits: 64, signed: true },
            ColumnType::TinyUnsigned => Self::Int { bits: 8, signed: false },
            ColumnType::SmallUnsigned => Self::Int { bits: 16, signed: false },
            ColumnType::Unsigned => Self::Int { bits: 32, signed: false },
            ColumnType::BigUnsigned => Self::Int { bits: 64, signed: false },
            ColumnType::Boolean => Self::Bool,
            ColumnType::Char(length) => Self::Text { chars_max: Some(length.unwrap_or(1)) },
            // 255 is what sea-query's MySQL builder declares for a string without a length.
            ColumnType::String(StringLen::None) => Self::Text { chars_max: Some(255) },
            ColumnType::String(StringLen::N(length)) => Self::Text { chars_max: Some(*length) },
            ColumnType::String(StringLen::Max) | ColumnType::Text | ColumnType::Enum { .. } => {
                Self::Text { chars_max: None }
            }
            ColumnType::Uuid => Self::Uuid,
            ColumnType::Date => Self::Date,
            _ => Self::Other,
        }
    }

    /// Whether any value of the column has a canonical text.
    #[must_use]
    pub fn is_precise(self) -> bool {
        self != Self::Other
    }
}

/// A constant in an SQL text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// A whole number.
    Int(i128),
    /// `'..'` without escapes.
    Text(String),
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// `NULL`.
    Null,
}

/// What a value is for a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Canonical {
    /// Equal values have this text.
    Exact(String),
    /// No value: equal to nothing.
    Null,
    /// Nothing can be promised.
    Loose,
}

impl Canonical {
    /// The text, if equal values are sure to share it.
    pub(crate) fn exact(self) -> Option<String> {
        match self {
            Self::Exact(text) => Some(text),
            Self::Null | Self::Loose => None,
        }
    }
}

/// The canonical form of a bound value, compared with or stored in a column of `class`.
pub(crate) fn of_value(class: ColumnClass, value: &Value) -> Canonical {
    match value {
        Value::Bool(value) => optional(*value, |value| of_bool(class, value)),
        Value::TinyInt(value) => optional(*value, |value| of_int(class, value.into())),
        Value::SmallInt(value) => optional(*value, |value| of_int(class, value.into())),
        Value::Int(value) => optional(*value, |value| of_int(class, value.into())),
        Value::BigInt(value) => optional(*value, |value| of_int(class, value.into())),
        Value::TinyUnsigned(value) => optional(*value, |value| of_int(class, value.into())),
        Value::SmallUnsigned(value) => optional(*value, |value| of_int(class, value.into())),
        Value::Unsigned(value) => optional(*value, |value| of_int(class, value.into())),
        Value::BigUnsigned(value) => optional(*value, |value| of_int(class, value.into())),
        Value::String(value) => optional(value.as_deref(), |value| of_text(class, value)),
        Value::Char(value) => optional(*value, |value| of_text(class, value.encode_utf8(&mut [0; 4]))),
        Value::Enum(OptionEnum::Some(value)) => of_text(class, &value.value),
        Value::Enum(OptionEnum::None(_)) => Canonical::Null,
        Value::Bytes(value) => optional(value.as_deref(), |value| of_bytes(class, value)),
        Value::Float(None) | Value::Double(None) => Canonical::Null,
        Value::Float(_) | Value::Double(_) => Canonical::Loose,
        // UUIDs and dates are variants that exist only with SeaORM's features, which this crate must not switch on.
        // Their SQL text tells them all the same.
        #[allow(unreachable_patterns)]
        other => match class {
            ColumnClass::Uuid | ColumnClass::Date => {
                let text = other.to_string();
                match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
                    Some(text) => of_text(class, text),
                    None if text == "NULL" => Canonical::Null,
                    None => Canonical::Loose,
                }
            }
            _ => Canonical::Loose,
        },
    }
}

/// The canonical form of a constant.
pub(crate) fn of_literal(class: ColumnClass, literal: &Literal) -> Canonical {
    match literal {
        Literal::Int(value) => of_int(class, *value),
        Literal::Text(value) => of_text(class, value),
        Literal::Bool(value) => of_bool(class, *value),
        Literal::Null => Canonical::Null,
    }
}

/// The canonical form of what a column holds, as the text that [`Preimage`](super::analysis::Preimage) asks the database for.
pub(crate) fn of_stored(class: ColumnClass, text: &str) -> Canonical {
    match class {
        ColumnClass::Int { .. } | ColumnClass::Bool => match text.parse() {
            Ok(value) => of_int(class, value),
            Err(_) => Canonical::Loose,
        },
        ColumnClass::Uuid if text.len() > 36 => match from_hex(text).and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => of_text(class, &text),
            None => Canonical::Loose,
        },
        _ => of_text(class, text),
    }
}

fn optional<T>(value: Option<T>, canonical: impl FnOnce(T) -> Canonical) -> Canonical {
    value.map_or(Canonical::Null, canonical)
}

fn of_bool(class: ColumnClass, value: bool) -> Canonical {
    of_int(class, value.into())
}

fn of_int(class: ColumnClass, value: i128) -> Canonical {
    let range = match class {
        ColumnClass::Int { bits, signed: true } => {
            let half = 1_i128 << (bits.clamp(1, 64) - 1);
            -half..=half - 1
        }
        ColumnClass::Int { bits, signed: false } => 0..=(1_i128 << bits.min(64)) - 1,
        ColumnClass::Bool => i128::from(i8::MIN)..=i128::from(i8::MAX),
        // A text column compared with a number is compared as a number: '7' and '07' are the same.
        _ => return Canonical::Loose,
    };
    if range.contains(&value) { Canonical::Exact(value.to_string()) } else { Canonical::Loose }
}

/// MySQL compares a text with an integer column as doubles, which are exact up to 2^53.
const DOUBLE_EXACT_MAX: i128 = 1 << 53;

fn of_text(class: ColumnClass, value: &str) -> Canonical {
    match class {
        ColumnClass::Int { .. } | ColumnClass::Bool => match value.parse::<i128>() {
            Ok(number) if number.to_string() == value && number.abs() <= DOUBLE_EXACT_MAX => of_int(class, number),
            _ => Canonical::Loose,
        },
        ColumnClass::Text { chars_max } => folded(value, chars_max),
        ColumnClass::Uuid => uuid_text(value).map_or(Canonical::Loose, Canonical::Exact),
        ColumnClass::Date if is_date(value) => Canonical::Exact(value.to_owned()),
        ColumnClass::Date | ColumnClass::Other => Canonical::Loose,
    }
}

/// Collations differ in case, in trailing spaces, and in everything beyond plain characters: those are folded or refused.
fn folded(value: &str, chars_max: Option<u32>) -> Canonical {
    let value = value.trim_end_matches(' ');
    let plain = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@' | b'+' | b':' | b'/' | b'-'));
    let fits = chars_max.is_none_or(|most| u32::try_from(value.len()).is_ok_and(|length| length <= most));
    if plain && fits { Canonical::Exact(value.to_ascii_lowercase()) } else { Canonical::Loose }
}

fn of_bytes(class: ColumnClass, value: &[u8]) -> Canonical {
    match class {
        ColumnClass::Uuid if value.len() == 16 => Canonical::Exact(hyphenated(&hex_of(value))),
        _ => Canonical::Loose,
    }
}

/// Any spelling that PostgreSQL accepts, as the usual one: digits with hyphens anywhere, maybe in braces.
fn uuid_text(value: &str) -> Option<String> {
    let inner = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(value);
    let digits: String = inner.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    (digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| hyphenated(&digits))
}

/// 32 hexadecimal digits in groups of 8, 4, 4, 4, 12.
fn hyphenated(digits: &str) -> String {
    let mut text = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

fn hex_of(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<Vec<_>>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect())
}

/// `YYYY-MM-DD`, the one spelling that is compared as text and as a date alike.
fn is_date(value: &str) -> bool {
    value.len() == 10
        && value.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: ColumnClass = ColumnClass::Int { bits: 32, signed: true };
    const BIG: ColumnClass = ColumnClass::Int { bits: 64, signed: false };
    const TEXT: ColumnClass = ColumnClass::Text { chars_max: Some(8) };

    fn exact(text: &str) -> Canonical {
        Canonical::Exact(text.to_owned())
    }

    #[test]
    fn every_width_of_an_integer_has_one_text() {
        for value in
            [Value::from(7_i8), 7_i16.into(), 7_i32.into(), 7_i64.into(), 7_u8.into(), 7_u64.into(), "7".into()]
        {
            assert_eq!(of_value(INT, &value), exact("7"), "{value:?}");
        }
        assert_eq!(of_value(INT, &true.into()), exact("1"));
        assert_eq!(of_value(BIG, &u64::MAX.into()), exact("18446744073709551615"));
        assert_eq!(of_literal(INT, &Literal::Int(-0)), exact("0"));
    }

    #[test]
    fn what_a_lenient_database_would_coerce_is_loose() {
        for value in [Value::from("07"), " 7".into(), "7abc".into(), "7.0".into(), "-0".into(), 7.0_f64.into()] {
            assert_eq!(of_value(INT, &value), Canonical::Loose, "{value:?}");
        }
        assert_eq!(
            of_value(INT, &i64::MAX.into()),
            Canonical::Loose,
            "MySQL without strict mode stores the largest int"
        );
        assert_eq!(of_value(BIG, &(-1_i64).into()), Canonical::Loose);
        assert_eq!(of_value(BIG, &"9007199254740993".into()), Canonical::Loose, "compared as a double");
        assert_eq!(of_value(TEXT, &7_i32.into()), Canonical::Loose, "'7' = 7 and '07' = 7");
        assert_eq!(of_value(TEXT, &"123456789".into()), Canonical::Loose, "cut to eight characters");
        assert_eq!(of_value(ColumnClass::Other, &7_i32.into()), Canonical::Loose);
    }

    #[test]
    fn text_is_folded_as_far_as_any_collation_folds_it() {
        assert_eq!(of_value(TEXT, &"Ab-1  ".into()), exact("ab-1"));
        assert_eq!(of_value(TEXT, &'X'.into()), exact("x"));
        for value in ["é", "a b", "ß", "a\t", "a\u{200b}", "%"] {
            assert_eq!(of_value(TEXT, &value.into()), Canonical::Loose, "{value:?}");
        }
    }

    #[test]
    fn null_is_not_a_value() {
        assert_eq!(of_value(INT, &Value::Int(None)), Canonical::Null);
        assert_eq!(of_value(TEXT, &Value::String(None)), Canonical::Null);
        assert_eq!(of_literal(INT, &Literal::Null), Canonical::Null);
    }

    #[test]
    fn a_uuid_is_the_same_in_every_spelling() {
        let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let bytes = from_hex(&text.replace('-', "")).expect("hex");
        assert_eq!(of_value(ColumnClass::Uuid, &text.into()), exact(text));
        assert_eq!(of_value(ColumnClass::Uuid, &text.to_uppercase().into()), exact(text));
        assert_eq!(of_value(ColumnClass::Uuid, &format!("{{{text}}}").into()), exact(text));
        assert_eq!(of_value(ColumnClass::Uuid, &bytes.clone().into()), exact(text));
        assert_eq!(of_stored(ColumnClass::Uuid, &hex_of(&bytes).to_uppercase()), exact(text));
        assert_eq!(of_stored(ColumnClass::Uuid, &hex_of(text.as_bytes())), exact(text), "text behind HEX()");
        assert_eq!(of_value(ColumnClass::Uuid, &"abcdefghijklmnop".into()), Canonical::Loose, "16 bytes as text");
    }

    #[test]
    fn a_date_has_one_spelling() {
        assert_eq!(of_value(ColumnClass::Date, &"2024-02-29".into()), exact("2024-02-29"));
        assert_eq!(of_value(ColumnClass::Date, &"2024-2-29".into()), Canonical::Loose);
        assert_eq!(of_value(ColumnClass::Date, &"2024-02-29 00:00:00".into()), Canonical::Loose);
    }
}
