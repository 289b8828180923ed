//! Which tweets are in whose timeline: `toolkit::Feed`, fan-out on write.

use std::time::Duration;

use sea_orm::{ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect};
use sea_orm_cache::{
    Cache, Error,
    toolkit::{Feed, FeedItem},
};
use tokio::sync::mpsc;

use super::{Failed, reading::PAGE, unaided};
use crate::entities::{Follow, follow, tweet};

/// Tweets per timeline; older ones are read from the database.
const CAPACITY: usize = 500;

/// Everybody is fanned out to: the network is small. Beyond some ten thousand followers, `Feed` would merge an author at read time.
const LARGE_ABOVE: u64 = u64::MAX;

/// Changes that wait for Redis to come back; more are lost, and the timelines concerned miss them until they are loaded anew.
const WAITING_MAX: usize = 10_000;

/// How often it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The timelines of all members.
pub struct Feeds {
    feed: Feed,
    /// For what is decided by the database as it is now.
    db: DatabaseConnection,
    waiting: mpsc::Sender<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Posted(FeedItem),
    Deleted(FeedItem),
    Followed { follower: i32, followee: i32 },
    Unfollowed { follower: i32, followee: i32 },
}

impl Feeds {
    pub fn new(cache: &Cache, db: DatabaseConnection) -> Result<Self, Error> {
        let feed = Feed::builder(cache, "timeline").capacity(CAPACITY).large_above(LARGE_ABOVE).build()?;
        let (waiting, changes) = mpsc::channel(WAITING_MAX);
        tokio::spawn(retry(feed.clone(), db.clone(), changes));
        Ok(Self { feed, db, waiting })
    }

    /// The newest tweets of a timeline, older than `before`. A timeline that Redis does not have, or cannot give, is read from the database.
    pub async fn page(&self, viewer: i32, before: Option<i32>) -> Result<Vec<i32>, DbErr> {
        // No item has an empty author: this is right after all items with that score.
        let after = before.map(|before| FeedItem::new("", "", f64::from(before)).cursor());
        let load = || newest(&self.db, viewer);
        let page = self.feed.page(&viewer.to_string(), &[] as &[&str], after.as_ref(), PAGE as usize, load).await?;
        let mut ids: Vec<i32> = page.items.iter().filter_map(|item| item.id.parse().ok()).collect();
        if page.beyond.is_some() && (ids.len() as u64) < PAGE {
            let from = ids.last().copied().or(before);
            let older = unaided::timeline_ids(&self.db, viewer, from, PAGE - ids.len() as u64).await?;
            ids.extend(older.into_iter().map(|(id, _)| id));
        }
        Ok(ids)
    }

    pub async fn posted(&self, tweet: &tweet::Model) {
        self.change(Change::Posted(item(tweet.id, tweet.author_id))).await;
    }

    pub async fn deleted(&self, tweet: &tweet::Model) {
        self.change(Change::Deleted(item(tweet.id, tweet.author_id))).await;
    }

    pub async fn followed(&self, follower: i32, followee: i32) {
        self.change(Change::Followed { follower, followee }).await;
    }

    pub async fn unfollowed(&self, follower: i32, followee: i32) {
        self.change(Change::Unfollowed { follower, followee }).await;
    }

    /// What cannot be done now is done later: the database has it already.
    async fn change(&self, change: Change) {
        if let Err(error) = apply(&self.feed, &self.db, &change).await
            && self.waiting.try_send(change).is_err()
        {
            eprintln!("timeline: timelines miss a change: {error}");
        }
    }
}

/// Every change may be repeated without harm.
async fn apply(feed: &Feed, db: &DatabaseConnection, change: &Change) -> Result<(), Failed> {
    match change {
        Change::Posted(item) => _ = feed.publish(item, &readers(db, item).await?).await?,
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

/// A timeline from the database.
async fn newest(db: &DatabaseConnection, viewer: i32) -> Result<Vec<FeedItem>, DbErr> {
    let tweets = unaided::timeline_ids(db, viewer, None, CAPACITY as u64).await?;
    Ok(tweets.into_iter().map(|(id, author)| item(id, author)).collect())
}

/// Who has an author's tweets in the timeline: the followers, and the author. Read after the tweet is committed, so that somebody who
/// begins to follow meanwhile finds the tweet in the database.
async fn readers(db: &DatabaseConnection, item: &FeedItem) -> Result<Vec<String>, DbErr> {
    let author: i32 = item.author.parse().unwrap_or_default();
    let query = Follow::find().select_only().column(follow::Column::FollowerId);
    let followers: Vec<i32> = query.filter(follow::Column::FolloweeId.eq(author)).into_tuple().all(db).await?;
    Ok(followers.iter().map(i32::to_string).chain([item.author.clone()]).collect())
}
