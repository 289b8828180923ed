//! One state of the model, as readable fields.

use super::rules::{Rule, Rules};

/// The version of a row: how many commits it has seen.
pub(super) type Value = u8;

/// A tag's version; 0 is none.
pub(super) type Version = u8;

/// Room for requests of readers in the air, over both nodes.
const LOADS: usize = 2;

/// What the tag's own key holds in the remote tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum TagKey {
    Absent,
    Version(Version),
    /// Pending for this writer alone.
    Pending(u8),
    Contested,
}

/// A value with the version of its tag; version 0 means that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) version: Version,
}

impl Entry {
    pub(super) const NONE: Self = Self { value: 0, version: 0 };
}

/// A node's subscription to the bus, with its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Link {
    Up,
    /// Messages are lost, and the lease has not run out.
    Unaware,
    /// Messages are lost, and the node knows.
    Down,
    /// Messages come again; the walk over the cells is to be done.
    Joining,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) local: Entry,
    /// The verified version of the tag; 0 is unverified.
    pub(super) cell: Version,
    pub(super) link: Link,
    /// Messages in flight to this node.
    pub(super) messages: u8,
    /// The newest own commit that the node was told is done.
    pub(super) own: Value,
}

impl Node {
    pub(super) const NEW: Self = Self { local: Entry::NONE, cell: 0, link: Link::Up, messages: 0, own: 0 };

    /// Whether the lease on the bus holds.
    pub(super) fn leased(&self) -> bool {
        matches!(self.link, Link::Up | Link::Unaware)
    }

    /// Whether a bounded read may be behind: a message is on its way, or the lease is running out.
    pub(super) fn may_be_behind(&self) -> bool {
        self.messages > 0 || self.link == Link::Unaware
    }
}

/// What is in the air for a reader.
///
/// The reply to "the entry alone", and an entry on its way to the remote tier, are not in the air for long here: the first is judged by the
/// cell at its arrival, the second by its version whenever it is read, so that a later arrival shows nothing that an
/// immediate one does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Stage {
    Free,
    /// The version is captured, the database has not been asked yet.
    Loading,
    /// The database has answered; the answer is on its way to the node.
    Loaded,
    /// A version, perhaps with the entry, from the remote tier: the reply to a fetch, or to a write-through.
    Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Load {
    pub(super) stage: Stage,
    pub(super) node: u8,
    pub(super) value: Option<Value>,
    pub(super) version: Version,
    /// A message touched the node's cell since the request was sent.
    pub(super) touched: bool,
}

impl Load {
    pub(super) const FREE: Self = Self { stage: Stage::Free, node: 0, value: None, version: 0, touched: false };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Phase {
    Idle,
    /// The intent is begun, or was tried to.
    Begun,
    /// The database has committed, or rolled back (then the value is 0).
    Committed,
    /// The writer was told that it is done, while the end of its intent is on its way.
    Told,
    /// The writer was told "deferred"; the end is retried.
    Deferred,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Writer {
    pub(super) phase: Phase,
    pub(super) value: Value,
    /// The remote tier has confirmed the intent.
    pub(super) reached: bool,
    /// By the writer's own clock the lease holds; after the commit: it held at the commit.
    pub(super) sure: bool,
    /// The writer may ask for a version at the end.
    pub(super) through: bool,
}

impl Writer {
    pub(super) const NEW: Self = Self { phase: Phase::Idle, value: 0, reached: false, sure: false, through: false };

    /// Whether a write of this writer is in the air.
    pub(super) fn is_writing(&self) -> bool {
        matches!(self.phase, Phase::Begun | Phase::Committed | Phase::Told | Phase::Deferred)
    }

    /// Whether its node treats the tag as pending by itself: from the begin until the writer is told, and while the end is retried.
    pub(super) fn is_pinning(&self) -> bool {
        self.is_writing() && self.phase != Phase::Told
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct State {
    /// The row in the database.
    pub(super) row: Value,
    /// What a strict read must see at least.
    pub(super) due: Value,
    pub(super) tag: TagKey,
    /// The tag's set of intents: a bit per writer.
    pub(super) intents: u8,
    /// The entry in the remote tier.
    pub(super) entry: Entry,
    pub(super) nodes: [Node; 2],
    pub(super) writers: [Writer; 2],
    pub(super) loads: [Load; LOADS],
    pub(super) faults: u8,
    pub(super) wipes: u8,
}

impl State {
    pub(super) const START: Self = Self {
        row: 0,
        due: 0,
        tag: TagKey::Absent,
        intents: 0,
        entry: Entry::NONE,
        nodes: [Node::NEW; 2],
        writers: [Writer::NEW; 2],
        loads: [Load::FREE; LOADS],
        faults: 0,
        wipes: 0,
    };

    /// A version that nothing refers to. Versions are random in truth, so that one that nobody knows any more is as good as a new one.
    pub(super) fn fresh(&self) -> Version {
        (1..).find(|version| !self.versions().any(|used| used == *version)).unwrap_or(Version::MAX)
    }

    fn versions(&self) -> impl Iterator<Item = Version> {
        let tag = if let TagKey::Version(version) = self.tag { version } else { 0 };
        [tag, self.entry.version]
            .into_iter()
            .chain(self.nodes.iter().flat_map(|node| [node.local.version, node.cell]))
            .chain(self.loads.iter().map(|load| load.version))
    }

    /// Puts a request in the air; `None` if there are too many.
    pub(super) fn launch(&mut self, load: Load, rules: &Rules) -> Option<()> {
        let used = self.loads.iter().filter(|slot| slot.stage != Stage::Free).count();
        let mut slots = self.loads.iter_mut().filter(|_| used < rules.loads_max);
        *slots.find(|slot| slot.stage == Stage::Free)? = load;
        Some(())
    }

    /// One of the states that differ in nothing that matters: what can never be used again is dropped, versions are numbered in the
    /// order of their appearance, requests in the air have no order, and neither have two nodes with a writer each.
    pub(super) fn canonical(mut self, rules: &Rules) -> Self {
        self.drop_dead(rules);
        let plain = self.renumbered();
        if rules.home == [0, 1] { plain.min(self.mirrored().renumbered()) } else { plain }
    }

    /// Node 0 with its writer in the place of node 1 with its writer.
    fn mirrored(mut self) -> Self {
        self.nodes.swap(0, 1);
        self.writers.swap(0, 1);
        self.intents = (self.intents & 1) << 1 | self.intents >> 1;
        if let TagKey::Pending(writer) = &mut self.tag {
            *writer = 1 - *writer;
        }
        for load in &mut self.loads {
            if load.stage != Stage::Free {
                load.node = 1 - load.node;
            }
        }
        self
    }

    fn renumbered(mut self) -> Self {
        self.loads.sort_unstable();
        let mut names = [0_u8; 16];
        let mut next = 1;
        let mut rename = |version: &mut Version| {
            if *version != 0 {
                let name = &mut names[usize::from(*version)];
                if *name == 0 {
                    *name = next;
                    next += 1;
                }
                *version = *name;
            }
        };
        if let TagKey::Version(version) = &mut self.tag {
            rename(version);
        }
        rename(&mut self.entry.version);
        for node in &mut self.nodes {
            rename(&mut node.local.version);
            rename(&mut node.cell);
        }
        for load in &mut self.loads {
            rename(&mut load.version);
        }
        self
    }

    /// Forgets entries, cells and replies that can never be used again: versions do not come back.
    fn drop_dead(&mut self, rules: &Rules) {
        let tag = self.tag;
        let current = |version| tag == TagKey::Version(version);
        for load in &mut self.loads {
            let idle = match load.stage {
                Stage::Free => false,
                Stage::Reply => rules.has(Rule::Sequence),
                Stage::Loading | Stage::Loaded => {
                    rules.has(Rule::Sequence) && rules.has(Rule::JoinCheck) && !current(load.version)
                }
            };
            if load.touched && idle {
                *load = Load::FREE;
            }
        }
        let state = *self;
        let in_air = |version| state.loads.iter().any(|load| load.version == version);
        let in_cell = |version| state.nodes.iter().any(|node| node.cell == version);
        if !current(state.entry.version) && !in_air(state.entry.version) && !in_cell(state.entry.version) {
            self.entry = Entry::NONE;
        }
        for node in &mut self.nodes {
            if !current(node.local.version) && !in_air(node.local.version) && node.cell != node.local.version {
                node.local = Entry::NONE;
            }
            let stored = state.entry.version == node.cell || node.local.version == node.cell;
            if !current(node.cell) && !stored && !in_air(node.cell) {
                node.cell = 0;
            }
        }
    }
}
