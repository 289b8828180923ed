use crate::{error::*, policy::*, tag::Tag};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Cow, time::Duration};
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    pub kind: CompressionKind,
    pub threshold_bytes: usize,
}
#[derive(serde::Serialize, serde::Deserialize, Clone)]
pub struct Header<'a> {
    pub codec: CodecKind,
    pub schema: u64,
    pub created_unix_ms: u64,
    pub expires_unix_ms: u64,
    pub load_cost: Duration,
    pub negative: bool,
    #[serde(skip)]
    pub tags: Cow<'a, [(Tag, u64)]>,
}
pub struct Envelope<'a> {
    h: Header<'a>,
    p: Vec<u8>,
}
impl<'a> Envelope<'a> {
    pub fn parse(b: &'a [u8]) -> Result<Self, Error> {
        let (mut h, t, p): (Header<'static>, Vec<(String, u64)>, Vec<u8>) =
            rmp_serde::from_slice(b).map_err(|e| Error::with_source(ErrorKind::Decode, "x", e))?;
        h.tags = t.into_iter().map(|(a, b)| (Tag::from_canonical(&a), b)).collect::<Vec<_>>().into();
        Ok(Self { h, p })
    }
    pub fn header(&self) -> &Header<'a> {
        &self.h
    }
}
pub struct Wire<T> {
    pub encode: fn(&Header<'_>, &T, Compression) -> Result<Vec<u8>, Error>,
    pub decode: fn(&Envelope<'_>) -> Result<T, Error>,
    pub schema: fn() -> u64,
}
impl<T: Serialize + DeserializeOwned + 'static> Wire<T> {
    pub const SERDE: &'static Self = &Self {
        encode: |h, v, _| {
            let p = rmp_serde::to_vec_named(v).unwrap();
            let t: Vec<(String, u64)> = h.tags.iter().map(|(a, b)| (a.as_str().to_owned(), *b)).collect();
            Ok(rmp_serde::to_vec(&(h.clone(), t, p)).unwrap())
        },
        decode: |e| rmp_serde::from_slice(&e.p).map_err(|e| Error::with_source(ErrorKind::Decode, "x", e)),
        schema: || 7,
    };
}
