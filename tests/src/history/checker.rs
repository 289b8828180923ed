//! Finds the reads of a history that no order of its commits can explain.

use std::collections::{BTreeMap, HashMap};

use super::record::{Commit, History, Micros, Reading};

/// What was found, summed over histories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Strict reads older than a commit that had finished before they began.
    pub strict_stale: u64,
    /// Bounded reads older than a commit that had finished longer ago than the bound.
    pub bounded_stale: u64,
    /// Reads older than a commit that the same node had finished before.
    pub own_write_missed: u64,
    /// Reads older than the database, after everything had come to rest.
    pub lost_invalidations: u64,
    /// Reads of a version as it was never committed: out of a transaction that was rolled back.
    pub uncommitted_seen: u64,
    /// The longest that a bounded read was behind.
    pub max_staleness_micros: Micros,
    /// The first few violations, in words.
    pub examples: Vec<String>,
}

/// So many violations are told in words.
const EXAMPLES_MAX: usize = 10;

impl Findings {
    /// Whether anything is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { strict_stale, bounded_stale, own_write_missed, lost_invalidations, uncommitted_seen, .. } = self;
        strict_stale + bounded_stale + own_write_missed + lost_invalidations + uncommitted_seen == 0
    }

    /// Adds those of another history.
    pub fn add(&mut self, other: Self) {
        self.strict_stale += other.strict_stale;
        self.bounded_stale += other.bounded_stale;
        self.own_write_missed += other.own_write_missed;
        self.lost_invalidations += other.lost_invalidations;
        self.uncommitted_seen += other.uncommitted_seen;
        self.max_staleness_micros = self.max_staleness_micros.max(other.max_staleness_micros);
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
    }

    fn tell(&mut self, what: &str, reading: &Reading, older_than: &Commit, history: &History) {
        if self.examples.len() < EXAMPLES_MAX {
            let fault = history.faults.iter().rev().find(|(begun, _)| *begun <= reading.start);
            self.examples.push(format!("{what}: {reading:?} although {older_than:?}; last fault: {fault:?}"));
        }
    }
}

/// The newest version that had been committed at each time.
#[derive(Default)]
struct Floors(Vec<Commit>);

impl Floors {
    /// Keeps, in the order of time, those commits that were newer than everything that had ended before.
    fn new(mut commits: Vec<Commit>) -> Self {
        commits.sort_by_key(|commit| (commit.end, commit.wrote.version));
        let mut newest = i64::MIN;
        commits.retain(|commit| {
            let is_newer = commit.wrote.version > newest;
            newest = newest.max(commit.wrote.version);
            is_newer
        });
        Self(commits)
    }

    /// The newest commit that ended before `start`.
    fn before(&self, start: Micros) -> Option<&Commit> {
        self.0[..self.0.partition_point(|commit| commit.end < start)].last()
    }

    /// The first commit to end that is newer than `version`.
    fn overtaking(&self, version: i64) -> Option<&Commit> {
        // Versions rise along the list.
        self.0.get(self.0.partition_point(|commit| commit.wrote.version <= version))
    }
}

/// Checks one history. `bound` is the longest that a bounded read may be behind.
#[must_use]
pub fn check(history: &History, bound: Micros) -> Findings {
    let mut landed: BTreeMap<i32, Vec<Commit>> = BTreeMap::new();
    let mut own: BTreeMap<(usize, i32), Vec<Commit>> = BTreeMap::new();
    let mut tokens: HashMap<(i32, i64), i64> = HashMap::new();
    for commit in &history.commits {
        own.entry((commit.node, commit.wrote.row)).or_default().push(*commit);
        tokens.insert((commit.wrote.row, commit.wrote.version), commit.wrote.token);
        if commit.landed {
            landed.entry(commit.wrote.row).or_default().push(*commit);
        }
    }
    tokens.extend(history.initial.iter().map(|row| ((row.row, row.version), row.token)));
    let landed: BTreeMap<_, _> = landed.into_iter().map(|(row, commits)| (row, Floors::new(commits))).collect();
    let own: BTreeMap<_, _> = own.into_iter().map(|(key, commits)| (key, Floors::new(commits))).collect();

    let mut findings = Findings::default();
    for reading in &history.readings {
        let saw = reading.saw;
        if tokens.get(&(saw.row, saw.version)).is_some_and(|token| *token != saw.token) {
            findings.uncommitted_seen += 1;
            if findings.examples.len() < EXAMPLES_MAX {
                findings.examples.push(format!("never committed: {reading:?}"));
            }
        }
        let is_older = |commit: &&Commit| saw.version < commit.wrote.version;
        if let Some(mine) = own.get(&(reading.node, saw.row)).and_then(|own| own.before(reading.start)).filter(is_older)
        {
            findings.own_write_missed += 1;
            findings.tell("own write missed", reading, mine, history);
        }
        let Some(floors) = landed.get(&saw.row) else { continue };
        if reading.strict {
            if let Some(newer) = floors.before(reading.start).filter(is_older) {
                findings.strict_stale += 1;
                findings.tell("strict read stale", reading, newer, history);
            }
        } else if let Some(newer) = floors.overtaking(saw.version) {
            let behind = reading.start.saturating_sub(newer.end);
            findings.max_staleness_micros = findings.max_staleness_micros.max(behind);
            if behind > bound {
                findings.bounded_stale += 1;
                findings.tell("bounded read stale", reading, newer, history);
            }
        }
    }
    for settled in history.settled.iter().filter(|settled| settled.saw.version < settled.truth) {
        findings.lost_invalidations += 1;
        if findings.examples.len() < EXAMPLES_MAX {
            findings.examples.push(format!("invalidation lost: {settled:?}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::record::{Seen, Settled};

    const BOUND: Micros = 100;

    fn seen(version: i64) -> Seen {
        Seen { row: 1, version, token: version * 10 }
    }

    fn commit(node: usize, version: i64, end: Micros) -> Commit {
        Commit { node, how: "", wrote: seen(version), end, landed: true }
    }

    fn reading(node: usize, version: i64, start: Micros, strict: bool) -> Reading {
        Reading { node, how: "", saw: seen(version), start, strict }
    }

    fn checked(commits: Vec<Commit>, readings: Vec<Reading>) -> Findings {
        check(&History { initial: vec![seen(0)], commits, readings, ..History::default() }, BOUND)
    }

    #[test]
    fn a_history_without_a_stale_read_is_clean() {
        let commits = vec![commit(0, 1, 10), commit(1, 2, 20)];
        let readings = vec![reading(2, 0, 10, true), reading(2, 1, 11, true), reading(2, 2, 11, true)];
        let findings = checked(commits, readings);
        assert!(findings.is_clean(), "{findings:?}");
        assert_eq!(findings.max_staleness_micros, 0);
    }

    #[test]
    fn a_strict_read_older_than_a_finished_commit_is_found() {
        let findings = checked(vec![commit(0, 1, 10), commit(1, 2, 20)], vec![reading(2, 1, 21, true)]);
        assert_eq!((findings.strict_stale, findings.bounded_stale), (1, 0));
        assert_eq!(findings.examples.len(), 1);
    }

    #[test]
    fn commits_that_end_out_of_order_raise_the_floor_only_once_they_ended() {
        let commits = vec![commit(0, 2, 10), commit(1, 1, 20)];
        assert_eq!(checked(commits.clone(), vec![reading(2, 1, 11, true)]).strict_stale, 1);
        assert!(checked(commits, vec![reading(2, 2, 30, true), reading(2, 0, 10, true)]).is_clean());
    }

    #[test]
    fn a_bounded_read_may_be_behind_as_long_as_its_bound() {
        let commits = vec![commit(0, 1, 10), commit(0, 2, 50)];
        let in_time = checked(commits.clone(), vec![reading(1, 0, 110, false)]);
        assert!(in_time.is_clean(), "{in_time:?}");
        assert_eq!(in_time.max_staleness_micros, 100, "counted from the first commit that the read should have seen");
        assert_eq!(checked(commits, vec![reading(1, 0, 111, false)]).bounded_stale, 1);
    }

    #[test]
    fn a_node_that_misses_its_own_write_is_found_however_short_ago_that_was() {
        let commits = vec![commit(0, 1, 10)];
        assert_eq!(checked(commits.clone(), vec![reading(0, 0, 11, false)]).own_write_missed, 1);
        assert!(checked(commits, vec![reading(1, 0, 11, false), reading(0, 0, 10, false)]).is_clean());
    }

    #[test]
    fn a_deferred_commit_binds_the_node_that_made_it_only() {
        let commits = vec![Commit { landed: false, ..commit(0, 1, 10) }];
        let findings = checked(commits, vec![reading(0, 0, 500, true), reading(1, 0, 500, true)]);
        assert_eq!((findings.strict_stale, findings.own_write_missed), (0, 1));
    }

    #[test]
    fn a_value_out_of_a_transaction_that_was_rolled_back_is_found() {
        let stray = Reading { saw: Seen { token: 99, ..seen(1) }, ..reading(1, 1, 11, false) };
        assert_eq!(checked(vec![commit(0, 1, 10)], vec![stray]).uncommitted_seen, 1);
    }

    #[test]
    fn a_node_that_serves_an_old_value_after_all_is_done_has_lost_an_invalidation() {
        let settled = vec![Settled { node: 0, saw: seen(1), truth: 2 }, Settled { node: 1, saw: seen(2), truth: 2 }];
        let findings = check(&History { settled, ..History::default() }, BOUND);
        assert_eq!(findings.lost_invalidations, 1);
        assert!(!findings.is_clean());
    }

    #[test]
    fn rows_do_not_bind_each_other() {
        let other = Reading { saw: Seen { row: 2, version: 0, token: 0 }, ..reading(1, 0, 900, true) };
        assert!(checked(vec![commit(0, 1, 10)], vec![other]).is_clean());
    }

    #[test]
    fn findings_add_up() {
        let mut sum = checked(vec![commit(0, 1, 10)], vec![reading(1, 0, 60, false)]);
        sum.add(checked(vec![commit(0, 1, 10)], vec![reading(1, 0, 30, false), reading(1, 0, 40, true)]));
        assert_eq!((sum.strict_stale, sum.max_staleness_micros), (1, 50));
    }
}
