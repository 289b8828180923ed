//! How many like each tweet: a counter written behind.
//!
//! Many likes of one tweet become one statement; `WriteBehind` loses none of those it has accepted, and counts none twice.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sea_orm::DbErr;
use sea_orm_cache::{Backpressure, CachedConnection, Error, WriteBehind};
use tokio::sync::mpsc;

use super::{
    live::{Live, Note},
    reading,
};
use crate::entities::{Tally, tally};

/// How long likes are gathered before they are written, and open pages told.
const GATHERED: Duration = Duration::from_millis(300);

/// Likes that may wait to be told; more are written all the same.
const WAITING_MAX: usize = 10_000;

/// The counts of all tweets.
pub struct Likes {
    db: CachedConnection,
    behind: WriteBehind<Tally>,
    touched: Touched,
    changed: mpsc::Sender<i32>,
}

/// Tweets whose count is about to be written, with the number of likes.
type Touched = Arc<Mutex<HashMap<i32, u32>>>;

impl Likes {
    pub async fn open(db: &CachedConnection, live: Live) -> Result<Self, Error> {
        let behind =
            WriteBehind::<Tally>::builder(db).flush_interval(GATHERED).backpressure(Backpressure::Fail).build().await?;
        let (changed, changes) = mpsc::channel(WAITING_MAX);
        let touched = Touched::default();
        tokio::spawn(tell_when_written(behind.clone(), Arc::clone(&touched), changes, live));
        Ok(Self { db: db.clone(), behind, touched, changed })
    }

    /// Adds to a tweet's count.
    ///
    /// # Errors
    ///
    /// If the journal cannot be reached: then nothing was added.
    pub async fn add(&self, tweet: i32, by: i64) -> Result<(), Error> {
        self.behind.increment(tweet, tally::Column::Likes, by).await?;
        *lock(&self.touched).entry(tweet).or_default() += 1;
        if self.changed.try_send(tweet).is_err() {
            lock(&self.touched).remove(&tweet);
        }
        Ok(())
    }

    /// The counts of these tweets: from the cache, but for those that wait to be written here.
    pub async fn of(&self, tweets: &[i32]) -> Result<HashMap<i32, i64>, DbErr> {
        let mut counts = reading::tallies(&self.db, tweets).await?;
        let waiting: Vec<i32> = {
            let touched = lock(&self.touched);
            tweets.iter().filter(|tweet| touched.contains_key(tweet)).copied().collect()
        };
        for tweet in waiting {
            // What the journal cannot say now, the next page will.
            if let Ok(Some(row)) = self.behind.get(tweet).await {
                counts.insert(tweet, row.likes);
            }
        }
        Ok(counts)
    }

    /// Writes what waits.
    pub async fn close(&self) -> Result<(), Error> {
        self.behind.close().await
    }
}

async fn tell_when_written(behind: WriteBehind<Tally>, touched: Touched, mut changes: mpsc::Receiver<i32>, live: Live) {
    while let Some(first) = changes.recv().await {
        tokio::time::sleep(GATHERED).await;
        let mut gathered = HashMap::from([(first, 1)]);
        while let Ok(tweet) = changes.try_recv() {
            *gathered.entry(tweet).or_default() += 1;
        }
        // If it takes too long, pages are told the old count, and the new one with the next like.
        _ = behind.flush().await;
        {
            let mut touched = lock(&touched);
            for (tweet, likes) in &gathered {
                let left = touched.get(tweet).copied().unwrap_or(0_u32).saturating_sub(*likes);
                if left == 0 {
                    touched.remove(tweet)
                } else {
                    touched.insert(*tweet, left)
                };
            }
        }
        for tweet in gathered.into_keys() {
            live.tell(&Note::Changed { tweet }).await;
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
