//! The steps of the writers.

use super::{
    rules::{Floor, Rule, Rules},
    search::{Next, Step},
    state::{Entry, Load, Phase, Stage, State, Writer},
    tag_state::Ended,
};

pub(super) fn steps(state: &State, rules: &Rules, next: &mut Next) {
    for who in 0..state.writers.len() {
        match state.writers[who].phase {
            Phase::Idle => begin(state, who, rules, next),
            Phase::Begun => begun(state, who, rules, next),
            Phase::Committed | Phase::Deferred => finish(state, who, rules, next),
            Phase::Done => {}
        }
        expire(state, who, rules, next);
        crash(state, who, rules, next);
    }
}

fn home(rules: &Rules, who: usize) -> usize {
    usize::from(rules.home[who])
}

fn begin(state: &State, who: usize, rules: &Rules, next: &mut Next) {
    let mut pinned = *state;
    pinned.writers[who].phase = Phase::Begun;
    if !rules.has(Rule::Intent) {
        pinned.writers[who].sure = true;
        next.push(Step("starts without an intent", who), pinned);
        return;
    }
    pinned.touch(home(rules, who));
    let mut unheard = pinned;
    unheard.begin_intent(who, rules);
    let mut begun = unheard;
    begun.writers[who] = Writer { reached: true, sure: true, through: true, ..begun.writers[who] };
    next.push(Step("begins its intent", who), begun);
    if state.faults < rules.faults_max {
        pinned.faults += 1;
        unheard.faults += 1;
        next.push(Step("cannot begin its intent, goes on", who), pinned);
        next.push(Step("begins its intent, does not hear of it, goes on", who), unheard);
    }
}

fn begun(state: &State, who: usize, rules: &Rules, next: &mut Next) {
    let writer = state.writers[who];
    if writer.reached && writer.sure && state.faults < rules.faults_max {
        let mut doubting = *state;
        doubting.faults += 1;
        doubting.writers[who].sure = false;
        next.push(Step("is late: its lease may be over", who), doubting);
    }
    if writer.reached && !writer.sure {
        let mut renewed = *state;
        renewed.begin_intent(who, rules);
        renewed.writers[who].sure = true;
        next.push(Step("begins its intent anew", who), renewed);
    }
    if writer.sure || !writer.reached || !rules.has(Rule::LeaseGuard) {
        let mut committed = *state;
        committed.row += 1;
        committed.writers[who].phase = Phase::Committed;
        committed.writers[who].value = committed.row;
        if rules.floor == Floor::Committed && writer.reached {
            committed.due = committed.due.max(committed.row);
        }
        next.push(Step("commits", who), committed);
    }
    if rules.rollbacks {
        let mut rolled_back = *state;
        rolled_back.writers[who].phase = Phase::Committed;
        rolled_back.writers[who].through = false;
        next.push(Step("rolls back", who), rolled_back);
    }
}

fn finish(state: &State, who: usize, rules: &Rules, next: &mut Next) {
    let writer = state.writers[who];
    let node = home(rules, who);
    let mut landed = *state;
    let wants_version = writer.through && writer.phase == Phase::Committed;
    let ended = landed.end_intent(who, wants_version, rules);
    let mut unheard = landed;

    landed.writers[who] = Writer { phase: Phase::Done, ..Writer::NEW };
    landed.due = landed.due.max(writer.value);
    landed.nodes[node].own = landed.nodes[node].own.max(writer.value);
    landed.touch(node);
    if let Ended::Held(version) = ended
        && version != 0
    {
        let value = Some(writer.value);
        let node = rules.home[who];
        landed.entry = Entry { value: writer.value, version };
        // Without room in the air for the reply, only the remote tier is filled.
        let _ = landed.launch(Load { stage: Stage::Reply, node, value, version, touched: false }, rules);
    }
    next.push(Step("ends its intent", who), landed);

    if writer.phase == Phase::Committed {
        if state.faults < rules.faults_max {
            for (what, mut deferred) in
                [("cannot end its intent", *state), ("ends its intent, does not hear of it", unheard)]
            {
                deferred.faults += 1;
                deferred.writers[who].phase = Phase::Deferred;
                deferred.nodes[node].own = deferred.nodes[node].own.max(writer.value);
                next.push(Step(what, who), deferred);
            }
        }
        // The commit was still in the air for the writer, and it renewed its lease: too late, for some.
        if writer.through && !state.holds(who) {
            unheard = *state;
            unheard.begin_intent(who, rules);
            unheard.writers[who].through = !rules.has(Rule::Gap);
            next.push(Step("renews its intent after the commit", who), unheard);
        } else if writer.through && !matches!(state.tag, super::state::TagKey::Pending(_)) {
            unheard = *state;
            unheard.begin_intent(who, rules);
            next.push(Step("renews its held intent after the commit", who), unheard);
        }
    }
}

/// The lease of an intent ends in the remote tier, but never while its writer is sure of it before the commit.
fn expire(state: &State, who: usize, rules: &Rules, next: &mut Next) {
    let writer = state.writers[who];
    let mut expired = *state;
    match writer.phase {
        Phase::Begun if writer.reached && writer.sure => return,
        Phase::Committed if writer.through => {
            if state.faults >= rules.faults_max {
                return;
            }
            expired.faults += 1;
        }
        _ => {}
    }
    if state.holds(who) {
        expired.expire_intent(who);
        next.push(Step("loses its intent by time", who), expired);
    }
}

/// The writer's process dies, and comes back as an empty node.
fn crash(state: &State, who: usize, rules: &Rules, next: &mut Next) {
    if !state.writers[who].is_writing() || state.faults >= rules.faults_max {
        return;
    }
    let node = home(rules, who);
    let mut dead = *state;
    dead.faults += 1;
    for other in 0..dead.writers.len() {
        let writer = dead.writers[other];
        if home(rules, other) != node || !writer.is_writing() {
            continue;
        }
        // A commit without a confirmed intent is owned by this process alone until it lands: `Retry` does not promise more.
        if writer.reached || !rules.has(Rule::Intent) {
            dead.due = dead.due.max(writer.value);
        }
        dead.writers[other] = Writer { phase: Phase::Done, ..Writer::NEW };
    }
    dead.restart(node);
    next.push(Step("dies", who), dead);
}
