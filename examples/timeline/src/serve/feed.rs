//! Which tweets are in whose timeline: `toolkit::Feed`, fan-out on write, but for the tweets of celebrities, which are merged in when a timeline is read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect};
use sea_orm_cache::{
    CachedConnection, Error,
    toolkit::{Feed, FeedItem},
};
use tokio::sync::mpsc;

use super::{Failed, unaided};
use crate::{
    celebrities,
    entities::{Follow, follow, tweet},
};

/// Tweets per timeline; older ones are read from the database. Whoever comes first pays for all of them: few read past the first pages.
const CAPACITY: usize = 100;

/// So many more than a page are read: a tweet may be gone by the time it is looked up, or its author not be followed any more.
const SPARE: u64 = 5;

/// Changes that wait for Redis to come back; more are lost, and the timelines concerned miss them until they are loaded anew.
const WAITING_MAX: usize = 10_000;

/// How often it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a change does that Redis does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAway {
    /// It waits, and is tried again in the background.
    Later,
    /// It is tried again until it is done, and only then counts as made.
    Now,
}

/// Whose timeline is read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub viewer: i32,
    pub followees: &'a [i32],
    /// All of them, followed or not.
    pub celebrities: &'a [i32],
}

/// The timelines of all members.
pub struct Feeds {
    feed: Feed,
    db: CachedConnection,
    /// For what is decided by the database as it is now.
    plain: DatabaseConnection,
    /// Who has more followers is a celebrity.
    large_above: u64,
    when_away: WhenAway,
    waiting: mpsc::Sender<Change>,
    /// Pages that were merged from a timeline and the lists of celebrities.
    merged: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Change {
    Posted(FeedItem),
    Deleted(FeedItem),
    Followed { follower: i32, followee: i32 },
    Unfollowed { follower: i32, followee: i32 },
}

impl Feeds {
    pub fn new(db: &CachedConnection, large_above: u64, when_away: WhenAway) -> Result<Self, Error> {
        // Who is large is remembered in a table; the feed itself need not decide.
        let feed = Feed::builder(db.cache(), "timeline").capacity(CAPACITY).large_above(u64::MAX).build()?;
        let (plain, merged) = (db.inner().clone(), Arc::default());
        let (waiting, changes) = mpsc::channel(WAITING_MAX);
        tokio::spawn(retry(feed.clone(), plain.clone(), changes));
        Ok(Self { feed, db: db.clone(), plain, large_above, when_away, waiting, merged })
    }

    /// The newest tweets of a timeline, older than `before`: `count`, and some to spare. A timeline that Redis does not have, or cannot give, is read
    /// from the database.
    pub async fn page(&self, reader: Reader<'_>, before: Option<i32>, count: u64) -> Result<Vec<i32>, DbErr> {
        let Reader { viewer, followees, celebrities } = reader;
        let shown = |author: i32| author == viewer || followees.contains(&author);
        let large: Vec<String> = celebrities.iter().filter(|author| shown(**author)).map(i32::to_string).collect();
        if !large.is_empty() {
            self.merged.fetch_add(1, Ordering::Relaxed);
        }
        // No item has an empty author: this is right after all items with that score.
        let after = before.map(|before| FeedItem::new("", "", f64::from(before)).cursor());
        let load = || newest(&self.plain, viewer);
        let wanted = count + SPARE;
        let page = self.feed.page(&viewer.to_string(), &large, after.as_ref(), wanted as usize, load).await?;
        let last = page.items.last().and_then(|item| item.id.parse().ok()).or(before);
        let items = page.items.iter().filter(|item| item.author.parse().is_ok_and(shown));
        let mut ids: Vec<i32> = items.filter_map(|item| item.id.parse().ok()).collect();
        if page.beyond.is_some() && (ids.len() as u64) < wanted {
            let older = unaided::timeline_ids(&self.plain, viewer, last, wanted - ids.len() as u64).await?;
            ids.extend(older.into_iter().map(|(id, _)| id));
        }
        Ok(ids)
    }

    /// How many pages were merged with the lists of celebrities.
    pub fn merged(&self) -> u64 {
        self.merged.load(Ordering::Relaxed)
    }

    pub async fn posted(&self, tweet: &tweet::Model) {
        self.change(Change::Posted(item(tweet.id, tweet.author_id))).await;
    }

    pub async fn deleted(&self, tweet: &tweet::Model) {
        self.change(Change::Deleted(item(tweet.id, tweet.author_id))).await;
    }

    pub async fn followed(&self, follower: i32, followee: i32) {
        // If this fails, the next follower makes up for it.
        _ = celebrities::look_at(&self.db, followee, self.large_above).await;
        self.change(Change::Followed { follower, followee }).await;
    }

    pub async fn unfollowed(&self, follower: i32, followee: i32) {
        self.change(Change::Unfollowed { follower, followee }).await;
    }

    /// What cannot be done now is done later: the database has it already.
    async fn change(&self, change: Change) {
        while let Err(error) = apply(&self.feed, &self.plain, &change).await {
            if self.when_away == WhenAway::Now {
                tokio::time::sleep(RETRY).await;
                continue;
            }
            if self.waiting.try_send(change).is_err() {
                eprintln!("timeline: timelines miss a change: {error}");
            }
            return;
        }
    }
}

/// Every change may be repeated without harm.
async fn apply(feed: &Feed, db: &DatabaseConnection, change: &Change) -> Result<(), Failed> {
    match change {
        Change::Posted(item) if celebrities::is_one(db, author(item)).await? => _ = feed.publish_large(item).await?,
        Change::Posted(item) => _ = feed.publish(item, &readers(db, item).await?).await?,
        // A timeline that was loaded from the database has the tweets of celebrities as well.
        Change::Deleted(item) => _ = feed.delete(item, &readers(db, item).await?).await?,
        Change::Followed { follower, followee } => {
            let tweets = unaided::ids_of(db, *followee, CAPACITY as u64).await?;
            let items: Vec<FeedItem> = tweets.into_iter().map(|id| item(id, *followee)).collect();
            feed.add(&follower.to_string(), &items).await?;
        }
        Change::Unfollowed { follower, followee } => {
            feed.unfollow(&follower.to_string(), &followee.to_string()).await?;
        }
    }
    Ok(())
}

async fn retry(feed: Feed, db: DatabaseConnection, mut changes: mpsc::Receiver<Change>) {
    while let Some(change) = changes.recv().await {
        while apply(&feed, &db, &change).await.is_err() {
            tokio::time::sleep(RETRY).await;
        }
    }
}

/// Newer tweets have greater numbers.
fn item(tweet: i32, author: i32) -> FeedItem {
    FeedItem::new(tweet.to_string(), author.to_string(), f64::from(tweet))
}

fn author(item: &FeedItem) -> i32 {
    item.author.parse().unwrap_or_default()
}

/// A timeline from the database.
async fn newest(db: &DatabaseConnection, viewer: i32) -> Result<Vec<FeedItem>, DbErr> {
    let tweets = unaided::timeline_ids(db, viewer, None, CAPACITY as u64).await?;
    Ok(tweets.into_iter().map(|(id, author)| item(id, author)).collect())
}

/// Who has an author's tweets in the timeline: the followers, and the author. Read after the tweet is committed, so that somebody who
/// begins to follow meanwhile finds the tweet in the database.
async fn readers(db: &DatabaseConnection, item: &FeedItem) -> Result<Vec<String>, DbErr> {
    let query = Follow::find().select_only().column(follow::Column::FollowerId);
    let followers: Vec<i32> = query.filter(follow::Column::FolloweeId.eq(author(item))).into_tuple().all(db).await?;
    Ok(followers.iter().map(i32::to_string).chain([item.author.clone()]).collect())
}
