//! The tags of rows whose keys need SeaORM's optional features.

use sea_orm::{Value, entity::prelude::*};
use sea_orm_cache::{__testing::row_tags, Cascade, ColumnClass, EntityInfo};

mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "key_types_session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub day: Date,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod daily {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "kind")]
    pub enum Kind {
        #[sea_orm(string_value = "Big")]
        Big,
        #[sea_orm(string_value = "small one")]
        SmallOne,
    }

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "key_types_daily")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub day: Date,
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: Kind,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn text(tags: &[sea_orm_cache::Tag]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

#[test]
fn a_uuid_is_a_precise_key() {
    let id = Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e0c8);
    let row = "key_types_session:67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert_eq!(text(&row_tags::<session::Entity>(id)), ["key_types_session", row, "key_types_session.*"]);
}

#[test]
fn a_date_and_an_enum_are_precise_keys_as_far_as_their_text_is() {
    let day = Date::from_ymd_opt(2024, 2, 29).expect("a day");
    let tags = text(&row_tags::<daily::Entity>((day, daily::Kind::Big)));
    assert_eq!(tags, ["key_types_daily", "key_types_daily:2024-02-29,big", "key_types_daily.*"]);
    let tags = text(&row_tags::<daily::Entity>((day, daily::Kind::SmallOne)));
    assert_eq!(tags, ["key_types_daily", "key_types_daily:*"], "a blank is not compared alike everywhere");
}

#[test]
fn columns_have_the_class_that_their_type_says() {
    let info = EntityInfo::of::<session::Entity>();
    assert!(info.is_precise() && !info.auto_increment());
    assert_eq!(info.key().iter().map(|column| column.class).collect::<Vec<_>>(), [ColumnClass::Uuid]);
    let cascade = Cascade::new(session::Column::Day, daily::Column::Day);
    assert_eq!((cascade.table.as_str(), cascade.column.class), ("key_types_session", ColumnClass::Date));
    assert_eq!(Value::from(Date::from_ymd_opt(2024, 2, 29)).to_string(), "'2024-02-29'", "what the tag is made of");
}
