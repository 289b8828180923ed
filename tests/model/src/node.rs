//! The steps of the nodes' readers.

use super::{
    rules::{Rule, Rules},
    search::{Next, Step},
    state::{Entry, Link, Load, Node, Stage, State, TagKey},
};

pub(super) fn steps(state: &State, rules: &Rules, next: &mut Next) {
    for who in 0..state.nodes.len() {
        deliver(state, who, next);
        rejoin(state, who, rules, next);
        if !state.is_pinned(who, rules) {
            ask(state, who, rules, next);
        }
    }
    for slot in 0..state.loads.len() {
        land(state, slot, rules, next);
    }
}

impl State {
    /// Whether an own write of the node is in the air: then it reads from the database, and fills nothing.
    pub(super) fn is_pinned(&self, node: usize, rules: &Rules) -> bool {
        let at_home = |who: usize| usize::from(rules.home[who]) == node;
        rules.has(Rule::Pins)
            && rules.has(Rule::Intent)
            && self.writers.iter().enumerate().any(|(who, writer)| at_home(who) && writer.is_pinning())
    }

    /// Marks the node's cell unverified, and every request of the node as older than that.
    pub(super) fn touch(&mut self, node: usize) {
        self.nodes[node].cell = 0;
        for load in &mut self.loads {
            if usize::from(load.node) == node && load.stage != Stage::Free {
                load.touched = true;
            }
        }
    }

    /// Replaces the node's process by a new one.
    pub(super) fn restart(&mut self, node: usize) {
        self.nodes[node] = Node::NEW;
        for load in &mut self.loads {
            if usize::from(load.node) == node {
                *load = Load::FREE;
            }
        }
    }
}

fn deliver(state: &State, who: usize, next: &mut Next) {
    if state.nodes[who].messages > 0 {
        let mut heard = *state;
        heard.nodes[who].messages -= 1;
        heard.touch(who);
        next.push(Step("hears the message", who), heard);
    }
}

fn rejoin(state: &State, who: usize, rules: &Rules, next: &mut Next) {
    let mut moved = *state;
    let node = &mut moved.nodes[who];
    let what = match node.link {
        Link::Up => return,
        Link::Unaware => {
            node.link = Link::Down;
            "loses its lease"
        }
        Link::Down => {
            node.link = Link::Joining;
            "subscribes"
        }
        Link::Joining => {
            node.link = Link::Up;
            if rules.has(Rule::Walk) {
                moved.touch(who);
            }
            "walks its cells, has its lease again"
        }
    };
    next.push(Step(what, who), moved);
}

/// Requests that a node sends. Each is executed as it is sent; only the reply takes its time.
fn ask(state: &State, who: usize, rules: &Rules, next: &mut Next) {
    let node = u8::try_from(who).unwrap_or_default();
    let mut captured = *state;
    if let Some(version) = captured.capture(rules) {
        let load = Load { stage: Stage::Loading, node, version, ..Load::FREE };
        if captured.launch(load, rules).is_some() {
            next.push(Step("captures the version to load", who), captured);
        }
    }
    if let TagKey::Version(version) = state.tag {
        let value = (state.entry.version == version).then_some(state.entry.value);
        let mut fetched = *state;
        if fetched.launch(Load { stage: Stage::Reply, node, value, version, touched: false }, rules).is_some() {
            next.push(Step("fetches the entry with its tag", who), fetched);
        }
    }
    let Node { cell, .. } = state.nodes[who];
    if cell != 0 && cell == state.entry.version && state.nodes[who].leased() {
        let mut copied = *state;
        copied.nodes[who].local = state.entry;
        next.push(Step("copies the entry alone", who), copied);
    }
}

/// Something in the air arrives.
fn land(state: &State, slot: usize, rules: &Rules, next: &mut Next) {
    let load = state.loads[slot];
    let mut landed = *state;
    let what = match load.stage {
        Stage::Free => return,
        Stage::Loading => {
            landed.loads[slot].stage = Stage::Loaded;
            landed.loads[slot].value = Some(state.row);
            "has its answer from the database on the way"
        }
        Stage::Loaded => {
            landed.loads[slot] = Load::FREE;
            landed.entry = Entry { value: load.value.unwrap_or_default(), version: load.version };
            keep(&mut landed, load, rules);
            "fills both tiers"
        }
        Stage::Reply => {
            landed.loads[slot] = Load::FREE;
            keep(&mut landed, load, rules);
            "takes the remote tier's reply"
        }
    };
    next.push(Step(what, usize::from(load.node)), landed);
}

/// Takes a version, and the value that comes with it, into the local tier.
fn keep(state: &mut State, load: Load, rules: &Rules) {
    let who = usize::from(load.node);
    if (load.touched && rules.has(Rule::Sequence)) || state.is_pinned(who, rules) {
        return;
    }
    let node = &mut state.nodes[who];
    node.cell = load.version;
    if let Some(value) = load.value {
        node.local = Entry { value, version: load.version };
    }
}
