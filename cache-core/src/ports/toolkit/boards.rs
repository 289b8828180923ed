//! A store of leaderboards.

use std::time::Duration;

use async_trait::async_trait;

use crate::{error::Error, ports::toolkit::Place};

/// How a score is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoring {
    /// It replaces the one before.
    Set,
    /// It is added to the one before.
    Add,
    /// The higher of the two stands.
    Raise,
}

/// How boards are kept.
#[derive(Clone, Copy, Debug)]
pub struct BoardRule {
    /// Members per board; the lowest are dropped.
    pub members_max: usize,
    /// A board ends this long after the last write.
    pub ttl: Duration,
}

/// One board of a place: one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Board {
    /// The board of one window.
    One(String),
    /// The boards of several windows in one.
    Merged {
        /// Which.
        windows: Vec<String>,
        /// Whether a member's scores are added up; otherwise the highest counts.
        sum: bool,
        /// How long a merge may be used again.
        keep: Duration,
    },
}

/// Which part of a board is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Excerpt<'a> {
    /// `count` members from a position on, which is 0 for the first.
    Page {
        /// How many come before.
        from: u64,
        /// How many at the most.
        count: u64,
    },
    /// A member, and up to `span` before and after it; nothing if the member is not there.
    Around {
        /// Who.
        member: &'a str,
        /// How many on each side.
        span: u64,
    },
}

/// A part of a board, from high to low; equal scores by text, from high to low.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// How many members come before the first row.
    pub from: u64,
    /// How many members have more than the first row.
    pub above: u64,
    /// How many members there are.
    pub total: u64,
    /// Members and scores.
    pub rows: Vec<(String, f64)>,
}

/// A store of leaderboards.
#[async_trait]
pub trait BoardStore {
    /// Writes scores; returns those that members have now, in the order given.
    async fn write_scores(
        &self,
        at: Place<'_>,
        window: &str,
        scores: &[(&str, f64)],
        how: Scoring,
        rule: BoardRule,
    ) -> Result<Vec<f64>, Error>;

    /// Removes a member. Returns whether it was there.
    async fn remove_score(&self, at: Place<'_>, window: &str, member: &str) -> Result<bool, Error>;

    /// Reads part of a board.
    async fn read_board(&self, at: Place<'_>, board: &Board, part: Excerpt<'_>) -> Result<Rows, Error>;
}
