//! Answers requests, with the cache or without it.

use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_cache::CachedConnection;

use crate::{
    direct,
    pages::{Page, Request},
    repository,
    serve::feed::Feeds,
    writes::{self, Write},
};

/// Who answers.
#[derive(Clone)]
pub enum Service {
    /// The database, for everything.
    Direct(DatabaseConnection),
    /// The cache and the timelines kept by the writers, and the database where it must.
    Cached(CachedConnection, Arc<Feeds>),
}

impl Service {
    pub async fn read(&self, request: Request) -> Result<Page, DbErr> {
        match self {
            Self::Direct(db) => direct::page(db, request).await,
            Self::Cached(db, feeds) => repository::page(db, feeds, request).await,
        }
    }

    pub async fn write(&self, write: Write) -> Result<(), DbErr> {
        let (db, feeds) = match self {
            Self::Direct(db) => return writes::apply(db, write).await,
            Self::Cached(db, feeds) => (db, feeds),
        };
        match write {
            Write::Post { author, body } => feeds.posted(&writes::post(db, author, body).await?).await,
            Write::Delete { tweet } => {
                if let Some(gone) = writes::delete(db, tweet).await? {
                    feeds.deleted(&gone).await;
                }
            }
            Write::Follow { follower, followee } => {
                if writes::follow(db, follower, followee).await? {
                    feeds.followed(follower, followee).await;
                }
            }
            Write::Unfollow { follower, followee } => {
                if writes::unfollow(db, follower, followee).await? {
                    feeds.unfollowed(follower, followee).await;
                }
            }
            rest => writes::apply(db, rest).await?,
        }
        Ok(())
    }
}
