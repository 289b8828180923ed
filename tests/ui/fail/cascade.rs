use sea_orm::entity::prelude::*;
#[allow(unused_imports)]
use sea_orm_cache::{CachedEntity, cache_hooks};

#[path = "../entities.rs"]
mod entities;

#[allow(unused_imports)]
use entities::Post;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity)]
#[sea_orm(table_name = "comment")]
#[cached_entity(cascade(Post(autor_id = id), Pst(author_id = id)))]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub author_id: i32,
    pub slug: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}


impl ActiveModelBehavior for ActiveModel {}

mod second {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "comment")]
    #[cached_entity(cascade(Post(author_id = idd), Post, Post(author_id = 5)))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub author_id: i32,
        pub slug: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}


    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {}
