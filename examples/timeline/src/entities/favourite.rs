//! The table of likes.

use sea_orm::entity::prelude::*;
use sea_orm_cache::CachedEntity;
use serde::{Deserialize, Serialize};

/// One member liking one tweet. The database deletes it together with the tweet.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity, Serialize, Deserialize)]
#[sea_orm(table_name = "favourite")]
#[cached_entity(index(tweet_id, member_id))]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tweet_id: i32,
    #[sea_orm(primary_key, auto_increment = false, indexed)]
    pub member_id: i32,
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
    #[sea_orm(belongs_to = "super::member::Entity", from = "Column::MemberId", to = "super::member::Column::Id")]
    Member,
}

impl Related<super::tweet::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Tweet.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
