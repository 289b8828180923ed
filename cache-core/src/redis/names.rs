//! The names of keys and channels in Redis.

use std::sync::Arc;

use crate::{
    error::{Error, ErrorKind},
    tag::Tag,
};

/// The names of one namespace.
///
/// | what | name in the namespace `shop` |
/// |---|---|
/// | entry | `shop:find_user:v1:[42]` |
/// | tag | `shop/tag:{user:42}` |
/// | its intents | `shop/intents:{user:42}` |
/// | load lock of an entry | `shop/lock:find_user:v1:[42]` |
/// | an object of the toolkit | `shop/tool-session:{web:3f2a}:s:9c01..` |
/// | channel of stale tags | `shop:bus` |
/// | channel of removed entries | `shop:removed` |
/// | keys of a journal's shard | `shop/behind:{post_views/0}:log` .. |
/// | its number of shards | `shop/behind:post_views` |
/// | channel of one node's pings | `shop:ping:1f0c..` |
///
/// The braces make a tag and its intents share a hash slot; a tag's text has none of its own. Entries are apart from all else by
/// the character after the namespace, which no namespace contains: whatever an entry's key is, it equals no tag, and two
/// namespaces share no name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    namespace: Arc<str>,
    bus: Arc<str>,
    removed: Arc<str>,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if namespace.is_empty() || namespace.len() > 64 || !namespace.chars().all(plain) {
            return Err(Error::new(
                ErrorKind::Setting,
                format!("namespace: {namespace:?} is not made of 1 to 64 of the characters A-Z a-z 0-9 - _ ."),
            ));
        }
        Ok(Self {
            namespace: Arc::from(namespace),
            bus: Arc::from(format!("{namespace}:bus")),
            removed: Arc::from(format!("{namespace}:removed")),
        })
    }

    pub(super) fn entry(&self, key: &str) -> String {
        [&self.namespace, ":", key].concat()
    }

    /// The reverse of [`entry`](Self::entry).
    pub(super) fn key_of_entry<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.namespace)?.strip_prefix(':')
    }

    pub(super) fn tag(&self, tag: &Tag) -> String {
        [&self.namespace, "/tag:{", tag.as_str(), "}"].concat()
    }

    pub(super) fn intents(&self, tag: &Tag) -> String {
        [&self.namespace, "/intents:{", tag.as_str(), "}"].concat()
    }

    pub(super) fn lock(&self, key: &str) -> String {
        [&self.namespace, "/lock:", key].concat()
    }

    /// One key of an object of the toolkit. All keys of an object (`part` tells them apart) share a hash slot: the text between the
    /// braces is never empty, and where it has a brace of its own, both cut it short alike.
    pub(super) fn tool(&self, kind: &str, object: &str, part: &str) -> String {
        [&self.namespace, "/tool-", kind, ":{", object, "}", part].concat()
    }

    /// The keys of a shard share a hash slot.
    pub(super) fn journal(&self, name: &str, shard: u32, what: &str) -> String {
        format!("{}/behind:{{{name}/{shard}}}:{what}", self.namespace)
    }

    pub(super) fn journal_shards(&self, name: &str) -> String {
        [&self.namespace, "/behind:", name].concat()
    }

    /// Tells a journal from those of other names and namespaces.
    pub(super) fn journal_name(&self, name: &str) -> String {
        [&self.namespace, ":", name].concat()
    }

    pub(super) fn bus(&self) -> &str {
        &self.bus
    }

    pub(super) fn removed(&self) -> &str {
        &self.removed
    }

    pub(super) fn ping(&self, node: u64) -> String {
        format!("{}:ping:{node:016x}", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_the_table_above_says() {
        let names = Names::new("shop").expect("a plain namespace");
        assert_eq!(names.entry("find_user:v1:[42]"), "shop:find_user:v1:[42]");
        assert_eq!(names.tag(&Tag::row("user", &["42"])), "shop/tag:{user:42}");
        assert_eq!(names.intents(&Tag::row("user", &["42"])), "shop/intents:{user:42}");
        assert_eq!(names.lock("find_user:v1:[42]"), "shop/lock:find_user:v1:[42]");
        assert_eq!(names.tool("session", "web:3f2a", ":u:joe"), "shop/tool-session:{web:3f2a}:u:joe");
        assert_eq!(names.key_of_entry("shop:a:b"), Some("a:b"));
        assert_eq!(names.key_of_entry("shop/tag:{a}"), None);
        assert_eq!(names.key_of_entry("shopping:a"), None);
    }

    #[test]
    fn a_namespace_that_could_be_mistaken_is_refused() {
        for wrong in ["", "a:b", "a/b", "a{b}", "a*", "a b", &"x".repeat(65)] {
            assert_eq!(Names::new(wrong).map_err(|error| error.kind()).err(), Some(ErrorKind::Setting), "{wrong}");
        }
    }
}
