//! Sample values for types that do not accept just any text, number or bytes.

/// Tried in this order. The first suits whoever takes any text, and most numbers in text.
pub(super) const TEXTS: &[&str] = &[
    "1",
    "00000000-0000-4000-8000-000000000001",
    "2001-01-01",
    "2001-01-01T00:00:00",
    "2001-01-01T00:00:00Z",
    "2001-01-01 00:00:00",
    "2001-01-01 00:00:00 UTC",
    "2001-01-01 00:00:00.0",
    "2001-01-01 00:00:00.0 +00:00:00",
    "00:00:00",
    "00:00:00.0",
    "+00:00",
    "+00:00:00",
    "Mon, 01 Jan 2001 00:00:00 +0000",
    "UTC",
    "Europe/Berlin",
    "PT1S",
    "1s",
    "",
    "a",
    "A",
    "true",
    "1.5",
    "1.0.0",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "[::1]:80",
    "127.0.0.0/8",
    "00:00:00:00:00:01",
    "http://a.example/",
    "a@b.example",
    "a.example",
    "/",
    "00",
    "0x00",
    "0000000000000000",
    "00000000000000000000000000000000",
    "00000000000000000000000001",
    "000000000000000000000000",
    "#000000",
    "AAAA",
    "{}",
    "[]",
    "USD",
    "US",
    "en",
    "en-US",
    "+12025550123",
    "text/plain",
    "Monday",
    "January",
];

/// One first: most types that check a number refuse zero or a large one.
pub(super) const INTEGERS: &[i8] = &[1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 20, 30, 32, 50, 64, 100, -1];

pub(super) const FLOATS: &[f32] = &[1.0, 0.0, 0.5, -1.0, 100.0];

pub(super) const CHARS: &[char] = &['a', 'A', '0', '1', '+', ' '];

/// Lengths of byte strings: UUIDs, hashes, keys, addresses, object ids.
pub(super) const LENGTHS: &[usize] = &[16, 0, 1, 2, 4, 6, 8, 12, 20, 24, 28, 32, 48, 64];

pub(super) const ZEROS: &[u8] = &[0; 64];
