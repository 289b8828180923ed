//! `#[cache_hooks]`: composition with the user's own hooks.

use std::sync::{Mutex, PoisonError};

use harness::memory;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, Schema};

/// What the hooks did, in order.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn log(text: &str) {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
}

fn logged() -> Vec<String> {
    std::mem::take(&mut *LOG.lock().unwrap_or_else(PoisonError::into_inner))
}

mod note {
    use sea_orm::{ActiveValue::Set, entity::prelude::*};
    use sea_orm_cache::cache_hooks;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[cache_hooks]
    impl ActiveModelBehavior for ActiveModel {
        fn new() -> Self {
            Self { text: Set("from new".into()), ..ActiveModelTrait::default() }
        }

        async fn before_save<C>(mut self, _: &C, insert: bool) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            super::log(if insert { "before insert" } else { "before update" });
            if self.text.as_ref() == "bad" {
                return Err(DbErr::Custom("refused".into()));
            }
            self.text = Set(format!("{}!", self.text.as_ref()));
            Ok(self)
        }

        async fn after_save<C>(model: Model, db: &C, _insert: bool) -> Result<Model, DbErr>
        where
            C: ConnectionTrait,
        {
            let found = Entity::find_by_id(model.id).one(db).await?;
            super::log(&format!("after save of {:?}", found.map(|found| found.text)));
            Ok(model)
        }
    }
}

mod boxed {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::cache_hooks;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "boxed")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[sea_orm::prelude::async_trait::async_trait]
    #[cache_hooks]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_delete<C>(self, _db: &C) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            super::log("before delete");
            Ok(self)
        }
    }
}

mod boxed_below {
    use sea_orm::entity::prelude::*;
    use sea_orm_cache::cache_hooks;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "boxed_below")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[cache_hooks]
    #[sea_orm::prelude::async_trait::async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn after_delete<C>(self, _db: &C) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            super::log("after delete");
            Ok(self)
        }
    }
}

#[tokio::test]
async fn the_users_own_hooks_run_as_before() {
    let db = memory().await;
    let schema = Schema::new(db.get_database_backend());
    for table in [
        schema.create_table_from_entity(note::Entity),
        schema.create_table_from_entity(boxed::Entity),
        schema.create_table_from_entity(boxed_below::Entity),
    ] {
        db.execute(&table).await.unwrap();
    }
    let saved = note::ActiveModel { text: Set("hello".into()), ..Default::default() }.insert(&db).await.unwrap();
    assert_eq!(saved.text, "hello!");
    assert_eq!(logged(), ["before insert", "after save of Some(\"hello!\")"]);
    let changed = note::ActiveModel { id: Set(saved.id), text: Set("again".into()) }.update(&db).await.unwrap();
    assert_eq!(changed.text, "again!");
    assert_eq!(logged(), ["before update", "after save of Some(\"again!\")"]);
    let refused = note::ActiveModel { text: Set("bad".into()), ..Default::default() }.insert(&db).await;
    assert_eq!(refused, Err(DbErr::Custom("refused".into())));
    assert_eq!(logged(), ["before insert"]);
    let born = boxed::ActiveModel { id: Set(1) }.insert(&db).await.unwrap();
    boxed::ActiveModel::from(born).delete(&db).await.unwrap();
    assert_eq!(logged(), ["before delete"]);
    let born = boxed_below::ActiveModel { id: Set(1) }.insert(&db).await.unwrap();
    boxed_below::ActiveModel::from(born).delete(&db).await.unwrap();
    assert_eq!(logged(), ["after delete"]);
}
