//! Carries out the writes, with ordinary SeaORM.
//!
//! Nothing here knows of the cache: the same code runs on a `DatabaseConnection` and on a `CachedConnection`, which sees what is written.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter,
    SqlErr, SqliteTransactionMode, TransactionOptions, TransactionSession, TransactionTrait, sea_query::Expr,
};

use crate::entities::{Favourite, Follow, Member, Tally, Tweet, favourite, follow, member, tally, tweet};

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
        Write::Post { author, body } => post(db, author, body).await.map(drop),
        Write::Edit { tweet, body } => edit(db, tweet, body).await.map(drop),
        Write::Delete { tweet } => delete(db, tweet).await.map(drop),
        Write::Follow { follower, followee } => follow(db, follower, followee).await.map(drop),
        Write::Unfollow { follower, followee } => unfollow(db, follower, followee).await.map(drop),
        Write::Like { member, tweet } => like_and_count(db, member, tweet).await,
        Write::Rename { member, name } => {
            let row = member::ActiveModel { id: Set(member), name: Set(name), ..Default::default() };
            row.update(db).await.map(drop)
        }
    }
}

/// The tweet with its tally, and the count in its author's row, in one transaction.
pub async fn post<C: TransactionTrait>(db: &C, author: i32, body: String) -> Result<tweet::Model, DbErr> {
    let txn = begin(db).await?;
    add_to_count(&txn, author, 1).await?;
    let row = tweet::ActiveModel { author_id: Set(author), body: Set(body), edited: Set(false), ..Default::default() };
    let row = row.insert(&txn).await?;
    tally::ActiveModel { tweet_id: Set(row.id), likes: Set(0) }.insert(&txn).await?;
    txn.commit().await?;
    Ok(row)
}

/// Whether the tweet was there.
pub async fn edit<C: ConnectionTrait>(db: &C, tweet: i32, body: String) -> Result<bool, DbErr> {
    let Some(row) = Tweet::find_by_id(tweet).one(db).await? else { return Ok(false) };
    let mut row = tweet::ActiveModel::from(row);
    row.body = Set(body);
    row.edited = Set(true);
    match row.update(db).await {
        Ok(_) => Ok(true),
        // Deleted since it was found.
        Err(DbErr::RecordNotUpdated) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The tweet, and the count in its author's row; the database deletes the likes and the tally. Returns what there was.
pub async fn delete<C: TransactionTrait>(db: &C, tweet: i32) -> Result<Option<tweet::Model>, DbErr> {
    let txn = begin(db).await?;
    let Some(row) = Tweet::find_by_id(tweet).one(&txn).await? else {
        txn.rollback().await?;
        return Ok(None);
    };
    // The author's row first, as in `post`: always the same order of locks.
    add_to_count(&txn, row.author_id, -1).await?;
    if Tweet::delete_by_id(tweet).exec(&txn).await?.rows_affected == 0 {
        txn.rollback().await?;
        return Ok(None);
    }
    txn.commit().await?;
    Ok(Some(row))
}

/// Whether that is new.
pub async fn follow<C: ConnectionTrait>(db: &C, follower: i32, followee: i32) -> Result<bool, DbErr> {
    let row = follow::ActiveModel { follower_id: Set(follower), followee_id: Set(followee) };
    is_new(Follow::insert(row).exec_without_returning(db).await)
}

/// Whether that is new.
pub async fn unfollow<C: ConnectionTrait>(db: &C, follower: i32, followee: i32) -> Result<bool, DbErr> {
    Ok(Follow::delete_by_id((follower, followee)).exec(db).await?.rows_affected > 0)
}

/// Whether that is new. The tally is somebody else's.
pub async fn like<C: ConnectionTrait>(db: &C, member: i32, tweet: i32) -> Result<bool, DbErr> {
    let row = favourite::ActiveModel { tweet_id: Set(tweet), member_id: Set(member) };
    is_new(Favourite::insert(row).exec_without_returning(db).await)
}

/// Whether that is new. The tally is somebody else's.
pub async fn unlike<C: ConnectionTrait>(db: &C, member: i32, tweet: i32) -> Result<bool, DbErr> {
    Ok(Favourite::delete_by_id((tweet, member)).exec(db).await?.rows_affected > 0)
}

async fn like_and_count<C: ConnectionTrait>(db: &C, member: i32, tweet: i32) -> Result<(), DbErr> {
    if !like(db, member, tweet).await? {
        return Ok(());
    }
    Tally::update_many()
        .col_expr(tally::Column::Likes, Expr::col(tally::Column::Likes).add(1))
        .filter(tally::Column::TweetId.eq(tweet))
        .exec(db)
        .await
        .map(drop)
}

/// The error tells, and not a count of rows after `on_conflict_do_nothing()`: MySQL and MariaDB count a row that was there already.
pub fn is_new<T>(inserted: Result<T, DbErr>) -> Result<bool, DbErr> {
    use SqlErr::{ForeignKeyConstraintViolation, UniqueConstraintViolation};
    match inserted {
        Ok(_) => Ok(true),
        // It was there; or the tweet, or the member, is gone.
        Err(error) => match error.sql_err() {
            Some(UniqueConstraintViolation(_) | ForeignKeyConstraintViolation(_)) => Ok(false),
            _ => Err(error),
        },
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
