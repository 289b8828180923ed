//! The table of who follows whom.

use sea_orm::entity::prelude::*;
use sea_orm_cache::CachedEntity;
use serde::{Deserialize, Serialize};

/// One member following another.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity, Serialize, Deserialize)]
#[sea_orm(table_name = "follow")]
#[cached_entity(index(follower_id, followee_id))]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub follower_id: i32,
    #[sea_orm(primary_key, auto_increment = false, indexed)]
    pub followee_id: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::member::Entity", from = "Column::FollowerId", to = "super::member::Column::Id")]
    Follower,
    #[sea_orm(belongs_to = "super::member::Entity", from = "Column::FolloweeId", to = "super::member::Column::Id")]
    Followee,
}

impl ActiveModelBehavior for ActiveModel {}
