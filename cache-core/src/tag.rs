//! Tags: what an entry depends on, as canonical text.

use std::{borrow::Borrow, fmt, sync::Arc};

use sha2::{Digest, Sha256};

/// Parts of a tag longer than this are replaced by a 128-bit digest.
const PART_BYTES_MAX: usize = 64;

/// Something an entry depends on: a table, a row, an index value, or a free name.
///
/// A tag is canonical text, made so that two tags are equal exactly if their parts are: every part is escaped, and a part of more
/// than 64 bytes is replaced by the first 128 bits of its SHA-256. Table and column names are compared without their
/// case and without their schema, since databases differ in both; two tables of one name in different schemas share tags,
/// which costs misses and never a stale value.
///
/// | constructor | text | depended on by | made stale by |
/// |---|---|---|---|
/// | [`table`](Tag::table) | `post` | entries that read the table without a precise condition | any write to the table |
/// | [`row`](Tag::row) | `post:7` | entries that need row 7 | writes known to touch row 7 |
/// | [`births`](Tag::births) | `post:+` | row entries that found no row | inserts whose key the database chooses |
/// | [`rows`](Tag::rows) | `post:*` | every row and index entry | writes whose rows are not known |
/// | [`index`](Tag::index) | `post.author_id=3` | entries for that index value | writes known to touch a row with that value |
/// | [`indexes`](Tag::indexes) | `post.*` | every index entry | writes to known rows whose index values are not known |
/// | [`named`](Tag::named) | `#feed:42` | entries that name it | explicit invalidation |
/// | [`all`](Tag::all) | `*` | every entry | `clear()`, statements nobody can read |
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The whole table.
    #[must_use]
    pub fn table(table: &str) -> Self {
        Self(Text::new().name(table).done())
    }

    /// One row, by the canonical texts of its primary key's columns in the order of the key.
    #[must_use]
    pub fn row<V: AsRef<str>>(table: &str, key: &[V]) -> Self {
        let mut text = Text::new().name(table).raw(":");
        for (at, value) in key.iter().enumerate() {
            if at > 0 {
                text = text.raw(",");
            }
            text = text.part(value.as_ref());
        }
        Self(text.done())
    }

    /// Rows that do not exist yet and whose key the database will choose.
    #[must_use]
    pub fn births(table: &str) -> Self {
        Self(Text::new().name(table).raw(":+").done())
    }

    /// Every row and index entry of the table.
    #[must_use]
    pub fn rows(table: &str) -> Self {
        Self(Text::new().name(table).raw(":*").done())
    }

    /// The rows with one value of one column.
    #[must_use]
    pub fn index(table: &str, column: &str, value: &str) -> Self {
        Self(Text::new().name(table).raw(".").name(column).raw("=").part(value).done())
    }

    /// Every index entry of the table.
    #[must_use]
    pub fn indexes(table: &str) -> Self {
        Self(Text::new().name(table).raw(".*").done())
    }

    /// A free name, such as `feed:42`. It never equals a tag of a table.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(Text::new().raw("#").free(name).done())
    }

    /// Every entry.
    #[must_use]
    pub fn all() -> Self {
        Self(Arc::from("*"))
    }

    /// Whether whole groups of entries depend on the tag besides tags of their own: `*`, `post:*`, `post.*`, `post:+`.
    pub(crate) fn is_wide(&self) -> bool {
        let text = self.as_str();
        text == "*" || !text.starts_with('#') && [":*", ".*", ":+"].iter().any(|end| text.ends_with(end))
    }

    /// What the tag belongs to.
    pub(crate) fn of(&self) -> TagOf<'_> {
        match self.as_str() {
            "*" => TagOf::All,
            text if text.starts_with('#') => TagOf::Name,
            // What is structural is escaped within a name.
            text => TagOf::Table(text.split([':', '.']).next().unwrap_or(text)),
        }
    }

    /// A tag from its canonical text, as [`as_str`](Tag::as_str) gave it.
    pub(crate) fn from_canonical(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a tag belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagOf<'a> {
    /// A table, by its name as it stands in tags.
    Table(&'a str),
    /// A free name.
    Name,
    /// Everything.
    All,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

impl AsRef<str> for Tag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A free name becomes the tag [`Tag::named`].
impl From<&str> for Tag {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

/// A free name becomes the tag [`Tag::named`].
impl From<String> for Tag {
    fn from(name: String) -> Self {
        Self::named(&name)
    }
}

impl From<&Tag> for Tag {
    fn from(tag: &Tag) -> Self {
        tag.clone()
    }
}

/// Builds the canonical text of a tag.
struct Text(String);

impl Text {
    fn new() -> Self {
        Self(String::with_capacity(32))
    }

    fn raw(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self
    }

    /// A table's or column's name: escaped, lower case.
    fn name(self, name: &str) -> Self {
        if name.chars().any(char::is_uppercase) { self.part(&name.to_lowercase()) } else { self.part(name) }
    }

    /// A value between structural characters.
    fn part(self, value: &str) -> Self {
        self.escaped(value, |c| matches!(c, ':' | '.' | ',' | '=' | '*' | '+' | '#' | '~'))
    }

    /// Free text after `#`, in which only what a Redis key cannot bear is escaped.
    fn free(self, value: &str) -> Self {
        self.escaped(value, |c| c == '~')
    }

    /// Braces are escaped because a tag stands between the braces of a Redis Cluster hash tag; `~` begins a digest.
    fn escaped(mut self, value: &str, structural: impl Fn(char) -> bool) -> Self {
        if value.len() > PART_BYTES_MAX {
            self.0.push('~');
            for byte in Sha256::digest(value.as_bytes()).iter().take(16) {
                self.hex(*byte);
            }
            return self;
        }
        let mut utf8 = [0; 4];
        for c in value.chars() {
            if structural(c) || matches!(c, '%' | '{' | '}') || c.is_whitespace() || c.is_control() {
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    self.0.push('%');
                    self.hex(byte);
                }
            } else {
                self.0.push(c);
            }
        }
        self
    }

    fn hex(&mut self, byte: u8) {
        for nibble in [byte >> 4, byte & 15] {
            self.0.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }

    fn done(self) -> Arc<str> {
        Arc::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_as_the_table_above_says() {
        assert_eq!(Tag::table("Post").as_str(), "post");
        assert_eq!(Tag::row("post", &["7"]).as_str(), "post:7");
        assert_eq!(Tag::row("post_tag", &["7", "9"]).as_str(), "post_tag:7,9");
        assert_eq!(Tag::rows("post").as_str(), "post:*");
        assert_eq!(Tag::births("post").as_str(), "post:+");
        assert_eq!(Tag::index("post", "author_id", "3").as_str(), "post.author_id=3");
        assert_eq!(Tag::indexes("post").as_str(), "post.*");
        assert_eq!(Tag::named("feed:42").as_str(), "#feed:42");
        assert_eq!(Tag::all().as_str(), "*");
        assert!([Tag::all(), Tag::rows("post"), Tag::births("post"), Tag::indexes("post")].iter().all(Tag::is_wide));
        assert!(![Tag::named("a:*"), Tag::row("post", &["*"]), Tag::table("post")].iter().any(Tag::is_wide));
        for tag in [Tag::table("Post"), Tag::row("post", &["7"]), Tag::births("post"), Tag::index("post", "a", "b")] {
            assert_eq!(tag.of(), TagOf::Table("post"));
        }
        assert_eq!((Tag::named("post:7").of(), Tag::all().of()), (TagOf::Name, TagOf::All));
    }

    #[test]
    fn values_with_structural_characters_do_not_collide() {
        assert_ne!(Tag::row("t", &["a,b"]), Tag::row("t", &["a", "b"]));
        assert_ne!(Tag::row("t", &["*"]), Tag::rows("t"));
        assert_ne!(Tag::row("t", &["+"]), Tag::births("t"));
        assert_ne!(Tag::table("t:7"), Tag::row("t", &["7"]));
        assert_ne!(Tag::named("*"), Tag::all());
        assert_ne!(Tag::row("t", &["%2c"]), Tag::row("t", &[","]));
    }

    #[test]
    fn long_values_are_digested() {
        let long = "x".repeat(65);
        let tag = Tag::row("t", &[&long]);
        assert_eq!(tag.as_str().len(), "t:~".len() + 32);
        let fake = tag.as_str().trim_start_matches("t:");
        assert_ne!(Tag::row("t", &[fake]), tag, "a value spelled like a digest is not that digest");
    }
}
