//! The one error type of the crate.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

/// What went wrong in the cache itself.
///
/// Opaque, cheap to clone, and never returned from a read that the database has answered:
/// such faults become [events](crate::Event). Ask [`kind`](Error::kind) what sort of fault it was.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    text: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The sort of fault behind an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting has a value that cannot work; the text names the setting.
    Setting,
    /// The remote tier cannot be reached, or the connection broke.
    Unreachable,
    /// The remote tier did not answer within its deadline.
    Timeout,
    /// The remote tier answered, and refused (an ACL, a read-only replica, out of memory).
    Refused,
    /// Bytes from the remote tier are not what this version writes.
    Decode,
    /// A value or an argument could not be encoded.
    Encode,
    /// The cache was closed.
    Closed,
    /// A bounded resource (queue, batch, number of tags) is full.
    Full,
    /// The database failed while the cache was at work on it (outbox, write-behind).
    Database,
    /// The journal of write-behind could not be read or written.
    Journal,
}

impl ErrorKind {
    /// One word, for labels and fields.
    #[cfg_attr(not(any(feature = "metrics", feature = "tracing-spans")), expect(dead_code, reason = "no labels"))]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Decode => "decode",
            Self::Encode => "encode",
            Self::Closed => "closed",
            Self::Full => "full",
            Self::Database => "database",
            Self::Journal => "journal",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner { kind, text: text.into(), source: None }))
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        text: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner { kind, text: text.into(), source: Some(source.into()) }))
    }

    /// The sort of fault.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the remote tier was at fault: unreachable, too slow, or refusing.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Refused)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind).field("text", &self.0.text);
        if let Some(source) = &self.0.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
