//! Leaderboards in Redis: a sorted set for each window.

use async_trait::async_trait;
use redis::{Value, cmd};

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
            scripts::{BOARD_READ, BOARD_WRITE, call, call_many},
        },
    },
};

const READ: &str = "read a leaderboard";

impl RedisTools {
    fn board(&self, at: Place<'_>, window: &str) -> String {
        self.key("board", at, &[":", window].concat())
    }

    /// The key to read, and if it is a merge, those it is made of.
    fn board_and_parts(&self, at: Place<'_>, board: &Board) -> Vec<String> {
        match board {
            Board::One(window) => vec![self.board(at, window)],
            Board::Merged { windows, sum, .. } => {
                let merged = self.board(at, &format!("{}:{}", aggregate(*sum), windows.join("+")));
                let parts = windows.iter().map(|window| self.board(at, window));
                std::iter::once(merged).chain(parts).collect()
            }
        }
    }
}

fn aggregate(sum: bool) -> &'static str {
    if sum { "SUM" } else { "MAX" }
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
        let mut ask = call_many(&BOARD_READ, &self.board_and_parts(at, board));
        match part {
            Excerpt::Page { from, count } => ask.arg("page").arg(from).arg(count),
            Excerpt::Around { member, span } => ask.arg("around").arg(member).arg(span),
        };
        if let Board::Merged { sum, keep, .. } = board {
            ask.arg(aggregate(*sum)).arg(millis(*keep));
        }
        let mut values = self.one::<Vec<Value>>(READ, ask).await?.into_iter();
        let mut next = || read(READ, values.next().unwrap_or(Value::Int(0)));
        let mut rows = Rows { from: next()?, above: next()?, total: next()?, rows: Vec::new() };
        while let (Some(member), Some(score)) = (values.next(), values.next()) {
            rows.rows.push((read(READ, member)?, read(READ, score)?));
        }
        Ok(rows)
    }
}
