//! The rows that writers write, and every state that they ever had.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Schema, entity::prelude::*};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, DeriveEntityModel)]
#[sea_orm(table_name = "behind_row")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(super) id: i32,
    /// Names the put that made the row; later puts of a row have greater ones.
    pub(super) token: i64,
    /// The sum of the increments since then.
    pub(super) n: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A state that a row came to: its token, or none when it was deleted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) id: i32,
    pub(super) token: Option<i64>,
}

/// Makes the table and the trigger that watches it.
pub(super) async fn create(db: &DatabaseConnection) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(Entity)).await?;
    db.execute_unprepared(
        "CREATE TABLE behind_past (at bigserial PRIMARY KEY, id int NOT NULL, token bigint);
         CREATE FUNCTION behind_watch() RETURNS trigger AS $$ BEGIN
             IF TG_OP = 'DELETE' THEN INSERT INTO behind_past (id, token) VALUES (OLD.id, NULL); RETURN OLD; END IF;
             INSERT INTO behind_past (id, token) VALUES (NEW.id, NEW.token); RETURN NEW;
         END $$ LANGUAGE plpgsql;
         CREATE TRIGGER behind_watch AFTER INSERT OR UPDATE OR DELETE ON behind_row
             FOR EACH ROW EXECUTE FUNCTION behind_watch()",
    )
    .await?;
    Ok(())
}

pub(super) async fn all(db: &DatabaseConnection) -> Result<Vec<Model>, DbErr> {
    Entity::find().all(db).await
}

/// All states, in the order in which rows came to them.
pub(super) async fn past(db: &DatabaseConnection) -> Result<Vec<Past>, DbErr> {
    let sql = "SELECT id, token FROM behind_past ORDER BY at";
    let rows = db.query_all_raw(sea_orm::Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter().map(|row| Ok(Past { id: row.try_get("", "id")?, token: row.try_get("", "token")? })).collect()
}
