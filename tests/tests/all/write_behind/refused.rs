//! Settings and entities that cannot work.

use std::time::Duration;

use harness::Backend;
use sea_orm_cache::{Backpressure, ErrorKind, WriteBehind, WriteBehindBuilder, WriteBehindJournal};

use super::{World, world::tally};

#[tokio::test]
async fn build_names_the_setting_that_cannot_work() {
    let world = World::on(Backend::Sqlite).await;
    type Change = fn(WriteBehindBuilder<tally::Entity>) -> WriteBehindBuilder<tally::Entity>;
    let cases: [(&str, Change); 11] = [
        ("name", |builder| builder.name("a:b")),
        ("shards", |builder| builder.shards(0)),
        ("batch_size", |builder| builder.batch_size(0)),
        ("flush_interval", |builder| builder.flush_interval(Duration::ZERO)),
        ("backlog_max", |builder| builder.shards(8).backlog_max(7)),
        ("dead_letters_max", |builder| builder.dead_letters_max(0)),
        ("backpressure", |builder| builder.backpressure(Backpressure::Wait(Duration::ZERO))),
        ("retry", |builder| builder.retry(Duration::from_secs(2), Duration::from_secs(1))),
        ("write_deadline", |builder| builder.write_deadline(Duration::ZERO)),
        ("lease", |builder| builder.lease(Duration::ZERO)),
        ("journal", |builder| builder.journal(WriteBehindJournal::Redis)),
    ];
    for (setting, change) in cases {
        let error = change(world.patient()).build().await.expect_err(setting);
        assert_eq!(error.kind(), ErrorKind::Setting, "{setting}: {error}");
        assert!(error.to_string().starts_with(setting), "{setting}: {error}");
    }
}

mod given {
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "given")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod forgetful {
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DeriveEntityModel)]
    #[sea_orm(table_name = "forgetful")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        #[serde(skip)]
        pub secret: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::test]
async fn an_entity_whose_keys_the_database_gives_is_refused() {
    let world = World::on(Backend::Sqlite).await;
    let error = WriteBehind::<given::Entity>::builder(&world.db).build().await.expect_err("auto increment");
    assert_eq!(error.kind(), ErrorKind::Setting);
    assert!(error.to_string().starts_with("entity: given"), "{error}");
}

#[tokio::test]
async fn a_column_that_serde_skips_is_not_lost_in_silence() {
    let world = World::on(Backend::Sqlite).await;
    let rows = WriteBehind::<forgetful::Entity>::builder(&world.db).build().await.unwrap();
    let error = rows.upsert(forgetful::Model { id: 1, secret: "s".to_owned() }).await.expect_err("a skipped field");
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn only_whole_numbers_outside_the_key_are_incremented() {
    let world = World::on(Backend::Sqlite).await;
    let tallies = world.patient().build().await.unwrap();
    for column in [tally::Column::Id, tally::Column::Name] {
        let error = tallies.increment(1, column, 1).await.expect_err("no summand");
        assert_eq!(error.kind(), ErrorKind::Setting, "{error}");
    }
    tallies.increment(1, tally::Column::N, i64::MAX).await.unwrap();
    let error = tallies.increment(1, tally::Column::N, 1).await.expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
}
