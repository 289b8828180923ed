//! What a rate limiter remembers, in Redis: one key for each of its keys.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;

use crate::{
    error::Error,
    ports::toolkit::{
        Place,
        limits::{Algorithm, LimitPlan, LimitStore, Taken},
    },
    redis::toolkit::{
        RedisTools,
        scripts::{LIMIT, call},
    },
};

#[async_trait]
impl LimitStore for RedisTools {
    async fn take(&self, at: Place<'_>, plan: &LimitPlan, cost: u64, now_us: Option<u64>) -> Result<Taken, Error> {
        let algorithm = match plan.algorithm {
            Algorithm::FixedWindow => "fixed",
            Algorithm::SlidingLog => "log",
            Algorithm::SlidingCounter => "counter",
            Algorithm::Gcra => "gcra",
        };
        // Each algorithm has a key of its own: nodes of two configurations do not read each other's.
        let mut take = call(&LIMIT, [self.key("limit", at, &[":", algorithm].concat())]);
        take.arg(algorithm);
        take.arg(plan.limit).arg(plan.window_us).arg(plan.burst).arg(cost);
        match now_us {
            Some(now) => take.arg(now),
            None => take.arg(""),
        };
        take.arg(rand::random::<u64>());
        let (allowed, remaining, reset, retry): (bool, i64, i64, i64) = self.one("take from a limit", take).await?;
        let span = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or_default());
        Ok(Taken {
            allowed,
            remaining: u64::try_from(remaining).unwrap_or_default(),
            reset: span(reset),
            retry_after: span(retry),
        })
    }

    async fn forget(&self, at: Place<'_>) -> Result<(), Error> {
        let mut unlink = cmd("UNLINK");
        for part in [":fixed", ":log", ":counter", ":gcra"] {
            unlink.arg(self.key("limit", at, part));
        }
        self.one::<i64>("forget a limit", unlink).await.map(drop)
    }
}
