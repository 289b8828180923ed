use std::{
    collections::{BTreeMap, HashMap},
    error::Error as _,
};

use proptest::{collection, option, prelude::*};
use serde::{Deserialize, Deserializer, Serializer};

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Model {
    id: i64,
    name: String,
    score: f64,
    ratio: f32,
    kind: Kind,
    uuid: uuid::Uuid,
    at: chrono::DateTime<chrono::Utc>,
    wide: (i128, u128),
    letter: char,
    blob: Blob,
    parent: Option<Box<Model>>,
    words: Vec<String>,
    by_number: BTreeMap<i32, Option<u8>>,
    unit: (),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Level(u16),
    Pair(bool, String),
    Range { from: i8, to: Option<i8> },
}

/// Bytes as serde's byte strings.
#[derive(Clone, Debug, PartialEq)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> serde::de::Visitor<'de> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut access: A) -> Result<Blob, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = access.next_element()? {
                    bytes.push(byte);
                }
                Ok(Blob(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// Another structure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Other {
    id: i64,
}

fn codecs() -> Vec<CodecKind> {
    [CodecKind::MessagePack, CodecKind::Json, CodecKind::Postcard]
        .into_iter()
        .filter(|codec| codec::check_compiled(*codec).is_ok())
        .collect()
}

fn compressions() -> Vec<Compression> {
    [CompressionKind::None, CompressionKind::Lz4, CompressionKind::Zstd]
        .into_iter()
        .filter(|kind| codec::check_compression_compiled(*kind).is_ok())
        .map(|kind| Compression { kind, threshold_bytes: 16 })
        .collect()
}

fn header<T: serde::de::DeserializeOwned + 'static>(codec: CodecKind) -> Header<'static> {
    Header {
        codec,
        schema: schema_id::<T>(),
        created_unix_ms: 1_700_000_000_000,
        expires_unix_ms: 1_700_000_300_000,
        load_cost: Duration::from_micros(1234),
        negative: false,
        tags: Cow::Owned(vec![(Tag::row("user", &["7"]), u64::MAX), (Tag::named("a\"\\b"), 1), (Tag::all(), 2)]),
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Plain),
        any::<u16>().prop_map(Kind::Level),
        (any::<bool>(), any::<String>()).prop_map(|(a, b)| Kind::Pair(a, b)),
        (any::<i8>(), any::<Option<i8>>()).prop_map(|(from, to)| Kind::Range { from, to }),
    ]
}

fn model() -> impl Strategy<Value = Model> {
    (lone_model(), option::of(lone_model())).prop_map(|(model, parent)| Model { parent: parent.map(Box::new), ..model })
}

fn lone_model() -> impl Strategy<Value = Model> {
    (
        (any::<i64>(), any::<String>(), any::<f64>(), any::<f32>(), kind(), any::<u128>(), 0..4_000_000_000_000_i64),
        (any::<(i128, u128)>(), any::<char>(), any::<Vec<u8>>(), collection::vec("[a-z]{0,40}", 0..8)),
        collection::btree_map(any::<i32>(), any::<Option<u8>>(), 0..4),
    )
        .prop_map(|((id, name, score, ratio, kind, uuid, at), (wide, letter, blob, words), by_number)| Model {
            id,
            name,
            score,
            ratio,
            kind,
            uuid: uuid::Uuid::from_u128(uuid),
            at: chrono::DateTime::from_timestamp_millis(at).unwrap_or_default(),
            wide,
            letter,
            blob: Blob(blob),
            parent: None,
            words,
            by_number,
            unit: (),
        })
}

fn any_header() -> impl Strategy<Value = Header<'static>> {
    let tags = collection::vec((any::<String>().prop_map(|name| Tag::named(&name)), any::<u64>()), 0..5);
    (any::<[u64; 3]>(), any::<u32>(), any::<bool>(), tags).prop_map(
        |([schema, created, expires], cost, negative, tags)| Header {
            codec: CodecKind::MessagePack,
            schema,
            created_unix_ms: created,
            expires_unix_ms: expires,
            load_cost: Duration::from_micros(cost.into()),
            negative,
            tags: Cow::Owned(tags),
        },
    )
}

proptest! {
    #[test]
    fn an_entry_reads_back_as_it_was_written(header in any_header(), model in model()) {
        for codec in codecs() {
            for compression in compressions() {
                let header = Header { codec, ..header.clone() };
                let bytes = (Wire::<Model>::SERDE.encode)(&header, &model, compression).unwrap();
                let envelope = Envelope::parse(&bytes).unwrap();
                prop_assert_eq!(envelope.header(), &header);
                let read = (Wire::<Model>::SERDE.decode)(&envelope).unwrap();
                prop_assert_eq!(read, model.clone(), "{:?} {:?}", codec, compression);
            }
        }
    }

    #[test]
    fn floats_keep_their_bits(bits in any::<u64>(), small in any::<u32>()) {
        let value = (f64::from_bits(bits), f32::from_bits(small));
        for codec in codecs() {
            match encode_envelope(&header::<(f64, f32)>(codec), &value, Compression::default()) {
                Ok(bytes) => {
                    let read: (f64, f32) = Envelope::parse(&bytes).unwrap().decode().unwrap();
                    prop_assert_eq!((read.0.to_bits(), read.1.to_bits()), (value.0.to_bits(), value.1.to_bits()));
                }
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Encode);
                    prop_assert!(codec == CodecKind::Json && !(value.0.is_finite() && value.1.is_finite()));
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_an_error(bytes in any::<Vec<u8>>(), start in 0_usize..4) {
        let starts: [&[u8]; 4] = [b"", b"soc\x01", b"{\"checksum\":\"", b"{"];
        let bytes = [starts[start], &bytes].concat();
        prop_assert_eq!(Envelope::parse(&bytes).unwrap_err().kind(), ErrorKind::Decode);
    }

    /// Past the checksum: what a broken writer, or somebody with access to Redis, could have stored.
    #[test]
    fn arbitrary_bytes_with_a_right_checksum_do_not_panic(
        bytes in any::<Vec<u8>>(),
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        model in model(),
        codec in prop::sample::select(codecs()),
        compression in prop::sample::select(compressions()),
    ) {
        let mut changed = encode_envelope(&header::<Model>(codec), &model, compression).unwrap();
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        for bytes in [[b"soc\x01xxxxxxxx", &bytes[..]].concat(), [b"{\"checksum\":\"xxxxxxxxxxxxxxxx\",", &bytes[..]].concat(), changed] {
            let bytes = with_right_checksum(bytes);
            match Envelope::parse(&bytes).and_then(|envelope| envelope.decode::<Model>()) {
                Ok(_) => {}
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Decode),
            }
        }
    }

    #[test]
    fn every_change_of_the_bytes_is_found(
        model in model(),
        codec in prop::sample::select(codecs()),
        compression in prop::sample::select(compressions()),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = encode_envelope(&header::<Model>(codec), &model, compression).unwrap();
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= flip;
        prop_assert_eq!(Envelope::parse(&flipped).unwrap_err().kind(), ErrorKind::Decode);
        prop_assert_eq!(Envelope::parse(&bytes[..cut.index(bytes.len())]).unwrap_err().kind(), ErrorKind::Decode);
        let longer = [&bytes[..], &[flip]].concat();
        prop_assert_eq!(Envelope::parse(&longer).unwrap_err().kind(), ErrorKind::Decode);
    }

    #[test]
    fn no_value_is_read_as_another_type(
        model in model(),
        codec in prop::sample::select(codecs()),
        compression in prop::sample::select(compressions()),
    ) {
        let bytes = encode_envelope(&header::<Model>(codec), &model, compression).unwrap();
        let envelope = Envelope::parse(&bytes).unwrap();
        prop_assert_eq!(envelope.decode::<Other>().unwrap_err().kind(), ErrorKind::Decode);
        prop_assert_eq!(envelope.decode::<Option<Model>>().unwrap_err().kind(), ErrorKind::Decode);
        prop_assert_eq!(envelope.decode::<serde_json::Value>().unwrap_err().kind(), ErrorKind::Decode);
    }
}

/// Puts the checksum right, if the bytes are long enough to have one.
fn with_right_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    use xxhash_rust::xxh3::xxh3_64;
    if bytes.starts_with(b"soc") && bytes.len() >= 12 {
        let sum = xxh3_64(&bytes[12..]).to_le_bytes();
        bytes[4..12].copy_from_slice(&sum);
    } else if bytes.starts_with(b"{") && bytes.len() >= 31 {
        let sum = format!("{:016x}", xxh3_64(&bytes[31..]));
        bytes[13..29].copy_from_slice(sum.as_bytes());
    }
    bytes
}

#[test]
fn a_checksum_that_was_put_right_hides_a_change() {
    let bytes =
        encode_envelope(&header::<Other>(CodecKind::MessagePack), &Other { id: 7 }, Compression::default()).unwrap();
    assert_eq!(with_right_checksum(bytes.clone()), bytes, "the helper above knows where the checksum is");
}

#[test]
fn a_compressed_entry_is_smaller() {
    let value = vec!["the same again".to_owned(); 200];
    for codec in codecs().into_iter().filter(|codec| *codec != CodecKind::Json) {
        let plain = encode_envelope(&header::<Vec<String>>(codec), &value, Compression::default()).unwrap();
        for compression in compressions().into_iter().filter(|it| it.kind != CompressionKind::None) {
            let small = encode_envelope(&header::<Vec<String>>(codec), &value, compression).unwrap();
            assert!(small.len() * 5 < plain.len(), "{codec:?} {compression:?}");
            let high = Compression { threshold_bytes: 1_000_000, ..compression };
            let untouched = encode_envelope(&header::<Vec<String>>(codec), &value, high).unwrap();
            assert!(untouched.len() >= plain.len(), "{codec:?} {compression:?}");
        }
    }
}

#[cfg(feature = "codec-json")]
#[test]
fn a_json_entry_is_one_readable_document() {
    let header = Header {
        schema: 5,
        tags: Cow::Owned(vec![(Tag::row("user", &["7"]), 4), (Tag::all(), 5)]),
        ..header::<Other>(CodecKind::Json)
    };
    let compression = Compression { kind: CompressionKind::None, threshold_bytes: 0 };
    let text = String::from_utf8(encode_envelope(&header, &Other { id: 7 }, compression).unwrap()).unwrap();
    let (checksum, rest) = text.split_at(31);
    assert!(checksum.starts_with("{\"checksum\":\""), "{checksum}");
    assert_eq!(
        rest,
        "\"format\":1,\"codec\":\"json\",\"schema\":5,\"structure\":STRUCTURE,\"created_unix_ms\":1700000000000,\
         \"expires_unix_ms\":1700000300000,\"load_cost_us\":1234,\"negative\":false,\
         \"tags\":[[\"user:7\",4],[\"*\",5]],\"value\":{\"id\":7}}"
            .replace("STRUCTURE", &schema_id::<Other>().to_string())
    );
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["value"]["id"], 7);
}

#[test]
fn another_format_version_is_an_error_that_says_so() {
    let mut bytes =
        encode_envelope(&header::<Other>(CodecKind::MessagePack), &Other { id: 7 }, Compression::default()).unwrap();
    bytes[3] = 9;
    let error = Envelope::parse(&bytes).unwrap_err();
    assert!(error.to_string().contains("format version 9"), "{error}");
}

#[test]
fn a_codec_that_is_not_built_in_is_a_setting_error() {
    for (codec, feature) in [(CodecKind::Json, "codec-json"), (CodecKind::Postcard, "codec-postcard")] {
        let written = encode_envelope(&header::<Other>(codec), &Other { id: 7 }, Compression::default());
        if codecs().contains(&codec) {
            assert!(written.is_ok());
        } else {
            let error = written.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Setting);
            assert!(error.to_string().contains(feature));
        }
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Refusing(String);

#[test]
fn a_value_that_cannot_be_encoded_is_an_error_with_its_cause() {
    let value = Some(None::<u8>);
    for codec in codecs() {
        let written = encode_envelope(&header::<Option<Option<u8>>>(codec), &value, Compression::default());
        if codec == CodecKind::Postcard {
            let bytes = written.unwrap();
            assert_eq!(Envelope::parse(&bytes).unwrap().decode::<Option<Option<u8>>>().unwrap(), value);
        } else {
            let error = written.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Encode);
            assert!(error.source().unwrap().to_string().contains("Some(None)"));
        }
    }
}

#[test]
fn the_value_of_another_type_with_the_same_structure_id_is_still_an_error() {
    type Wanted = HashMap<String, Vec<bool>>;
    for codec in codecs() {
        // A collision of ids, or a type whose structure cannot be seen.
        let (header, value, id) = (header::<Wanted>(codec), Refusing("x".repeat(9)), schema_id::<Wanted>());
        let bytes = match codec {
            #[cfg(feature = "codec-json")]
            CodecKind::Json => json::write(&header, id, &value),
            _ => binary::write(&header, id, &value, Compression::default()),
        };
        let error = Envelope::parse(&bytes.unwrap()).unwrap().decode::<Wanted>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.source().is_some());
    }
}
