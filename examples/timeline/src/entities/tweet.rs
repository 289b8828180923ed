//! The table of tweets.

use sea_orm::entity::prelude::*;
use sea_orm_cache::CachedEntity;
use serde::{Deserialize, Serialize};

/// A tweet. Newer ones have greater ids.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity, Serialize, Deserialize)]
#[sea_orm(table_name = "tweet")]
#[cached_entity(index(author_id))]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    #[sea_orm(indexed)]
    pub author_id: i32,
    #[sea_orm(column_type = "String(StringLen::N(280))")]
    pub body: String,
    pub edited: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::member::Entity", from = "Column::AuthorId", to = "super::member::Column::Id")]
    Author,
    #[sea_orm(has_many = "super::favourite::Entity")]
    Favourite,
}

impl Related<super::member::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Author.def()
    }
}

impl Related<super::favourite::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Favourite.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
