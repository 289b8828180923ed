//! What one read asks of the engine.

use std::{any::Any, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use smallvec::SmallVec;

use crate::{
    envelope::Wire,
    error::Error,
    key::{Fingerprint, Key},
    policy::PolicyOverride,
    tag::Tag,
};

/// An annotated function: one static for each.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    module: &'static str,
    version: u32,
    policy: PolicyOverride,
}

impl Function {
    /// Describes a function. `name` and `version` are part of every key, `module` keeps namesakes apart.
    #[must_use]
    pub const fn new(module: &'static str, name: &'static str, version: u32, policy: PolicyOverride) -> Self {
        Self { name, module, version, policy }
    }

    /// The name in keys and events.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The module that it stands in.
    #[must_use]
    pub const fn module(&self) -> &'static str {
        self.module
    }

    /// What the function sets apart from the cache's policy.
    #[must_use]
    pub const fn policy(&self) -> &PolicyOverride {
        &self.policy
    }

    /// Keeps apart what functions of one name in several modules store under one key.
    pub(crate) fn identity(&self) -> u64 {
        // FNV-1a: stable across processes, and not exposed to input from outside.
        self.module
            .bytes()
            .chain(*b"::")
            .chain(self.name.bytes())
            .chain(self.version.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

/// Direct use of the cache, without a function.
pub(crate) static DIRECT: Function = Function::new("", "", 1, PolicyOverride::NONE);

/// What a loaded value says about the rows it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A row was found.
    Present,
    /// `None`: no row.
    Absent,
    /// An empty list.
    Empty,
    /// The value does not say.
    Unknown,
}

impl Presence {
    /// Whether the value is the absence of something, kept for `negative_ttl` only.
    pub(crate) fn is_negative(self) -> bool {
        matches!(self, Self::Absent | Self::Empty)
    }
}

/// One tag that an entry will depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dep {
    /// The tag.
    pub tag: Tag,
    /// Whether a value that is [`Presence::Present`] does not depend on it.
    pub only_if_absent: bool,
}

/// What an entry will depend on, known before it is loaded.
#[derive(Clone, Debug)]
pub struct Deps {
    list: SmallVec<[Dep; 4]>,
    auto: bool,
}

impl Deps {
    /// Depends on nothing but [`Tag::all`].
    #[must_use]
    pub fn new() -> Self {
        let mut list = SmallVec::new();
        list.push(Dep { tag: Tag::all(), only_if_absent: false });
        Self { list, auto: false }
    }

    /// Depends on what the statements of the body read.
    #[must_use]
    pub fn auto() -> Self {
        Self { auto: true, ..Self::new() }
    }

    /// Adds a tag.
    pub fn push(&mut self, tag: Tag) {
        match self.list.iter_mut().find(|dep| dep.tag == tag) {
            Some(dep) => dep.only_if_absent = false,
            None => self.list.push(Dep { tag, only_if_absent: false }),
        }
    }

    /// Adds a tag that matters only while no row is found.
    pub fn push_if_absent(&mut self, tag: Tag) {
        if !self.list.iter().any(|dep| dep.tag == tag) {
            self.list.push(Dep { tag, only_if_absent: true });
        }
    }

    /// The tags so far.
    pub fn iter(&self) -> impl Iterator<Item = &Dep> {
        self.list.iter()
    }

    pub(crate) fn is_auto(&self) -> bool {
        self.auto
    }

    pub(crate) fn tags(&self) -> Vec<Tag> {
        self.list.iter().map(|dep| dep.tag.clone()).collect()
    }

    /// Whether a value of this presence depends on `tag`. Tags found out during the load always count.
    pub(crate) fn matters(&self, tag: &Tag, presence: Presence) -> bool {
        presence != Presence::Present || !self.list.iter().any(|dep| dep.only_if_absent && dep.tag == *tag)
    }
}

impl Default for Deps {
    fn default() -> Self {
        Self::new()
    }
}

/// One read: which function, which key, and how its values are handled.
pub struct Read<'a, T: 'static, E> {
    /// The function whose value is read.
    pub function: &'static Function,
    /// What is set apart from the cache's policy; for an annotated function `function.policy()`.
    pub policy: &'a PolicyOverride,
    /// The whole key, without the namespace.
    pub key: &'a str,
    /// A short form of the key, if the arguments have one.
    pub(crate) short: Option<Fingerprint>,
    /// How values become bytes; `None` keeps them in process memory only.
    pub wire: Option<&'static Wire<T>>,
    /// What a value says about its rows.
    pub presence: fn(&T) -> Presence,
    /// Whether a value may be stored.
    pub when: Option<&'a (dyn Fn(&T) -> bool + Sync)>,
    /// How an error is shared with those who waited for the same load; without it they load themselves.
    pub share_error: Option<ShareError<E>>,
    /// Makes the same call as a future of its own, which refreshes the entry; without it a caller refreshes in the foreground.
    pub background: Option<Background<'a>>,
    /// How long the loader may take, and the error of one that takes longer.
    pub hard_timeout: Option<HardTimeout<E>>,
}

/// Makes a call again, as a future of its own.
pub(crate) type Background<'a> = &'a (dyn Fn() -> BoxFuture<'static, ()> + Sync);

/// How long a loader may take, and what its caller gets if it takes longer.
pub(crate) type HardTimeout<E> = (Duration, fn(Error) -> E);

impl<'a, T: 'static, E> Read<'a, T, E> {
    /// A read with the function's own policy, values that say nothing about rows, and nothing of what is optional.
    #[must_use]
    pub const fn new(function: &'static Function, key: &'a str, wire: Option<&'static Wire<T>>) -> Self {
        Self {
            function,
            policy: function.policy(),
            key,
            short: None,
            wire,
            presence: |_| Presence::Unknown,
            when: None,
            share_error: None,
            background: None,
            hard_timeout: None,
        }
    }

    /// The same read of another key.
    pub(crate) fn with_key<'b>(&self, key: &'b impl Key) -> Read<'b, T, E>
    where
        'a: 'b,
    {
        let Self { function, policy, wire, presence, when, share_error, background, hard_timeout, .. } = *self;
        let (key, short) = (key.text(), key.short());
        Read { function, policy, key, short, wire, presence, when, share_error, background, hard_timeout }
    }
}

/// How an error is handed to several callers.
pub struct ShareError<E> {
    wrap: fn(&E) -> SharedError,
    unwrap: fn(&SharedError) -> Option<E>,
}

impl<E> Clone for ShareError<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for ShareError<E> {}

/// An error whose type the engine does not know.
pub(crate) type SharedError = Arc<dyn Any + Send + Sync>;

impl<E: Clone + Send + Sync + 'static> ShareError<E> {
    /// Shares by cloning.
    #[must_use]
    pub const fn by_clone() -> Self {
        Self { wrap: |error| Arc::new(error.clone()), unwrap: |shared| shared.downcast_ref::<E>().cloned() }
    }
}

impl<E> ShareError<E> {
    pub(crate) fn wrap(&self, error: &E) -> SharedError {
        (self.wrap)(error)
    }

    pub(crate) fn unwrap(&self, shared: &SharedError) -> Option<E> {
        (self.unwrap)(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_row_does_not_depend_on_births() {
        let mut deps = Deps::new();
        deps.push(Tag::row("user", &["7"]));
        deps.push_if_absent(Tag::births("user"));
        assert!(!deps.matters(&Tag::births("user"), Presence::Present));
        assert!(deps.matters(&Tag::births("user"), Presence::Absent));
        assert!(deps.matters(&Tag::births("user"), Presence::Unknown));
        assert!(deps.matters(&Tag::row("user", &["7"]), Presence::Present));
        deps.push(Tag::births("user"));
        assert!(deps.matters(&Tag::births("user"), Presence::Present));
    }
}
