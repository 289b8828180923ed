//! What is known about a type while its `Deserialize` is run again and again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    error::Error as StdError,
    fmt,
};

use serde::de;

/// Bounds the work for one type, whatever its shape: places visited in all runs together.
const STEPS_MAX: usize = 200_000;

/// A type nested deeper than this is not looked into.
const DEPTH_MAX: usize = 48;

/// The memory of all runs, and the state of the one under way.
///
/// A place is named by its path from the root: `.field`, `?` (in an option), `[]` (in a list), `{k}` `{v}` (in a map), `#Variant`.
pub(super) struct Tracer {
    pub(super) human_readable: bool,
    facts: BTreeSet<String>,
    /// Which sample each place is served.
    samples: BTreeMap<String, usize>,
    /// The state of each enum.
    enums: BTreeMap<String, Variants>,
    /// A variant of each enum type that is known to be readable, to end a recursion with.
    endings: BTreeMap<&'static str, usize>,
    /// Places that could not be filled: the field is left out, the option is none, the list is empty.
    closed: BTreeSet<String>,
    /// Keys that maps turned out to want.
    wanted: BTreeMap<String, Vec<&'static str>>,
    steps: usize,

    // The run under way.
    pub(super) path: String,
    frames: Vec<Frame>,
    /// The types being read, to see a recursion.
    types: Vec<&'static str>,
    leaf: Option<Leaf>,
    /// The map that ended last, if its keys are free.
    map_ended: Option<String>,
    visited: Vec<String>,
}

/// A place where a failure inside can be worked around.
struct Frame {
    path: String,
    kind: FrameKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A field, an option's content, or an entry: it can be closed.
    Optional,
    /// A variant: another can be chosen.
    Variant,
}

/// The primitive served last.
struct Leaf {
    path: String,
    more: bool,
}

/// Which variants of an enum are still to be looked into.
#[derive(Default)]
struct Variants {
    names: &'static [&'static str],
    todo: VecDeque<usize>,
    failed: Vec<usize>,
    readable: Option<usize>,
    retried: bool,
}

/// Where a run can be taken back to after a reader has swallowed an error.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    path: usize,
    frames: usize,
    types: usize,
}

impl Tracer {
    pub(super) fn new(human_readable: bool) -> Self {
        Self {
            human_readable,
            facts: BTreeSet::new(),
            samples: BTreeMap::new(),
            enums: BTreeMap::new(),
            endings: BTreeMap::new(),
            closed: BTreeSet::new(),
            wanted: BTreeMap::new(),
            steps: 0,
            path: String::new(),
            frames: Vec::new(),
            types: Vec::new(),
            leaf: None,
            map_ended: None,
            visited: Vec::new(),
        }
    }

    pub(super) fn begin_run(&mut self) {
        self.path.clear();
        self.frames.clear();
        self.types.clear();
        self.visited.clear();
        self.leaf = None;
        self.map_ended = None;
    }

    pub(super) fn into_facts(self) -> BTreeSet<String> {
        self.facts
    }

    /// After a run that succeeded: moves each enum on whose present variant holds nothing new. False if all has been seen.
    pub(super) fn next_variants(&mut self) -> bool {
        let mut unfinished: Vec<&String> = Vec::new();
        for path in self.visited.iter().rev() {
            let Some(variants) = self.enums.get_mut(path) else { continue };
            let inner_unfinished = unfinished.iter().any(|inner| inner.len() > path.len() && inner.starts_with(path));
            if !inner_unfinished && !unfinished.contains(&path) {
                variants.succeeded();
            }
            if !variants.todo.is_empty() {
                unfinished.push(path);
            }
        }
        !unfinished.is_empty() && self.steps < STEPS_MAX
    }

    /// After a run that failed: changes what the next one is served. False if nothing is left to try.
    pub(super) fn learn(&mut self, fault: &Fault) -> bool {
        if self.steps >= STEPS_MAX {
            return false;
        }
        if let (Some(name), Some(map)) = (fault.missing, &self.map_ended) {
            let wanted = self.wanted.entry(map.clone()).or_default();
            if !wanted.contains(&name) && !self.closed.contains(&format!("{map}.{name}")) {
                wanted.push(name);
                return true;
            }
        }
        if let (Some(names), Some(leaf)) = (fault.expected, &self.leaf)
            && !names.is_empty()
            && !self.enums.contains_key(&leaf.path)
        {
            self.facts.insert(format!("{} one of {names:?}", leaf.path));
            self.enums.insert(leaf.path.clone(), Variants::of(names));
            return true;
        }
        // Another sample cannot help where the recursion was cut, or a field was left out on purpose.
        if fault.missing.is_none()
            && !fault.cut
            && let Some(leaf) = &self.leaf
            && leaf.more
            && leaf.path.starts_with(&self.path)
        {
            *self.samples.entry(leaf.path.clone()).or_default() += 1;
            return true;
        }
        self.work_around()
    }

    /// Closes the innermost place around the failure that can be closed, or chooses another variant there.
    fn work_around(&mut self) -> bool {
        // Tags of internally tagged enums have no frame: what they choose is read after them.
        for path in self.visited.iter().rev().filter(|path| path.starts_with(&self.path)) {
            if self.enums.get_mut(path).is_some_and(Variants::failed) {
                return true;
            }
        }
        while let Some(frame) = self.frames.pop() {
            let worked = match frame.kind {
                FrameKind::Optional => self.closed.insert(frame.path),
                FrameKind::Variant => self.enums.get_mut(&frame.path).is_some_and(Variants::failed),
            };
            if worked {
                return true;
            }
        }
        false
    }

    /// Notes that a place asks for something.
    pub(super) fn note(&mut self, asked: fmt::Arguments<'_>, made: &str, expecting: &dyn de::Expected) {
        self.steps += 1;
        let fact = format!("{} {asked} -> {made}, {expecting}", self.path);
        self.facts.insert(fact);
    }

    /// Enters a type that may hold others.
    pub(super) fn enter(&mut self, made: &'static str) -> Result<(), Fault> {
        if self.types.len() >= DEPTH_MAX || self.steps >= STEPS_MAX {
            return Err(Fault::CUT);
        }
        self.types.push(made);
        Ok(())
    }

    /// Whether a type holds itself.
    pub(super) fn is_within(&self, made: &str) -> bool {
        self.types.contains(&made)
    }

    pub(super) fn depth_of(&self, made: &str) -> usize {
        self.types.iter().filter(|outer| **outer == made).count()
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { path: self.path.len(), frames: self.frames.len(), types: self.types.len() }
    }

    pub(super) fn back_to(&mut self, mark: Mark) {
        self.path.truncate(mark.path);
        self.frames.truncate(mark.frames);
        self.types.truncate(mark.types);
    }

    /// Goes one step down. The frame, if any, stays open until [`back_to`](Tracer::back_to): a failure finds it there.
    pub(super) fn step(&mut self, step: fmt::Arguments<'_>, frame: Option<FrameKind>) {
        match frame {
            Some(FrameKind::Variant) => {
                self.frames.push(Frame { path: self.path.clone(), kind: FrameKind::Variant });
                self.path = format!("{}{step}", self.path);
            }
            Some(FrameKind::Optional) => {
                self.path = format!("{}{step}", self.path);
                self.frames.push(Frame { path: self.path.clone(), kind: FrameKind::Optional });
            }
            None => self.path = format!("{}{step}", self.path),
        }
    }

    pub(super) fn is_closed(&self, step: fmt::Arguments<'_>) -> bool {
        self.closed.contains(&format!("{}{step}", self.path))
    }

    /// Which of `samples` this place is served in this run.
    pub(super) fn sample<T: Copy>(&mut self, samples: &[T]) -> Option<T> {
        let at = self.samples.get(&self.path).copied().unwrap_or(0);
        self.leaf = Some(Leaf { path: self.path.clone(), more: at + 1 < samples.len() });
        samples.get(at).or(samples.last()).copied()
    }

    /// The tag to serve here, if this text turned out to be the tag of an enum.
    pub(super) fn tag(&mut self) -> Option<&'static str> {
        let variants = self.enums.get(&self.path)?;
        let name = variants.names.get(variants.present()?).copied();
        self.leaf = Some(Leaf { path: self.path.clone(), more: false });
        self.visited.push(self.path.clone());
        name
    }

    /// The variant to look into here in this run.
    pub(super) fn variant(
        &mut self,
        made: &'static str,
        names: &'static [&'static str],
    ) -> Result<(usize, &'static str), Fault> {
        let at = if self.is_within(made) {
            self.endings.get(made).copied()
        } else {
            self.visited.push(self.path.clone());
            self.enums.entry(self.path.clone()).or_insert_with(|| Variants::of(names)).present()
        };
        let at = at.ok_or(Fault::CUT)?;
        names.get(at).map(|name| (at, *name)).ok_or(Fault::CUT)
    }

    /// A variant was read to its end.
    pub(super) fn variant_read(&mut self, made: &'static str, at: usize) {
        self.endings.entry(made).or_insert(at);
    }

    pub(super) fn wanted(&self) -> Vec<&'static str> {
        self.wanted.get(&self.path).cloned().unwrap_or_default()
    }

    pub(super) fn map_ended(&mut self, free: bool) {
        self.map_ended = free.then(|| self.path.clone());
    }
}

impl Variants {
    fn of(names: &'static [&'static str]) -> Self {
        Self { names, todo: (0..names.len()).collect(), ..Self::default() }
    }

    fn present(&self) -> Option<usize> {
        self.todo.front().copied().or(self.readable)
    }

    fn succeeded(&mut self) {
        if let Some(at) = self.todo.pop_front() {
            self.readable.get_or_insert(at);
            self.retry();
        }
    }

    /// Whether another variant can be tried instead.
    fn failed(&mut self) -> bool {
        let Some(at) = self.todo.pop_front() else { return false };
        self.failed.push(at);
        self.retry();
        self.present().is_some()
    }

    /// A recursive variant can be read once another one is known that ends the recursion.
    fn retry(&mut self) {
        if self.todo.is_empty() && self.readable.is_some() && !std::mem::replace(&mut self.retried, true) {
            self.todo.extend(self.failed.drain(..));
        }
    }
}

/// Why a run failed.
#[derive(Debug)]
pub(super) struct Fault {
    missing: Option<&'static str>,
    expected: Option<&'static [&'static str]>,
    cut: bool,
}

impl Fault {
    const OTHER: Self = Self { missing: None, expected: None, cut: false };
    pub(super) const PANIC: Self = Self::OTHER;
    /// The tracer itself went no further.
    pub(super) const CUT: Self = Self { cut: true, ..Self::OTHER };
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample was refused")
    }
}

impl StdError for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::OTHER
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::OTHER }
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self { expected: Some(expected), ..Self::OTHER }
    }
}
