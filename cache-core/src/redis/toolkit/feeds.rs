//! Feeds in Redis: a sorted set for each.

use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Value, cmd};

use crate::{
    error::Error,
    ports::toolkit::{
        Place,
        feeds::{After, FeedRule, FeedSlice, FeedStore, LoadTurn, Reach, Removal, Scored},
    },
    redis::{
        scripts::millis,
        tier::read,
        toolkit::{
            RedisTools,
            scripts::{FEED_BEGIN, FEED_FINISH, FEED_PUSH, FEED_REMOVE, call},
        },
    },
};

const READ: &str = "read feeds";

impl RedisTools {
    fn feed(&self, at: Place<'_>) -> String {
        self.key("feed", at, "")
    }

    /// The feed, what is removed while it is loaded, the lock of who loads it.
    fn loading(&self, at: Place<'_>) -> [String; 3] {
        [self.feed(at), self.key("feed", at, ":x"), self.key("feed", at, ":l")]
    }

    /// Four commands for each feed, three without a cursor.
    fn ask_for(&self, at: Place<'_>, after: Option<&After>, count: usize, ttl: Duration) -> Vec<Cmd> {
        let feed = self.feed(at);
        let mut commands = vec![
            cmd("ZSCORE").arg(&feed).arg("").take(),
            cmd("PEXPIRE").arg(&feed).arg(millis(ttl)).take(),
            below(&feed, after.map(|after| after.score), count),
        ];
        if let Some(after) = after {
            let score = number(after.score);
            commands.push(cmd("ZREVRANGEBYSCORE").arg(&feed).arg(&score).arg(&score).arg("WITHSCORES").take());
        }
        commands
    }
}

/// Down from a score, or from the top, but for the feed's mark.
fn below(feed: &str, score: Option<f64>, count: usize) -> Cmd {
    let from = score.map_or_else(|| "(+inf".to_owned(), |score| ["(", &number(score)].concat());
    let mut range = cmd("ZREVRANGEBYSCORE");
    range.arg(feed).arg(from).arg("(-1e308").arg("WITHSCORES").arg("LIMIT").arg(0).arg(count);
    range
}

/// The shortest text that reads back as the same number.
pub(super) fn number(score: f64) -> String {
    score.to_string()
}

fn with_members(mut call: Cmd, members: &[Scored]) -> Cmd {
    for one in members {
        call.arg(number(one.score)).arg(&one.member);
    }
    call
}

#[async_trait]
impl FeedStore for RedisTools {
    async fn push_feeds(
        &self,
        feeds: &[Place<'_>],
        members: &[Scored],
        rule: FeedRule,
        reach: Reach,
    ) -> Result<u64, Error> {
        let create = u8::from(reach == Reach::Create);
        let pushes = feeds.iter().map(|feed| {
            let mut push = call(&FEED_PUSH, [self.feed(*feed)]);
            push.arg(rule.capacity).arg(millis(rule.ttl)).arg(create);
            with_members(push, members)
        });
        Ok(self.many::<u64>("write to feeds", pushes.collect()).await?.into_iter().sum())
    }

    async fn remove_from_feeds(&self, feeds: &[Place<'_>], removal: Removal<'_>) -> Result<u64, Error> {
        let (kind, text) = match removal {
            Removal::Member(member) => ("m", member),
            Removal::Prefix(prefix) => ("p", prefix),
        };
        let removals = feeds.iter().map(|feed| call(&FEED_REMOVE, self.loading(*feed)).arg(kind).arg(text).take());
        Ok(self.many::<u64>("remove from feeds", removals.collect()).await?.into_iter().sum())
    }

    async fn read_feeds(
        &self,
        feeds: &[Place<'_>],
        after: Option<&After>,
        count: usize,
        ttl: Duration,
    ) -> Result<Vec<FeedSlice>, Error> {
        let commands: Vec<Cmd> = feeds.iter().flat_map(|feed| self.ask_for(*feed, after, count, ttl)).collect();
        let mut replies = self.link.ask(READ, [commands]).await?.into_iter();
        let mut next = move || replies.next().unwrap_or(Value::Nil);
        let mut slices = Vec::with_capacity(feeds.len());
        for _ in feeds {
            let mark: Option<f64> = read(READ, next())?;
            next();
            let below = scored(next())?;
            // Members of the cursor's score that come after it; the order of bytes, as in Redis.
            let mut members = match after {
                Some(after) => {
                    let ties = scored(next())?.into_iter();
                    ties.filter(|tie| !tie.member.is_empty() && tie.member < after.member).collect()
                }
                None => Vec::new(),
            };
            members.extend(below);
            members.truncate(count);
            let trimmed = mark.is_some_and(|mark| mark < 0.0 && mark.is_finite());
            slices.push(FeedSlice { warm: mark.is_some_and(|mark| mark < 0.0), trimmed, members });
        }
        Ok(slices)
    }

    async fn begin_feed(&self, feed: Place<'_>, token: u64, lease: Duration) -> Result<LoadTurn, Error> {
        let begin = call(&FEED_BEGIN, self.loading(feed)).arg(token).arg(millis(lease)).take();
        Ok(match self.one::<i64>("begin to load a feed", begin).await? {
            2 => LoadTurn::Warm,
            1 => LoadTurn::Mine,
            _ => LoadTurn::Theirs,
        })
    }

    async fn finish_feed(
        &self,
        feed: Place<'_>,
        token: u64,
        members: &[Scored],
        rule: FeedRule,
    ) -> Result<bool, Error> {
        let mut finish = call(&FEED_FINISH, self.loading(feed));
        finish.arg(token).arg(rule.capacity).arg(millis(rule.ttl));
        self.one("store a loaded feed", with_members(finish, members)).await
    }

    async fn drop_feed(&self, feed: Place<'_>) -> Result<(), Error> {
        let unlink = cmd("UNLINK").arg(self.feed(feed)).take();
        self.one::<i64>("drop a feed", unlink).await.map(drop)
    }
}

fn scored(reply: Value) -> Result<Vec<Scored>, Error> {
    let pairs: Vec<(String, f64)> = read(READ, reply)?;
    Ok(pairs.into_iter().map(|(member, score)| Scored { member, score }).collect())
}
