//! Members in the order of their scores, as a sorted set of Redis has them.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
    ops::Bound,
};

/// Members by score and then by text.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    order: BTreeSet<Member>,
    scores: HashMap<String, f64>,
}

#[derive(Clone, Debug)]
struct Member {
    score: f64,
    text: String,
}

impl Ord for Member {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for Member {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Member {}

impl Ordered {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn score(&self, text: &str) -> Option<f64> {
        self.scores.get(text).copied()
    }

    pub(super) fn put(&mut self, text: &str, score: f64) {
        // Zero has one sign here, as it has one place in the order.
        let score = score + 0.0;
        if let Some(old) = self.scores.insert(text.to_owned(), score) {
            self.order.remove(&Member { score: old, text: text.to_owned() });
        }
        self.order.insert(Member { score, text: text.to_owned() });
    }

    pub(super) fn remove(&mut self, text: &str) -> bool {
        let Some(score) = self.scores.remove(text) else { return false };
        self.order.remove(&Member { score, text: text.to_owned() })
    }

    /// Drops the lowest members but `capacity`. Returns whether there were any.
    pub(super) fn trim(&mut self, capacity: usize) -> bool {
        let is_over = self.order.len() > capacity;
        while self.order.len() > capacity {
            if let Some(lowest) = self.order.pop_first() {
                self.scores.remove(&lowest.text);
            }
        }
        is_over
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &String> {
        self.scores.keys()
    }

    /// From high to low.
    pub(super) fn falling(&self) -> impl Iterator<Item = (&str, f64)> {
        self.order.iter().rev().map(|member| (member.text.as_str(), member.score))
    }

    /// From high to low, only those after a place in the order.
    pub(super) fn falling_after(&self, score: f64, text: &str) -> impl Iterator<Item = (&str, f64)> {
        let place = Bound::Excluded(Member { score: score + 0.0, text: text.to_owned() });
        self.order.range((Bound::Unbounded, place)).rev().map(|member| (member.text.as_str(), member.score))
    }
}
