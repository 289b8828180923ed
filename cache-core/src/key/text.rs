//! The stack-first buffer that a key is written into.

use std::fmt;

use arrayvec::ArrayString;

/// Longer texts move to the heap. Most keys are a function's name, its version, and one or two numbers or short strings.
const STACK_BYTES: usize = 128;

/// Text that lives on the stack while it is short.
#[derive(Clone)]
pub(super) enum Text {
    Short(ArrayString<STACK_BYTES>),
    Long(String),
}

impl Default for Text {
    fn default() -> Self {
        Self::Short(ArrayString::new_const())
    }
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Short(short) => short,
            Self::Long(long) => long,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_str().len()
    }

    /// What was written since the length was `start`.
    pub(super) fn since(&self, start: usize) -> &str {
        self.as_str().get(start..).unwrap_or_default()
    }

    /// Drops what was written since the length was `start`.
    pub(super) fn truncate(&mut self, start: usize) {
        match self {
            Self::Short(short) => short.truncate(start),
            Self::Long(long) => long.truncate(start),
        }
    }

    #[inline]
    pub(super) fn push_str(&mut self, text: &str) {
        match self {
            Self::Short(short) => {
                if short.try_push_str(text).is_err() {
                    let mut long = String::with_capacity(2 * STACK_BYTES + text.len());
                    long.push_str(short);
                    long.push_str(text);
                    *self = Self::Long(long);
                }
            }
            Self::Long(long) => long.push_str(text),
        }
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
