//! The table of members.

use sea_orm::entity::prelude::*;
use sea_orm_cache::CachedEntity;
use serde::{Deserialize, Serialize};

/// Somebody who tweets, or reads.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity, Serialize, Deserialize)]
#[sea_orm(table_name = "member")]
#[cached_entity(index(handle))]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[sea_orm(unique)]
    pub handle: String,
    pub name: String,
    /// How many tweets the member has; kept by the transactions that post and delete.
    pub tweets: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(has_many = "super::tweet::Entity")]
    Tweet,
}

impl Related<super::tweet::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Tweet.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
