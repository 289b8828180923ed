//! The buffer that a key is written into.

use std::{cell::Cell, fmt};

/// Room for most keys: a function's name, its version, and one or two numbers or short strings.
const ROOM_BYTES: usize = 128;

/// A buffer that has grown beyond this is not kept for the next key.
const SPARE_BYTES_MAX: usize = 4 * ROOM_BYTES;

thread_local! {
    /// The buffer of this thread's last key, for its next one: a key that lives for a call costs no allocation.
    static SPARE: Cell<String> = const { Cell::new(String::new()) };
}

/// Text that is cheap to make and cheap to move.
pub(super) struct Text(String);

impl Default for Text {
    #[inline]
    fn default() -> Self {
        let mut text = SPARE.try_with(Cell::take).unwrap_or_default();
        text.clear();
        text.reserve(ROOM_BYTES);
        Self(text)
    }
}

impl Drop for Text {
    #[inline]
    fn drop(&mut self) {
        if self.0.capacity() <= SPARE_BYTES_MAX {
            let spare = std::mem::take(&mut self.0);
            // A thread that ends has no use for it.
            let _kept = SPARE.try_with(|place| drop(place.replace(spare)));
        }
    }
}

impl Clone for Text {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.push_str(self.as_str());
        copy
    }
}

impl Text {
    #[inline]
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What was written since the length was `start`.
    #[inline]
    pub(super) fn since(&self, start: usize) -> &str {
        self.as_str().get(start..).unwrap_or_default()
    }

    /// Drops what was written since the length was `start`.
    pub(super) fn truncate(&mut self, start: usize) {
        self.0.truncate(start);
    }

    #[inline]
    pub(super) fn push_str(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub(super) fn push_hex(&mut self, bytes: &[u8]) {
        const DIGITS: &str = "0123456789abcdef";
        for byte in bytes {
            for nibble in [usize::from(byte >> 4), usize::from(byte & 15)] {
                self.push_str(DIGITS.get(nibble..=nibble).unwrap_or_default());
            }
        }
    }

    /// A prefix goes in as it is, but for the braces that would name a hash slot.
    pub(super) fn push_prefix(&mut self, prefix: &str) {
        if prefix.bytes().any(|byte| matches!(byte, b'{' | b'}')) {
            self.push_escaped(prefix, None);
        } else {
            self.push_str(prefix);
        }
    }

    /// Text between `quote`s (or none), with JSON's escapes for control characters, backslashes, the quote, and braces.
    pub(super) fn push_escaped(&mut self, text: &str, quote: Option<u8>) {
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            // Every byte of a character outside ASCII is above 0x7f, so a cut before or after an ASCII byte is a boundary.
            let plain = byte >= 0x20 && byte != 0x7f && !matches!(byte, b'\\' | b'{' | b'}') && Some(byte) != quote;
            if !plain {
                self.push_str(text.get(from..at).unwrap_or_default());
                self.push_escape(byte);
                from = at + 1;
            }
        }
        self.push_str(text.get(from..).unwrap_or_default());
    }

    fn push_escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.push_str("\\\""),
            b'\'' => self.push_str("\\'"),
            b'\\' => self.push_str("\\\\"),
            b'\n' => self.push_str("\\n"),
            b'\r' => self.push_str("\\r"),
            b'\t' => self.push_str("\\t"),
            _ => {
                self.push_str("\\u00");
                self.push_hex(&[byte]);
            }
        }
    }

    /// The name of a variant or a field: bare where it reads as a word of its own, else quoted behind `@`.
    pub(super) fn push_name(&mut self, name: &str) {
        let mut bytes = name.bytes();
        let bare = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            && !matches!(name, "null" | "true" | "false" | "inf" | "nan");
        if bare {
            self.push_str(name);
        } else {
            self.push_str("@\"");
            self.push_escaped(name, Some(b'"'));
            self.push_str("\"");
        }
    }
}

/// Lets `Display` write into a string that is being quoted, without a `String` between.
pub(super) struct Quoted<'a>(pub(super) &'a mut Text);

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_escaped(text, Some(b'"'));
        Ok(())
    }
}
