//! What the toolkit asks of a store: one trait for each of its types.
//!
//! Every method is one round trip with a deadline of its own, atomic for the object it is about, and fails with an
//! [`Error`](crate::error::Error) whose `is_remote()` holds. Whatever is stored ends by itself.

pub mod boards;
pub mod events;
pub mod feeds;
pub mod limits;
pub mod sessions;
pub mod values;

/// One object of the toolkit.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The name of the instance: 1 to 64 of `A-Z a-z 0-9 - _ .`.
    pub name: &'a str,
    /// The object's own text; any.
    pub id: &'a str,
}

impl Place<'_> {
    /// Both in one text. Injective, since a name has no colon.
    #[must_use]
    pub fn text(&self) -> String {
        [self.name, ":", self.id].concat()
    }
}

/// Everything that a store of the toolkit can do.
pub trait ToolStore:
    sessions::SessionStore
    + limits::LimitStore
    + feeds::FeedStore
    + boards::BoardStore
    + events::EventStore
    + values::ValueStore
    + Send
    + Sync
    + 'static
{
}
