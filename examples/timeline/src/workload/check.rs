//! Compares answers with direct queries, exactly.

use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::{RwLock, RwLockReadGuard};

use super::Service;
use crate::{direct, pages::Request};

/// Decides whether an answer is right, by asking the database directly.
///
/// Every write of the workload is done under [`writing`](Referee::writing); a comparison waits for the writes under way, and holds up new ones. So nothing
/// can change between the answer and the direct query, and a difference is a mistake and never a matter of timing. Reads go on all the
/// while: a load that began before a write, and tries to store its value after it, has its chance to do harm.
pub struct Referee {
    /// A connection whose queries are not counted.
    db: DatabaseConnection,
    writers: RwLock<()>,
    samples: AtomicU64,
    mismatches: AtomicU64,
}

/// How the comparisons went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    pub samples: u64,
    pub mismatches: u64,
}

impl Referee {
    pub fn new(db: DatabaseConnection) -> Self {
        Self { db, writers: RwLock::new(()), samples: AtomicU64::new(0), mismatches: AtomicU64::new(0) }
    }

    /// To be held during a write.
    pub async fn writing(&self) -> RwLockReadGuard<'_, ()> {
        self.writers.read().await
    }

    /// Compares the service's answer with the database's.
    pub async fn compare(&self, service: &Service, request: Request) -> Result<(), DbErr> {
        let _nobody_writes = self.writers.write().await;
        let answer = service.read(request).await?;
        let truth = direct::page(&self.db, request).await?;
        self.samples.fetch_add(1, Ordering::Relaxed);
        if answer != truth && self.mismatches.fetch_add(1, Ordering::Relaxed) < 3 {
            eprintln!("mismatch: {request:?}\n  answer: {answer:?}\n  truth:  {truth:?}");
        }
        Ok(())
    }

    /// The connection the comparisons use.
    pub fn db(&self) -> &DatabaseConnection {
        &self.db
    }

    pub fn checks(&self) -> Checks {
        Checks { samples: self.samples.load(Ordering::Relaxed), mismatches: self.mismatches.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sea_orm_cache::Cache;

    use super::*;
    use crate::{
        database::Home,
        generate::{Size, generate},
        pages::What,
        schema,
        serve::feed::{Feeds, WhenAway},
        writes::{self, Write},
    };

    #[tokio::test]
    async fn the_referee_finds_a_write_that_went_behind_the_cache() -> Result<(), Box<dyn std::error::Error>> {
        let home = Home::new(None)?;
        let db = home.connect(2).await?;
        schema::recreate(&db).await?;
        schema::load(&db, generate(Size { members: 20, tweets: 50, favourites: 50, seed: 1 })).await?;
        let cache = Cache::builder().build().await?;
        let wrapped = cache.wrap(db.clone());
        let feeds = Arc::new(Feeds::new(&wrapped, 5, WhenAway::Now)?);
        let service = Service::Cached(wrapped, feeds);
        let referee = Referee::new(db.clone());
        let profile = Request { viewer: 2, what: What::Profile { member: 1 } };
        let rename = |name: &str| Write::Rename { member: 1, name: name.to_owned() };

        referee.compare(&service, profile).await?;
        service.write(rename("through the wrapper")).await?;
        referee.compare(&service, profile).await?;
        assert_eq!(referee.checks(), Checks { samples: 2, mismatches: 0 });

        writes::apply(&db, rename("behind its back")).await?;
        referee.compare(&service, profile).await?;
        assert_eq!(referee.checks(), Checks { samples: 3, mismatches: 1 });
        Ok(())
    }
}
