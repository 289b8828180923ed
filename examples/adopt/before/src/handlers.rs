//! Answers requests.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sea_orm::{DatabaseConnection, DbErr, SqlErr};
use serde::Deserialize;

use crate::{
    entities::{category, product, purchase},
    repository::{self, BestSeller, NewProduct},
};

/// All routes.
pub fn router(db: DatabaseConnection) -> Router {
    Router::new()
        .route("/categories", get(categories).post(create_category))
        .route("/categories/{id}/discount", post(discount))
        .route("/products", get(products).post(create_product))
        .route("/products/{id}", get(product).patch(set_price).delete(delete_product))
        .route("/products/{id}/purchases", post(buy))
        .route("/best-sellers", get(best_sellers))
        .with_state(db)
}

#[derive(Deserialize)]
struct List {
    category: i32,
    #[serde(default)]
    page: u64,
}

#[derive(Deserialize)]
struct NewCategory {
    name: String,
}

#[derive(Deserialize)]
struct Discount {
    percent: i64,
}

#[derive(Deserialize)]
struct Price {
    price_cents: i64,
}

#[derive(Deserialize)]
struct Order {
    count: i32,
}

async fn categories(State(db): State<DatabaseConnection>) -> Result<Json<Vec<category::Model>>, Failure> {
    Ok(Json(repository::categories(&db).await?))
}

async fn create_category(
    State(db): State<DatabaseConnection>,
    Json(new): Json<NewCategory>,
) -> Result<(StatusCode, Json<category::Model>), Failure> {
    Ok((StatusCode::CREATED, Json(repository::create_category(&db, new.name).await?)))
}

async fn discount(
    State(db): State<DatabaseConnection>,
    Path(id): Path<i32>,
    Json(discount): Json<Discount>,
) -> Result<Json<u64>, Failure> {
    if !(1..=90).contains(&discount.percent) {
        return Err(Failure::Refused("from 1 to 90 percent"));
    }
    Ok(Json(repository::discount(&db, id, discount.percent).await?))
}

async fn products(
    State(db): State<DatabaseConnection>,
    Query(list): Query<List>,
) -> Result<Json<Vec<product::Model>>, Failure> {
    Ok(Json(repository::products_of(&db, list.category, list.page).await?))
}

async fn product(State(db): State<DatabaseConnection>, Path(id): Path<i32>) -> Result<Json<product::Model>, Failure> {
    repository::find_product(&db, id).await?.map(Json).ok_or(Failure::Missing)
}

async fn create_product(
    State(db): State<DatabaseConnection>,
    Json(new): Json<NewProduct>,
) -> Result<(StatusCode, Json<product::Model>), Failure> {
    Ok((StatusCode::CREATED, Json(repository::create_product(&db, new).await?)))
}

async fn set_price(
    State(db): State<DatabaseConnection>,
    Path(id): Path<i32>,
    Json(price): Json<Price>,
) -> Result<Json<product::Model>, Failure> {
    repository::set_price(&db, id, price.price_cents).await?.map(Json).ok_or(Failure::Missing)
}

async fn delete_product(State(db): State<DatabaseConnection>, Path(id): Path<i32>) -> Result<StatusCode, Failure> {
    if repository::delete_product(&db, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Failure::Missing) }
}

async fn buy(
    State(db): State<DatabaseConnection>,
    Path(id): Path<i32>,
    Json(order): Json<Order>,
) -> Result<(StatusCode, Json<purchase::Model>), Failure> {
    if order.count < 1 {
        return Err(Failure::Refused("at least one"));
    }
    let purchase = repository::buy(&db, id, order.count).await?.ok_or(Failure::Refused("not enough in stock"))?;
    Ok((StatusCode::CREATED, Json(purchase)))
}

async fn best_sellers(State(db): State<DatabaseConnection>) -> Result<Json<Vec<BestSeller>>, Failure> {
    Ok(Json(repository::best_sellers(&db).await?))
}

enum Failure {
    Missing,
    Refused(&'static str),
    Database(DbErr),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        // A purchase of a product that does not exist, a product of a category that does not.
        match error.sql_err() {
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Self::Missing,
            _ => Self::Database(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Missing => StatusCode::NOT_FOUND.into_response(),
            Self::Refused(why) => (StatusCode::CONFLICT, why).into_response(),
            Self::Database(error) => {
                eprintln!("shop: {error}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
