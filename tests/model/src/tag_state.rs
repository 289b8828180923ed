//! What the remote tier's scripts do to the tag.

use super::{
    rules::{Rule, Rules},
    state::{Link, State, TagKey, Version},
};

/// How an intent ended.
pub(super) enum Ended {
    /// It was held; a version was left behind if one is named.
    Held(Version),
    Expired,
}

fn bit(writer: usize) -> u8 {
    1 << writer
}

impl State {
    pub(super) fn holds(&self, writer: usize) -> bool {
        self.intents & bit(writer) != 0
    }

    /// Begins or renews an intent; returns whether it was held before.
    pub(super) fn begin_intent(&mut self, writer: usize, rules: &Rules) -> bool {
        let held = self.holds(writer);
        let others = self.intents & !bit(writer) != 0;
        let own = TagKey::Pending(u8::try_from(writer).unwrap_or_default());
        self.tag = match self.tag {
            tag if tag == own && !others => own,
            TagKey::Pending(_) | TagKey::Contested => TagKey::Contested,
            _ if others => TagKey::Contested,
            // The key was evicted under a living intent: who else came and went meanwhile is not known.
            _ if held && rules.has(Rule::LostMarkerIsContested) => TagKey::Contested,
            _ => own,
        };
        self.intents |= bit(writer);
        if !held && rules.has(Rule::Publish) {
            self.publish();
        }
        held
    }

    /// Ends an intent; `wants_version` asks for a version to be left behind.
    pub(super) fn end_intent(&mut self, writer: usize, wants_version: bool, rules: &Rules) -> Ended {
        let held = self.holds(writer);
        self.intents &= !bit(writer);
        let last = self.intents == 0;
        let uncontested = match self.tag {
            TagKey::Pending(id) => usize::from(id) == writer,
            TagKey::Contested => !rules.has(Rule::Contest),
            TagKey::Absent | TagKey::Version(_) => false,
        };
        if !held {
            // Whoever still holds an intent has been overlapped by this write, which the tag did not know of.
            self.tag = if last { TagKey::Absent } else { TagKey::Contested };
            self.publish();
            return Ended::Expired;
        }
        if !last {
            return Ended::Held(0);
        }
        if wants_version && uncontested {
            let version = self.fresh();
            self.tag = TagKey::Version(version);
            return Ended::Held(version);
        }
        self.tag = TagKey::Absent;
        Ended::Held(0)
    }

    /// The remote tier lets an intent's lease run out.
    pub(super) fn expire_intent(&mut self, writer: usize) {
        self.intents &= !bit(writer);
        if self.intents == 0 && matches!(self.tag, TagKey::Pending(_) | TagKey::Contested) {
            self.tag = TagKey::Absent;
        }
    }

    /// Reads the tag's version, or gives it a fresh one; `None` while it is pending.
    pub(super) fn capture(&mut self, rules: &Rules) -> Option<Version> {
        match self.tag {
            TagKey::Version(version) => Some(version),
            TagKey::Pending(_) | TagKey::Contested => None,
            TagKey::Absent if self.intents != 0 && rules.has(Rule::CaptureSeesIntents) => None,
            TagKey::Absent => {
                let version = self.fresh();
                self.tag = TagKey::Version(version);
                Some(version)
            }
        }
    }

    pub(super) fn publish(&mut self) {
        for node in &mut self.nodes {
            if matches!(node.link, Link::Up | Link::Joining) {
                node.messages += 1;
            }
        }
    }
}
