//! One shard of a journal in process memory.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

use crate::{
    clock::Moment,
    ports::journal::{Accepted, Change, DeadRecord, Entry, OwnerId, Pending, Position, Record, Revived, ShardState},
};

/// The records, dead letters and pending values of a shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    records: VecDeque<Held>,
    tail: Position,
    demanded: Position,
    acknowledged: Position,
    keys: HashMap<Vec<u8>, Waiting>,
    dead: BTreeMap<Position, Dead>,
    /// Where the dead letters of a key are.
    dead_keys: HashMap<Vec<u8>, Vec<Position>>,
    /// The last group of each owner.
    groups: HashMap<OwnerId, (u64, Vec<Accepted>)>,
}

/// What a group will do to a shard.
pub(super) struct Plan {
    pub(super) records: Vec<Record>,
    outcomes: Vec<Accepted>,
}

#[derive(Debug)]
struct Held {
    record: Record,
    accepted: Moment,
}

/// What waits for one key.
#[derive(Debug, Default)]
struct Waiting {
    base: Option<(Position, Vec<u8>)>,
    /// After the base.
    added: VecDeque<(Position, String, i64)>,
    /// The sums of these, by column.
    sums: Vec<(String, i64)>,
    last: Position,
}

#[derive(Debug)]
struct Dead {
    record: Record,
    error: String,
    died_unix_ms: u64,
    superseded: bool,
}

impl Shard {
    /// Where the next record will be.
    pub(super) fn next(&self) -> Position {
        self.tail + 1
    }

    pub(super) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    pub(super) fn dead_len(&self) -> u64 {
        self.dead.len() as u64
    }

    /// What the last group of an owner came to, if it is this one.
    pub(super) fn known_group(&self, owner: OwnerId, sequence: u64) -> Option<Vec<Accepted>> {
        self.groups.get(&owner).filter(|(last, _)| *last >= sequence).map(|(_, outcomes)| outcomes.clone())
    }

    /// What a group would come to.
    pub(super) fn plan(&self, entries: &[Entry], backlog_max: u64) -> Plan {
        let mut plan = Plan { records: Vec::new(), outcomes: Vec::with_capacity(entries.len()) };
        let mut sums: HashMap<(&[u8], &str), i64> = HashMap::new();
        let mut replaced: HashSet<&[u8]> = HashSet::new();
        let (mut room, mut position) = (backlog_max.saturating_sub(self.len()), self.next());
        for entry in entries {
            let key = entry.key.as_slice();
            let outcome = match &entry.change {
                _ if room == 0 => Accepted::Full,
                Change::Absolute(_) => {
                    replaced.insert(key);
                    sums.retain(|(of, _), _| *of != key);
                    Accepted::Yes
                }
                Change::Add { column, by } => {
                    let before = || match replaced.contains(key) {
                        true => 0,
                        false => self.keys.get(key).and_then(|waiting| waiting.sum(column)).unwrap_or(0),
                    };
                    let sum = sums.entry((key, column.as_str())).or_insert_with(before);
                    match sum.checked_add(*by) {
                        Some(fits) => {
                            *sum = fits;
                            Accepted::Yes
                        }
                        None => Accepted::Overflow,
                    }
                }
            };
            if outcome == Accepted::Yes {
                plan.records.push(Record { position, entry: entry.clone() });
                position += 1;
                room -= 1;
            }
            plan.outcomes.push(outcome);
        }
        plan
    }

    /// Does what was planned.
    pub(super) fn carry_out(&mut self, plan: Plan, owner: OwnerId, sequence: u64, now: Moment) -> Vec<Accepted> {
        for record in plan.records {
            self.append(record, now);
        }
        self.groups.insert(owner, (sequence, plan.outcomes.clone()));
        plan.outcomes
    }

    /// Where the shard stood, when its history was cut off.
    pub(super) fn stood(&mut self, tail: Position, acknowledged: Position) {
        (self.tail, self.acknowledged) = (tail, acknowledged);
    }

    /// The last position given out, and the last acknowledged.
    pub(super) fn stands(&self) -> (Position, Position) {
        (self.tail, self.acknowledged)
    }

    /// A dead letter from before.
    pub(super) fn was_dead(&mut self, dead: DeadRecord) {
        let DeadRecord { record, error, died_unix_ms, superseded } = dead;
        self.dead_keys.entry(record.entry.key.clone()).or_default().push(record.position);
        self.dead.insert(record.position, Dead { record, error, died_unix_ms, superseded });
    }

    pub(super) fn has_dead(&self, position: Position) -> bool {
        self.dead.contains_key(&position)
    }

    /// About how many bytes the records and dead letters take in a file.
    pub(super) fn bytes(&self) -> u64 {
        let of = |record: &Record| {
            let payload = match &record.entry.change {
                Change::Absolute(bytes) => bytes.len(),
                Change::Add { column, .. } => column.len() + 8,
            };
            (record.entry.key.len() + payload + 40) as u64
        };
        let dead = self.dead.values().map(|dead| of(&dead.record) + dead.error.len() as u64);
        self.records.iter().map(|held| of(&held.record)).chain(dead).sum()
    }

    /// Appends a record; its position is [`next`](Self::next), or a later one.
    pub(super) fn append(&mut self, record: Record, accepted: Moment) {
        let position = record.position;
        self.tail = self.tail.max(position);
        self.supersede(&record);
        self.keys.entry(record.entry.key.clone()).or_default().push(position, &record.entry.change);
        self.records.push_back(Held { record, accepted });
    }

    pub(super) fn state(&self, now: Moment) -> ShardState {
        let oldest = self.records.front();
        ShardState {
            records: self.len(),
            oldest: oldest.map(|held| held.record.position),
            oldest_age: oldest.map_or(Duration::ZERO, |held| now.since(held.accepted)),
            tail: self.tail,
            demanded: self.demanded,
            dead: self.dead_len(),
        }
    }

    pub(super) fn demand(&mut self, position: Position) {
        self.demanded = self.demanded.max(position);
    }

    pub(super) fn oldest(&self, count: usize) -> Vec<Record> {
        self.records.iter().take(count).map(|held| held.record.clone()).collect()
    }

    /// Takes out all records up to `position`: a shard's records are acknowledged in their order.
    pub(super) fn acknowledge(&mut self, position: Position) {
        while self.records.front().is_some_and(|held| held.record.position <= position) {
            if let Some(held) = self.records.pop_front() {
                self.settle(&held.record);
            }
        }
        self.acknowledged = self.acknowledged.max(position);
    }

    /// Makes a record a dead letter. Returns whether it was there.
    pub(super) fn bury(&mut self, position: Position, error: &str, died_unix_ms: u64) -> bool {
        let Some(at) = self.records.iter().position(|held| held.record.position == position) else { return false };
        let Some(Held { record, .. }) = self.records.remove(at) else { return false };
        self.settle(&record);
        let superseded = self.keys.get(&record.entry.key).is_some_and(|waiting| match record.entry.change {
            Change::Absolute(_) => waiting.last > position,
            Change::Add { .. } => waiting.base.as_ref().is_some_and(|(base, _)| *base > position),
        });
        self.dead_keys.entry(record.entry.key.clone()).or_default().push(position);
        self.dead.insert(position, Dead { record, error: error.to_owned(), died_unix_ms, superseded });
        true
    }

    /// What waits for a key besides what was written up to `written`.
    pub(super) fn pending(&self, key: &[u8], written: Position) -> Pending {
        let mut pending = Pending { acknowledged: self.acknowledged, ..Pending::default() };
        let Some(waiting) = self.keys.get(key) else { return pending };
        pending.base = waiting.base.as_ref().filter(|(at, _)| *at > written).map(|(_, bytes)| bytes.clone());
        if pending.base.is_some() || waiting.added.front().is_none_or(|(at, ..)| *at > written) {
            pending.added.clone_from(&waiting.sums);
            return pending;
        }
        for (_, column, by) in waiting.added.iter().filter(|(at, ..)| *at > written) {
            add(&mut pending.added, column, *by);
        }
        pending
    }

    pub(super) fn dead(&self, limit: usize) -> Vec<DeadRecord> {
        let known = |dead: &Dead| DeadRecord {
            record: dead.record.clone(),
            error: dead.error.clone(),
            died_unix_ms: dead.died_unix_ms,
            superseded: dead.superseded,
        };
        self.dead.values().take(limit).map(known).collect()
    }

    /// The dead letter at a position, if it can be appended again.
    pub(super) fn revivable(&self, position: Position) -> Result<&Entry, Revived> {
        match self.dead.get(&position) {
            None => Err(Revived::Unknown),
            Some(dead) if dead.superseded => Err(Revived::Superseded),
            Some(dead) => Ok(&dead.record.entry),
        }
    }

    pub(super) fn forget(&mut self, position: Position) -> bool {
        let Some(dead) = self.dead.remove(&position) else { return false };
        if let Some(positions) = self.dead_keys.get_mut(&dead.record.entry.key) {
            positions.retain(|at| *at != position);
            if positions.is_empty() {
                self.dead_keys.remove(&dead.record.entry.key);
            }
        }
        true
    }

    /// A new operation makes dead letters of its key void, which would otherwise overwrite it when they are appended again.
    fn supersede(&mut self, newer: &Record) {
        for position in self.dead_keys.get(&newer.entry.key).into_iter().flatten() {
            let Some(dead) = self.dead.get_mut(position) else { continue };
            let both_add =
                matches!((&dead.record.entry.change, &newer.entry.change), (Change::Add { .. }, Change::Add { .. }));
            dead.superseded |= !both_add;
        }
    }

    /// Takes one record out of what waits for its key.
    fn settle(&mut self, record: &Record) {
        let key = &record.entry.key;
        let Some(waiting) = self.keys.get_mut(key) else { return };
        waiting.settle(record.position);
        if waiting.base.is_none() && waiting.added.is_empty() {
            self.keys.remove(key);
        }
    }
}

impl Waiting {
    fn sum(&self, column: &str) -> Option<i64> {
        self.sums.iter().find(|(name, _)| name == column).map(|(_, sum)| *sum)
    }

    fn push(&mut self, position: Position, change: &Change) {
        self.last = position;
        match change {
            Change::Absolute(bytes) => {
                *self = Self { base: Some((position, bytes.clone())), last: position, ..Self::default() };
            }
            Change::Add { column, by } => {
                add(&mut self.sums, column, *by);
                self.added.push_back((position, column.clone(), *by));
            }
        }
    }

    fn settle(&mut self, position: Position) {
        if self.base.as_ref().is_some_and(|(at, _)| *at == position) {
            self.base = None;
        }
        if let Some(at) = self.added.iter().position(|(at, ..)| *at == position)
            && let Some((_, column, by)) = self.added.remove(at)
        {
            add(&mut self.sums, &column, by.wrapping_neg());
        }
    }
}

/// Sums were checked when the operations were accepted; a part of a sum may leave the range and come back.
fn add(sums: &mut Vec<(String, i64)>, column: &str, by: i64) {
    match sums.iter_mut().find(|(name, _)| name == column) {
        Some((_, sum)) => *sum = sum.wrapping_add(by),
        None => sums.push((column.to_owned(), by)),
    }
}
