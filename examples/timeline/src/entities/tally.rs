//! The table of how many likes each tweet has.

use sea_orm::entity::prelude::*;
use sea_orm_cache::CachedEntity;
use serde::{Deserialize, Serialize};

/// The count of one tweet's likes. The database deletes it together with the tweet.
///
/// A row of its own, so that a like does not make the tweet's entry stale, and so that many likes can be written behind as one sum.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity, Serialize, Deserialize)]
#[sea_orm(table_name = "tally")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tweet_id: i32,
    pub likes: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::tweet::Entity",
        from = "Column::TweetId",
        to = "super::tweet::Column::Id",
        on_delete = "Cascade"
    )]
    Tweet,
}

impl Related<super::tweet::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Tweet.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
