//! Leaderboards in process memory.

use async_trait::async_trait;

use crate::{
    error::Error,
    memory::toolkit::{MemoryTools, Shelf, lock, ordered::Ordered},
    ports::toolkit::{
        Place,
        boards::{Board, BoardRule, BoardStore, Excerpt, Rows, Scoring},
    },
};

fn key(at: Place<'_>, window: &str) -> String {
    [&at.text(), ":", window].concat()
}

#[async_trait]
impl BoardStore for MemoryTools {
    async fn write_scores(
        &self,
        at: Place<'_>,
        window: &str,
        scores: &[(&str, f64)],
        how: Scoring,
        rule: BoardRule,
    ) -> Result<Vec<f64>, Error> {
        let now = self.clock.now();
        let key = key(at, window);
        let mut boards = lock(&self.boards);
        let board = boards.get_or_put(&key, rule.ttl, now, Ordered::default)?;
        let mut written = Vec::with_capacity(scores.len());
        for (member, score) in scores {
            let before = board.score(member);
            let score = match (how, before) {
                (Scoring::Add, Some(before)) => before + score,
                (Scoring::Raise, Some(before)) => before.max(*score),
                _ => *score,
            };
            board.put(member, score);
            written.push(score);
        }
        board.trim(rule.members_max);
        boards.keep(&key, rule.ttl, now);
        Ok(written)
    }

    async fn remove_score(&self, at: Place<'_>, window: &str, member: &str) -> Result<bool, Error> {
        let now = self.clock.now();
        Ok(lock(&self.boards).get(&key(at, window), now).is_some_and(|board| board.remove(member)))
    }

    async fn read_board(&self, at: Place<'_>, board: &Board, part: Excerpt<'_>) -> Result<Rows, Error> {
        let now = self.clock.now();
        let mut boards = lock(&self.boards);
        Ok(match board {
            Board::One(window) => boards.get(&key(at, window), now).map(|board| rows(board, part)).unwrap_or_default(),
            Board::Merged { windows, sum, .. } => {
                let mut merged = Ordered::default();
                for window in windows {
                    add(&mut merged, &mut boards, &key(at, window), *sum, now);
                }
                rows(&merged, part)
            }
        })
    }
}

fn add(merged: &mut Ordered, boards: &mut Shelf<Ordered>, key: &str, sum: bool, now: crate::clock::Moment) {
    let Some(board) = boards.get(key, now) else { return };
    for (member, score) in board.falling() {
        let score = match merged.score(member) {
            Some(before) if sum => before + score,
            Some(before) => before.max(score),
            None => score,
        };
        merged.put(member, score);
    }
}

fn rows(board: &Ordered, part: Excerpt<'_>) -> Rows {
    let total = board.len() as u64;
    let (from, count) = match part {
        Excerpt::Page { from, count } => (from, count),
        Excerpt::Around { member, span } => match board.falling().position(|(text, _)| text == member) {
            Some(position) => {
                let from = (position as u64).saturating_sub(span);
                (from, position as u64 + span + 1 - from)
            }
            None => return Rows { total, ..Rows::default() },
        },
    };
    let (skipped, taken) = (usize::try_from(from).unwrap_or(usize::MAX), usize::try_from(count).unwrap_or(usize::MAX));
    let rows: Vec<(String, f64)> =
        board.falling().skip(skipped).take(taken).map(|(text, score)| (text.to_owned(), score)).collect();
    let first = rows.first().map(|(_, score)| *score);
    let above = first.map_or(0, |first| board.falling().take_while(|(_, score)| *score > first).count() as u64);
    Rows { from, above, total, rows }
}
