//! Feeds in process memory.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;

use crate::{
    clock::Moment,
    error::Error,
    memory::toolkit::{MemoryTools, lock, ordered::Ordered},
    ports::toolkit::{
        Place,
        feeds::{After, FeedRule, FeedSlice, FeedStore, LoadTurn, Reach, Removal, Scored},
    },
};

/// One feed: its members in order, and who loads it.
#[derive(Debug, Default)]
pub(super) struct Feed {
    members: Ordered,
    warm: bool,
    trimmed: bool,
    loading: Option<Loading>,
}

#[derive(Debug)]
struct Loading {
    token: u64,
    until: Moment,
    removed: HashSet<String>,
    removed_prefixes: Vec<String>,
}

impl Feed {
    fn put(&mut self, members: &[Scored], capacity: usize) {
        for one in members {
            self.members.put(&one.member, one.score);
        }
        self.trimmed |= self.members.trim(capacity);
    }

    fn remove(&mut self, removal: Removal<'_>, now: Moment) -> u64 {
        let gone: Vec<String> = match removal {
            Removal::Member(member) => vec![member.to_owned()],
            Removal::Prefix(prefix) => self.members.texts().filter(|text| text.starts_with(prefix)).cloned().collect(),
        };
        if let Some(loading) = self.loading.as_mut().filter(|loading| loading.until > now) {
            match removal {
                Removal::Member(member) => drop(loading.removed.insert(member.to_owned())),
                Removal::Prefix(prefix) => loading.removed_prefixes.push(prefix.to_owned()),
            }
        }
        gone.iter().map(|text| u64::from(self.members.remove(text))).sum()
    }

    fn slice(&self, after: Option<&After>, count: usize) -> FeedSlice {
        let scored = |(member, score): (&str, f64)| Scored { member: member.to_owned(), score };
        let members = match after {
            Some(after) => self.members.falling_after(after.score, &after.member).take(count).map(scored).collect(),
            None => self.members.falling().take(count).map(scored).collect(),
        };
        FeedSlice { warm: self.warm, trimmed: self.trimmed, members }
    }
}

#[async_trait]
impl FeedStore for MemoryTools {
    async fn push_feeds(
        &self,
        feeds: &[Place<'_>],
        members: &[Scored],
        rule: FeedRule,
        reach: Reach,
    ) -> Result<u64, Error> {
        let now = self.clock.now();
        let mut reached = 0;
        for place in feeds {
            let key = place.text();
            let mut all = lock(&self.feeds);
            let feed = match reach {
                Reach::Existing => all.get(&key, now),
                Reach::Create => Some(all.get_or_put(&key, rule.ttl, now, Feed::default)?),
            };
            let Some(feed) = feed else { continue };
            feed.put(members, rule.capacity);
            if reach == Reach::Create {
                all.keep(&key, rule.ttl, now);
            }
            reached += 1;
        }
        Ok(reached)
    }

    async fn remove_from_feeds(&self, feeds: &[Place<'_>], removal: Removal<'_>) -> Result<u64, Error> {
        let now = self.clock.now();
        let remove =
            |place: &Place<'_>| lock(&self.feeds).get(&place.text(), now).map_or(0, |feed| feed.remove(removal, now));
        Ok(feeds.iter().map(remove).sum())
    }

    async fn read_feeds(
        &self,
        feeds: &[Place<'_>],
        after: Option<&After>,
        count: usize,
        ttl: Duration,
    ) -> Result<Vec<FeedSlice>, Error> {
        let now = self.clock.now();
        let read = |place: &Place<'_>| {
            let key = place.text();
            let mut all = lock(&self.feeds);
            all.keep(&key, ttl, now);
            all.get(&key, now).map_or_else(FeedSlice::default, |feed| feed.slice(after, count))
        };
        Ok(feeds.iter().map(read).collect())
    }

    async fn begin_feed(&self, feed: Place<'_>, token: u64, lease: Duration) -> Result<LoadTurn, Error> {
        let now = self.clock.now();
        let key = feed.text();
        let mut all = lock(&self.feeds);
        let feed = all.get_or_put(&key, lease * 2, now, Feed::default)?;
        if feed.warm {
            return Ok(LoadTurn::Warm);
        }
        if feed.loading.as_ref().is_some_and(|loading| loading.until > now) {
            return Ok(LoadTurn::Theirs);
        }
        feed.loading =
            Some(Loading { token, until: now.after(lease), removed: HashSet::new(), removed_prefixes: Vec::new() });
        all.keep_at_least(&key, lease * 2, now);
        Ok(LoadTurn::Mine)
    }

    async fn finish_feed(
        &self,
        feed: Place<'_>,
        token: u64,
        members: &[Scored],
        rule: FeedRule,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let key = feed.text();
        let mut all = lock(&self.feeds);
        let Some(feed) = all.get(&key, now) else { return Ok(false) };
        let mine = |loading: &mut Loading| loading.token == token && loading.until > now;
        let Some(loading) = feed.loading.take_if(mine) else { return Ok(false) };
        let gone = |one: &&Scored| {
            loading.removed.contains(&one.member)
                || loading.removed_prefixes.iter().any(|prefix| one.member.starts_with(prefix.as_str()))
        };
        let kept: Vec<Scored> = members.iter().filter(|one| !gone(one)).cloned().collect();
        feed.put(&kept, rule.capacity);
        feed.warm = true;
        feed.trimmed |= members.len() >= rule.capacity;
        all.keep(&key, rule.ttl, now);
        Ok(true)
    }

    async fn drop_feed(&self, feed: Place<'_>) -> Result<(), Error> {
        lock(&self.feeds).remove(&feed.text(), self.clock.now());
        Ok(())
    }
}
