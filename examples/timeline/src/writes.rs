//! Carries out the writes, with ordinary SeaORM.
//!
//! Nothing here knows of the cache: the same code runs on a `DatabaseConnection` and on a `CachedConnection`, which sees what is written.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter,
    SqlErr, SqliteTransactionMode, TransactionOptions, TransactionSession, TransactionTrait, sea_query::Expr,
};

use crate::entities::{Favourite, Follow, Member, Tweet, favourite, follow, member, tweet};

/// Something a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Post { author: i32, body: String },
    Edit { tweet: i32, body: String },
    Delete { tweet: i32 },
    Follow { follower: i32, followee: i32 },
    Unfollow { follower: i32, followee: i32 },
    Like { member: i32, tweet: i32 },
    Rename { member: i32, name: String },
}

/// Carries out one write. Doing something twice, or to a tweet that is gone, is not an error and changes nothing.
pub async fn apply<C>(db: &C, write: Write) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait,
{
    match write {
        Write::Post { author, body } => post(db, author, body).await,
        Write::Edit { tweet, body } => edit(db, tweet, body).await,
        Write::Delete { tweet } => delete(db, tweet).await,
        Write::Follow { follower, followee } => {
            let row = follow::ActiveModel { follower_id: Set(follower), followee_id: Set(followee) };
            Follow::insert(row).on_conflict_do_nothing().exec_without_returning(db).await.map(drop)
        }
        Write::Unfollow { follower, followee } => Follow::delete_by_id((follower, followee)).exec(db).await.map(drop),
        Write::Like { member, tweet } => like(db, member, tweet).await,
        Write::Rename { member, name } => {
            let row = member::ActiveModel { id: Set(member), name: Set(name), ..Default::default() };
            row.update(db).await.map(drop)
        }
    }
}

/// The tweet, and the count in its author's row, in one transaction.
async fn post<C: TransactionTrait>(db: &C, author: i32, body: String) -> Result<(), DbErr> {
    let txn = begin(db).await?;
    add_to_count(&txn, author, 1).await?;
    let row = tweet::ActiveModel { author_id: Set(author), body: Set(body), edited: Set(false), ..Default::default() };
    row.insert(&txn).await?;
    txn.commit().await
}

async fn edit<C: ConnectionTrait>(db: &C, tweet: i32, body: String) -> Result<(), DbErr> {
    let Some(row) = Tweet::find_by_id(tweet).one(db).await? else { return Ok(()) };
    let mut row = tweet::ActiveModel::from(row);
    row.body = Set(body);
    row.edited = Set(true);
    match row.update(db).await {
        // Deleted since it was found.
        Ok(_) | Err(DbErr::RecordNotUpdated) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The tweet, and the count in its author's row; the database deletes the likes.
async fn delete<C: TransactionTrait>(db: &C, tweet: i32) -> Result<(), DbErr> {
    let txn = begin(db).await?;
    let Some(row) = Tweet::find_by_id(tweet).one(&txn).await? else { return txn.rollback().await };
    // The author's row first, as in `post`: always the same order of locks.
    add_to_count(&txn, row.author_id, -1).await?;
    if Tweet::delete_by_id(tweet).exec(&txn).await?.rows_affected == 0 {
        return txn.rollback().await;
    }
    txn.commit().await
}

async fn like<C: ConnectionTrait>(db: &C, member: i32, tweet: i32) -> Result<(), DbErr> {
    let row = favourite::ActiveModel { tweet_id: Set(tweet), member_id: Set(member) };
    match Favourite::insert(row).on_conflict_do_nothing().exec_without_returning(db).await {
        Ok(_) => Ok(()),
        // The tweet is gone.
        Err(error) if matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_))) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn add_to_count<C: ConnectionTrait>(txn: &C, author: i32, change: i32) -> Result<(), DbErr> {
    Member::update_many()
        .col_expr(member::Column::Tweets, Expr::col(member::Column::Tweets).add(change))
        .filter(member::Column::Id.eq(author))
        .exec(txn)
        .await
        .map(drop)
}

/// SQLite refuses to turn a transaction that has read into one that writes while another one writes; so it says at once that it will write.
async fn begin<C: TransactionTrait>(db: &C) -> Result<C::Transaction, DbErr> {
    let mode = Some(SqliteTransactionMode::Immediate);
    db.begin_with_options(TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() }).await
}
