//! What writers had accepted, and what the rows may therefore be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::rows::{Model, Past};

/// What is wrong with the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Accepted operations that are not in the database.
    pub lost: u64,
    /// An older put was written over a newer one.
    pub reordered: u64,
    /// Deleted rows that are there.
    pub resurrected: u64,
    /// Increments that count more than once.
    pub doubled: u64,
    /// Some of them, in words.
    pub examples: Vec<String>,
}

impl Findings {
    /// Whether there are none.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.examples.is_empty()
    }
}

/// What a row may be: `None` is no row, else its token and its sum.
type State = Option<(i64, i64)>;

/// The states that each row may be in, after what was accepted and with or without what is uncertain.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    may_be: BTreeMap<i32, BTreeSet<State>>,
    pub(super) accepted: u64,
    pub(super) uncertain: u64,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Put(i64),
    Delete,
    Add(i64),
}

impl Ledger {
    /// Takes down what a process has said in its life.
    pub(super) fn add(&mut self, said: Vec<String>) {
        let mut under_way: HashMap<i32, Operation> = HashMap::new();
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["@try", what, id, value] => {
                    let value = number(value);
                    let operation = match what {
                        "put" => Operation::Put(value),
                        "delete" => Operation::Delete,
                        _ => Operation::Add(value),
                    };
                    under_way.insert(number(id) as i32, operation);
                }
                ["@ok", id] => {
                    let id = number(id) as i32;
                    let operation = under_way.remove(&id).expect("what is accepted was tried");
                    self.accepted += 1;
                    let states = self.may_be(id);
                    *states = states.iter().map(|state| after(*state, operation)).collect();
                }
                // A reply that did not come in time.
                ["@failed", id, ..] => {
                    let id = number(id) as i32;
                    let operation = under_way.remove(&id).expect("what has failed was tried");
                    self.doubt(id, operation);
                }
                // A line that the death has cut: its operation is under way, or was not asked for yet.
                _ => {}
            }
        }
        for (id, operation) in under_way {
            self.doubt(id, operation);
        }
    }

    fn doubt(&mut self, id: i32, operation: Operation) {
        self.uncertain += 1;
        let states = self.may_be(id);
        let done: Vec<State> = states.iter().map(|state| after(*state, operation)).collect();
        states.extend(done);
    }

    fn may_be(&mut self, id: i32) -> &mut BTreeSet<State> {
        self.may_be.entry(id).or_insert_with(|| BTreeSet::from([None]))
    }

    /// Compares the rows, and all their states before, with what they may be.
    pub(super) fn compare(&self, rows: &[Model], past: &[Past]) -> Findings {
        let mut found = Findings::default();
        let rows: BTreeMap<i32, (i64, i64)> = rows.iter().map(|row| (row.id, (row.token, row.n))).collect();
        for id in rows.keys().chain(self.may_be.keys()).collect::<BTreeSet<_>>() {
            let state = rows.get(id).copied();
            let none = BTreeSet::from([None]);
            let allowed = self.may_be.get(id).unwrap_or(&none);
            if !allowed.contains(&state) {
                let count = match (state, newest(allowed)) {
                    (None, _) => &mut found.lost,
                    (Some(_), None) => &mut found.resurrected,
                    (Some((token, n)), Some((newest, most))) if token == newest && n > most => &mut found.doubled,
                    (Some((token, _)), Some((newest, _))) if token < newest && was(past, *id, newest) => {
                        &mut found.reordered
                    }
                    (Some(_), Some(_)) => &mut found.lost,
                };
                *count += 1;
                found.examples.push(format!("row {id} is {state:?}, and may be {allowed:?}"));
            }
        }
        let mut last: HashMap<i32, i64> = HashMap::new();
        for Past { id, token } in past {
            let Some(token) = *token else { continue };
            if last.insert(*id, token).is_some_and(|before| before > token) {
                found.reordered += 1;
                found.examples.push(format!("row {id} went back to {token}"));
            }
        }
        found
    }
}

fn after(state: State, operation: Operation) -> State {
    match operation {
        Operation::Put(token) => Some((token, 0)),
        Operation::Delete => None,
        Operation::Add(by) => state.map(|(token, n)| (token, n + by)),
    }
}

/// The greatest token that a row may have, with its greatest sum.
fn newest(allowed: &BTreeSet<State>) -> Option<(i64, i64)> {
    allowed.iter().flatten().max().copied()
}

fn was(past: &[Past], id: i32, token: i64) -> bool {
    past.iter().any(|state| state.id == id && state.token == Some(token))
}

fn number(word: &str) -> i64 {
    word.parse().unwrap_or_else(|error| panic!("{word}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.add(lines.iter().map(|line| (*line).to_owned()).collect());
        ledger
    }

    fn row(token: i64, n: i64) -> Model {
        Model { id: 1, token, n }
    }

    #[test]
    fn each_kind_of_damage_is_found() {
        let put = ["@try put 1 10", "@ok 1", "@try put 1 20", "@ok 1", "@try add 1 5", "@ok 1"];
        let ledger = told(&put);
        assert!(ledger.compare(&[row(20, 5)], &[]).is_clean());
        assert_eq!(ledger.compare(&[], &[]).lost, 1);
        assert_eq!(ledger.compare(&[row(20, 0)], &[]).lost, 1);
        assert_eq!(ledger.compare(&[row(10, 0)], &[]).lost, 1);
        assert_eq!(ledger.compare(&[row(20, 10)], &[]).doubled, 1);
        let was = [Past { id: 1, token: Some(20) }];
        assert_eq!(ledger.compare(&[row(10, 0)], &was).reordered, 1);
        let went_back = [20, 10, 20].map(|token| Past { id: 1, token: Some(token) });
        assert_eq!(ledger.compare(&[row(20, 5)], &went_back).reordered, 1);
        let deleted = told(&[&put[..], &["@try delete 1 0", "@ok 1"]].concat());
        assert_eq!(deleted.compare(&[row(20, 5)], &[]).resurrected, 1);
        assert!(deleted.compare(&[], &[]).is_clean());
    }

    #[test]
    fn what_was_under_way_may_have_happened_or_not() {
        let ledger = told(&["@try put 1 10", "@ok 1", "@try add 1 5"]);
        assert!(ledger.compare(&[row(10, 0)], &[]).is_clean() && ledger.compare(&[row(10, 5)], &[]).is_clean());
        assert_eq!(ledger.compare(&[row(10, 10)], &[]).doubled, 1);
        assert_eq!((ledger.accepted, ledger.uncertain), (1, 1));
    }
}
