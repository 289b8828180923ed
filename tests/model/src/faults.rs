//! The faults that are no writer's own.

use super::{
    rules::Rules,
    search::{Next, Step},
    state::{Entry, Link, State, TagKey},
};

pub(super) fn steps(state: &State, rules: &Rules, next: &mut Next) {
    if state.faults >= rules.faults_max {
        return;
    }
    let mut faulty = *state;
    faulty.faults += 1;
    for who in 0..state.nodes.len() {
        if matches!(state.nodes[who].link, Link::Up | Link::Joining) {
            let mut cut = faulty;
            cut.cut(who);
            next.push(Step("is cut off the bus", who), cut);
        }
    }
    if state.tag != TagKey::Absent {
        let mut evicted = faulty;
        evicted.tag = TagKey::Absent;
        next.push(Step("remote tier evicts the tag", 0), evicted);
    }
    if state.wipes < rules.wipes_max {
        faulty.wipes += 1;
        faulty.intents = 0;
        if state.intents != 0 {
            let mut evicted = faulty;
            evicted.forgive();
            next.push(Step("remote tier evicts the intents", 0), evicted);
        }
        faulty.tag = TagKey::Absent;
        faulty.entry = Entry::NONE;
        for who in 0..state.nodes.len() {
            faulty.cut(who);
        }
        faulty.forgive();
        next.push(Step("remote tier loses everything", 0), faulty);
    }
}

impl State {
    fn cut(&mut self, who: usize) {
        let node = &mut self.nodes[who];
        node.messages = 0;
        node.link = match node.link {
            Link::Up => Link::Unaware,
            Link::Joining => Link::Down,
            link => link,
        };
    }

    /// A writer whose intent was lost by the remote tier, and that then dies before it could say so, is not promised anything.
    fn forgive(&mut self) {
        for writer in &mut self.writers {
            writer.reached = false;
            writer.through = false;
        }
    }
}
