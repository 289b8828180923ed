//! Reads and writes the tables.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, JoinType,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, RelationTrait, TransactionTrait, sea_query::Expr,
};
use sea_orm_cache::{CachedConnection, cached};
use serde::{Deserialize, Serialize};

use crate::entities::{Category, Product, Purchase, category, product, purchase};

/// How many products a page of a list has.
const PAGE_PRODUCTS: u64 = 20;

/// How many products the list of best sellers has.
const BEST_SELLERS: u64 = 10;

#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult, Serialize, Deserialize)]
pub struct BestSeller {
    pub id: i32,
    pub name: String,
    pub sold: i64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct NewProduct {
    pub category_id: i32,
    pub name: String,
    pub price_cents: i64,
    pub stock: i32,
}

/// Ends with any write to the table.
#[cached(ttl = "1h", invalidate_on = Category)]
pub async fn categories(db: &CachedConnection) -> Result<Vec<category::Model>, DbErr> {
    Category::find().order_by_asc(category::Column::Name).all(db).await
}

/// Ends with a write to that row.
#[cached(ttl = "10m", invalidate_on = Product(id))]
pub async fn find_product(db: &CachedConnection, id: i32) -> Result<Option<product::Model>, DbErr> {
    Product::find_by_id(id).one(db).await
}

/// Ends with a write to a row that is, or was, in the category.
#[cached(ttl = "10m", invalidate_on = Product(category_id = category))]
pub async fn products_of(db: &CachedConnection, category: i32, page: u64) -> Result<Vec<product::Model>, DbErr> {
    Product::find()
        .filter(product::Column::CategoryId.eq(category))
        .order_by_asc(product::Column::Id)
        .paginate(db, PAGE_PRODUCTS)
        .fetch_page(page)
        .await
}

/// Ends with any write to the tables its statement reads.
#[cached(ttl = "1m")]
pub async fn best_sellers(db: &CachedConnection) -> Result<Vec<BestSeller>, DbErr> {
    Purchase::find()
        .select_only()
        .column_as(product::Column::Id, "id")
        .column_as(product::Column::Name, "name")
        .column_as(purchase::Column::Count.sum(), "sold")
        .join(JoinType::InnerJoin, purchase::Relation::Product.def())
        .group_by(product::Column::Id)
        .group_by(product::Column::Name)
        .order_by_desc(purchase::Column::Count.sum())
        .limit(BEST_SELLERS)
        .into_model()
        .all(db)
        .await
}

pub async fn create_category(db: &CachedConnection, name: String) -> Result<category::Model, DbErr> {
    category::ActiveModel { name: Set(name), ..Default::default() }.insert(db).await
}

pub async fn create_product(db: &CachedConnection, new: NewProduct) -> Result<product::Model, DbErr> {
    let NewProduct { category_id, name, price_cents, stock } = new;
    let row = product::ActiveModel {
        category_id: Set(category_id),
        name: Set(name),
        price_cents: Set(price_cents),
        stock: Set(stock),
        ..Default::default()
    };
    row.insert(db).await
}

/// `None` if there is no such product.
pub async fn set_price(db: &CachedConnection, id: i32, cents: i64) -> Result<Option<product::Model>, DbErr> {
    let row = product::ActiveModel { id: Set(id), price_cents: Set(cents), ..Default::default() };
    match row.update(db).await {
        Ok(product) => Ok(Some(product)),
        Err(DbErr::RecordNotUpdated) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there was such a product. The database deletes its purchases with it.
pub async fn delete_product(db: &CachedConnection, id: i32) -> Result<bool, DbErr> {
    Ok(Product::delete_by_id(id).exec(db).await?.rows_affected > 0)
}

/// Everything in a category becomes cheaper; returns how many products did.
pub async fn discount(db: &CachedConnection, category: i32, percent: i64) -> Result<u64, DbErr> {
    let price = Expr::col(product::Column::PriceCents).mul(100 - percent).div(100);
    let changed = Product::update_many()
        .col_expr(product::Column::PriceCents, price)
        .filter(product::Column::CategoryId.eq(category))
        .exec(db)
        .await?;
    Ok(changed.rows_affected)
}

/// `None`, and nothing changed, if there are not so many.
pub async fn buy(db: &CachedConnection, product: i32, count: i32) -> Result<Option<purchase::Model>, DbErr> {
    let txn = db.begin().await?;
    let purchase = purchase::ActiveModel { product_id: Set(product), count: Set(count), ..Default::default() };
    let purchase = purchase.insert(&txn).await?;
    let taken = Product::update_many()
        .col_expr(product::Column::Stock, Expr::col(product::Column::Stock).sub(count))
        .filter(product::Column::Id.eq(product))
        .filter(product::Column::Stock.gte(count))
        .exec(&txn)
        .await?;
    if taken.rows_affected == 0 {
        txn.rollback().await?;
        return Ok(None);
    }
    txn.commit().await?;
    Ok(Some(purchase))
}
