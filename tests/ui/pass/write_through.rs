//! A right twin.
#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod note {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::CachedEntity;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DeriveEntityModel, CachedEntity)]
    #[sea_orm(table_name = "note")]
    #[cached_entity(write_through, index(author_id))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub author_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
