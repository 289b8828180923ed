//! What a reader gets to see.

use serde::{Deserialize, Serialize};

use crate::entities::{member, tweet};

/// How many tweets a page shows.
pub const PAGE_TWEETS: u64 = 10;

/// A tweet with its author's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub id: i32,
    pub author_id: i32,
    pub author_name: String,
    pub body: String,
    pub edited: bool,
}

impl Item {
    pub fn new(tweet: tweet::Model, author_name: &str) -> Self {
        let tweet::Model { id, author_id, body, edited } = tweet;
        Self { id, author_id, author_name: author_name.to_owned(), body, edited }
    }
}

/// What somebody who is signed in asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub viewer: i32,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The newest tweets of everybody the viewer follows.
    Timeline,
    /// The same with the viewer's own.
    Home,
    /// A member, and their newest tweets.
    Profile { member: i32 },
    /// One tweet, and how many like it.
    Tweet { tweet: i32 },
}

/// The page: who looks at it, and what there is to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub viewer: Option<member::Model>,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Timeline { items: Vec<Item> },
    Profile { member: Option<member::Model>, followers: u64, items: Vec<Item> },
    Tweet { item: Option<Item>, likes: u64 },
}
