use std::convert::Infallible;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ConnectionTrait, Database, DbErr, TransactionTrait,
    rbac::{RbacEngine, RbacSnapshot, RbacUserId},
};

use crate::{cache::Cache, tag::Tag};

mod gadget {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "restricted_gadget")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn a_restricted_connection_judges_statements_and_its_writes_are_seen() {
    let cache = Cache::builder().build().await.unwrap();
    let db = cache.wrap(Database::connect("sqlite::memory:").await.unwrap());
    db.execute_unprepared("CREATE TABLE restricted_gadget (id INTEGER PRIMARY KEY)").await.unwrap();
    assert!(matches!(db.restricted_for(RbacUserId(0)), Err(DbErr::RbacError(_))), "no rules yet");
    db.replace_rbac(RbacEngine::from_snapshot(RbacSnapshot::danger_unrestricted()));
    let db = db.restricted_for(RbacUserId(0)).unwrap();

    let fill = async || {
        let load = async || Ok::<_, Infallible>(1);
        let Ok(_one): Result<i32, _> = cache.get_or_load("gadgets", [Tag::table("restricted_gadget")], load).await;
        cache.get::<i32>("gadgets").await.is_some()
    };
    assert!(fill().await);
    gadget::ActiveModel { id: Set(1) }.insert(&db).await.unwrap();
    assert_eq!(cache.get::<i32>("gadgets").await, None);

    assert!(fill().await);
    let txn = db.begin().await.unwrap();
    gadget::ActiveModel { id: Set(2) }.insert(&txn).await.unwrap();
    assert!(cache.get::<i32>("gadgets").await.is_some(), "not committed yet");
    sea_orm::TransactionSession::commit(txn).await.unwrap();
    assert_eq!(cache.get::<i32>("gadgets").await, None);
    assert!(matches!(db.execute_unprepared("DELETE FROM restricted_gadget").await, Err(DbErr::RbacError(_))));
}

#[tokio::test]
async fn a_restricted_connection_is_not_answered_by_the_cache() {
    use crate::orm::recognise::{Reached, reach};

    let cache = Cache::builder().build().await.unwrap();
    let db = cache.wrap(Database::connect("sqlite::memory:").await.unwrap());
    db.replace_rbac(RbacEngine::from_snapshot(RbacSnapshot::danger_unrestricted()));
    assert!(matches!(reach(&db), Reached::Cache { .. }));
    let db = db.restricted_for(RbacUserId(0)).unwrap();
    assert!(matches!(reach(&db), Reached::Inside { unseen: false, .. }), "a hit would not be judged");
    let txn = db.begin().await.unwrap();
    assert!(matches!(reach(&txn), Reached::Inside { unseen: false, .. }));
}
