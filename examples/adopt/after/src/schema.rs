//! Creates the tables that are missing.

use sea_orm::{DatabaseConnection, DbErr};

use crate::entities::{Category, Product, Purchase};

/// Before anything is served.
pub async fn create(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.get_schema_builder().register(Category).register(Product).register(Purchase).sync(db).await
}
