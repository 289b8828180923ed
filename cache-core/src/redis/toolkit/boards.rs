//! Leaderboards in Redis: a sorted set for each window.

use async_trait::async_trait;
use redis::{Cmd, Value, cmd};

use crate::{
    error::Error,
    ports::toolkit::{
        Place,
        boards::{Board, BoardRule, BoardStore, Excerpt, Rows, Scoring},
    },
    redis::{
        scripts::millis,
        tier::read,
        toolkit::{
            RedisTools,
            feeds::number,
            scripts::{BOARD_MERGE, BOARD_READ, BOARD_WRITE, call, call_many},
        },
    },
};

const READ: &str = "read a leaderboard";

impl RedisTools {
    fn board(&self, at: Place<'_>, window: &str) -> String {
        self.key("board", at, &[":", window].concat())
    }

    /// The key to read, and what makes it first if it is a merge.
    fn board_and_merge(&self, at: Place<'_>, board: &Board) -> (String, Vec<Cmd>) {
        match board {
            Board::One(window) => (self.board(at, window), Vec::new()),
            Board::Merged { windows, sum, keep } => {
                let how = if *sum { "SUM" } else { "MAX" };
                let merged = self.board(at, &format!("{how}:{}", windows.join("+")));
                let mut keys = vec![merged.clone()];
                keys.extend(windows.iter().map(|window| self.board(at, window)));
                let mut merge = call_many(&BOARD_MERGE, &keys);
                merge.arg(how).arg(millis(*keep));
                (merged, vec![merge])
            }
        }
    }
}

#[async_trait]
impl BoardStore for RedisTools {
    async fn write_scores(
        &self,
        at: Place<'_>,
        window: &str,
        scores: &[(&str, f64)],
        how: Scoring,
        rule: BoardRule,
    ) -> Result<Vec<f64>, Error> {
        let mut write = call(&BOARD_WRITE, [self.board(at, window)]);
        write.arg(match how {
            Scoring::Set => "set",
            Scoring::Add => "add",
            Scoring::Raise => "raise",
        });
        write.arg(rule.members_max).arg(millis(rule.ttl));
        for (member, score) in scores {
            write.arg(*member).arg(number(*score));
        }
        self.one("write scores", write).await
    }

    async fn remove_score(&self, at: Place<'_>, window: &str, member: &str) -> Result<bool, Error> {
        self.one("remove a score", cmd("ZREM").arg(self.board(at, window)).arg(member).take()).await
    }

    async fn read_board(&self, at: Place<'_>, board: &Board, part: Excerpt<'_>) -> Result<Rows, Error> {
        let (key, merge) = self.board_and_merge(at, board);
        let mut ask = call(&BOARD_READ, [key]);
        match part {
            Excerpt::Page { from, count } => ask.arg("page").arg(from).arg(count),
            Excerpt::Around { member, span } => ask.arg("around").arg(member).arg(span),
        };
        let mut replies = self.link.ask(READ, [merge, vec![ask]]).await?;
        let values: Vec<Value> = read(READ, replies.pop().unwrap_or(Value::Nil))?;
        let mut values = values.into_iter();
        let mut next = || read(READ, values.next().unwrap_or(Value::Int(0)));
        let mut rows = Rows { from: next()?, above: next()?, total: next()?, rows: Vec::new() };
        while let (Some(member), Some(score)) = (values.next(), values.next()) {
            rows.rows.push((read(READ, member)?, read(READ, score)?));
        }
        Ok(rows)
    }
}
