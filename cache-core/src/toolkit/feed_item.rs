//! What a feed holds, and how it is paged through.

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::{
    error::{Error, ErrorKind},
    ports::toolkit::feeds::{After, Scored},
    toolkit::common::{check_id, refused, takes_score},
};

/// One item of a feed: a post.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedItem {
    /// The item's id, as in the database.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// What feeds are ordered by, high to low: as a rule the time of writing in milliseconds. Items of one score are ordered by author and id.
    pub score: f64,
}

/// One page of a feed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FeedPage {
    /// The items, newest first.
    pub items: Vec<FeedItem>,
    /// Where the next page begins; `None` if there is no more in the store.
    pub next: Option<FeedCursor>,
    /// Set where the store's knowledge ends but the feed does not, because it is longer than the capacity: go on in the database, below this.
    pub beyond: Option<FeedCursor>,
    /// Whether the feed was in the store, loaded. If not, the items are the loader's own.
    pub warm: bool,
}

/// A place in a feed, right after an item. Its text is for URLs.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedCursor {
    score: f64,
    member: String,
}

/// What became of a published item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Feeds of followers it was put into: those that are in the store.
    pub feeds: u64,
    /// The author has so many followers that feeds are merged with the author's own list when they are read.
    pub merged_at_read: bool,
}

impl FeedItem {
    /// An item.
    pub fn new(id: impl Into<String>, author: impl Into<String>, score: f64) -> Self {
        Self { id: id.into(), author: author.into(), score }
    }

    /// The cursor right after this item.
    #[must_use]
    pub fn cursor(&self) -> FeedCursor {
        FeedCursor { score: self.score, member: member(&self.author, &self.id) }
    }

    pub(super) fn scored(&self) -> Result<Scored, Error> {
        check_id(&self.id)?;
        check_id(&self.author)?;
        if !takes_score(self.score) {
            return Err(refused(format!("a score of {}: feeds take from -1e300 to 1e300", self.score)));
        }
        Ok(Scored { member: member(&self.author, &self.id), score: self.score })
    }

    pub(super) fn of(scored: &Scored) -> Option<Self> {
        let (bytes, rest) = scored.member.split_once(':')?;
        let (author, id) = rest.split_at_checked(bytes.parse().ok()?)?;
        Some(Self::new(id, author, scored.score))
    }

    /// Newest first.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.cursor().order(&other.cursor())
    }
}

/// The author's length comes first, so that all items of an author, and no others, begin alike.
pub(super) fn member(author: &str, id: &str) -> String {
    format!("{}:{author}{id}", author.len())
}

impl FeedCursor {
    /// The score of the last item seen.
    #[must_use]
    pub fn score(&self) -> f64 {
        self.score
    }

    /// The last item seen.
    #[must_use]
    pub fn item(&self) -> Option<FeedItem> {
        FeedItem::of(&Scored { member: self.member.clone(), score: self.score })
    }

    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| other.member.cmp(&self.member))
    }

    pub(super) fn after(&self) -> After {
        After { score: self.score, member: self.member.clone() }
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.score.to_bits())?;
        self.member.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for FeedCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::new(ErrorKind::Decode, "not a cursor of a feed");
        if text.len() < 16 || !text.len().is_multiple_of(2) || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let (score, member) = text.split_at_checked(16).ok_or_else(wrong)?;
        let score = u64::from_str_radix(score, 16).map(f64::from_bits).map_err(|_| wrong())?;
        if !takes_score(score) {
            return Err(wrong());
        }
        let digits = |at| member.get(at..at + 2).and_then(|two: &str| u8::from_str_radix(two, 16).ok());
        let bytes = (0..member.len()).step_by(2).map(digits).collect::<Option<Vec<u8>>>().ok_or_else(wrong)?;
        let member = String::from_utf8(bytes).map_err(|_| wrong())?;
        Ok(Self { score, member })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_back_from_its_member_whatever_its_text() {
        for (id, author) in [("1", "7"), ("", ""), ("1:2", "a:b"), ("ü{}", "12:x"), ("2", "1"), ("", "12")] {
            let item = FeedItem::new(id, author, 5.5);
            assert_eq!(item.scored().ok().as_ref().and_then(FeedItem::of), Some(item));
        }
    }

    #[test]
    fn no_authors_items_begin_like_anothers() {
        let authors = ["", "1", "12", "1:", "2:1", "a", "ab"];
        for one in authors {
            for other in authors {
                assert_eq!(member(other, "1:x").starts_with(&member(one, "")), one == other, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_cursor_survives_a_url_and_nothing_else_is_one() {
        let cursor = FeedItem::new("p ü&?", "joe", -0.1).cursor();
        let text = cursor.to_string();
        assert!(text.bytes().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(text.parse::<FeedCursor>().ok(), Some(cursor));
        for wrong in [
            "",
            "12",
            "zz00000000000000",
            "7ff0000000000000",
            "00000000000000000",
            "0000000000000000+1",
            "0000000000000000ff",
        ] {
            assert!(wrong.parse::<FeedCursor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        for score in [f64::NAN, f64::INFINITY, -1e301] {
            assert!(FeedItem::new("1", "2", score).scored().is_err());
        }
    }
}
