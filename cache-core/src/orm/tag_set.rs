//! The bounded set of tags that one transaction makes stale.

use std::collections::{HashMap, HashSet};

use crate::tag::Tag;

/// More tags than this of one table's rows and index values become the table's coarse tags.
pub(crate) const TABLE_TAGS_MAX: usize = 64;

/// More tags than this in all become the tag of every entry.
pub(crate) const TRANSACTION_TAGS_MAX: usize = 1024;

/// Tags without duplicates, coarser the more there are: precision may be lost, no dependent entry ever is.
#[derive(Debug, Default)]
pub(crate) struct TagSet {
    tags: HashSet<Tag>,
    /// How many tags of rows and index values each table has, by the table's canonical name.
    fine: HashMap<Box<str>, usize>,
    everything: bool,
}

impl TagSet {
    pub(crate) fn extend(&mut self, tags: impl IntoIterator<Item = Tag>) {
        for tag in tags {
            self.insert(tag);
        }
    }

    pub(crate) fn insert(&mut self, tag: Tag) {
        if self.everything {
            return;
        }
        if tag == Tag::all() {
            self.collapse_all();
            return;
        }
        if let Some(table) = table_of_fine(&tag) {
            if self.is_coarse(table) || self.tags.contains(&tag) {
                return;
            }
            let count = self.fine.entry(Box::from(table)).or_default();
            *count += 1;
            if *count > TABLE_TAGS_MAX {
                let table: Box<str> = Box::from(table);
                self.collapse_table(&table);
            } else {
                self.tags.insert(tag);
            }
        } else {
            self.tags.insert(tag);
        }
        if self.tags.len() > TRANSACTION_TAGS_MAX {
            self.collapse_all();
        }
    }

    /// The tags, sorted, so that intents on the same tags are begun in the same order everywhere.
    pub(crate) fn to_vec(&self) -> Vec<Tag> {
        if self.everything {
            return vec![Tag::all()];
        }
        let mut tags: Vec<Tag> = self.tags.iter().cloned().collect();
        tags.sort_unstable();
        tags
    }

    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(crate) fn merge(&mut self, other: Self) {
        if other.everything {
            self.collapse_all();
        }
        self.extend(other.tags);
    }

    fn is_coarse(&self, table: &str) -> bool {
        self.fine.get(table).is_some_and(|count| *count > TABLE_TAGS_MAX)
    }

    /// `post:*` covers every row and index entry, `post` every coarse one.
    fn collapse_table(&mut self, table: &str) {
        self.tags.retain(|tag| table_of_fine(tag) != Some(table));
        self.tags.insert(Tag::from_canonical(table));
        self.tags.insert(Tag::from_canonical(&format!("{table}:*")));
    }

    fn collapse_all(&mut self) {
        self.everything = true;
        self.tags.clear();
        self.fine.clear();
    }
}

/// The canonical name of the table whose row, birth or index tag this is; `None` for `post`, `post:*`, `#name` and `*`.
fn table_of_fine(tag: &Tag) -> Option<&str> {
    let text = tag.as_str();
    if text.starts_with('#') || text.ends_with(":*") {
        return None;
    }
    // Parts are escaped, so that the first structural character ends the table's name.
    let (table, _) = text.split_once([':', '.'])?;
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_of_one_table_become_its_coarse_tags() {
        let mut set = TagSet::default();
        set.insert(Tag::table("post"));
        set.insert(Tag::row("user", &["1"]));
        for id in 0..200 {
            set.insert(Tag::row("post", &[id.to_string()]));
            set.insert(Tag::index("post", "author_id", &id.to_string()));
        }
        assert_eq!(set.to_vec(), [Tag::table("post"), Tag::rows("post"), Tag::row("user", &["1"])]);
    }

    #[test]
    fn sixty_four_rows_stay_precise() {
        let mut set = TagSet::default();
        for id in 0..64 {
            set.insert(Tag::row("post", &[id.to_string()]));
            set.insert(Tag::row("post", &[id.to_string()]));
        }
        assert_eq!(set.to_vec().len(), 64);
    }

    #[test]
    fn too_many_tags_become_the_tag_of_every_entry() {
        let mut set = TagSet::default();
        for name in 0..=TRANSACTION_TAGS_MAX {
            set.insert(Tag::named(&format!("feed:{name}")));
        }
        assert_eq!(set.to_vec(), [Tag::all()]);
        set.insert(Tag::named("more"));
        assert_eq!(set.to_vec(), [Tag::all()]);
    }

    #[test]
    fn names_that_look_like_rows_are_not_counted_as_rows() {
        let mut set = TagSet::default();
        for name in 0..200 {
            set.insert(Tag::named(&format!("post:{name}")));
        }
        assert_eq!(set.to_vec().len(), 200);
    }

    #[test]
    fn merging_hands_everything_over() {
        let mut parent = TagSet::default();
        let mut child = TagSet::default();
        child.insert(Tag::row("post", &["1"]));
        parent.merge(child.take());
        assert_eq!(child.to_vec(), []);
        assert_eq!(parent.to_vec(), [Tag::row("post", &["1"])]);
        child.insert(Tag::all());
        parent.merge(child);
        assert_eq!(parent.to_vec(), [Tag::all()]);
    }
}
