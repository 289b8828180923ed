use sea_orm::entity::prelude::*;
#[allow(unused_imports)]
use sea_orm_cache::{CachedEntity, cache_hooks};

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::Post;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity)]
#[sea_orm(table_name = "comment")]
#[cached_entity]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub author_id: i32,
    pub slug: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

#[cache_hooks(strict)]
impl ActiveModelBehavior for ActiveModel {}

struct Other;

#[cache_hooks]
impl Other {}

#[cache_hooks]
impl Clone for Other {
    fn clone(&self) -> Self {
        Self
    }
}

#[cache_hooks]
struct NotAnImpl;

fn main() {}
