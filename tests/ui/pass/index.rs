//! A right twin.
#![allow(dead_code, missing_docs)]

use sea_orm::entity::prelude::*;
use sea_orm_cache::{CachedEntity, cache_hooks};

#[path = "../entities.rs"]
mod entities;

use entities::Post;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity)]
#[sea_orm(table_name = "comment")]
#[cached_entity(index(author_id), index(slug))]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub author_id: i32,
    pub slug: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

#[allow(unused_imports)]
use Post as _;
#[allow(unused_imports)]
use cache_hooks as _;
