//! Who has so many followers that nobody's timeline gets their tweets: they are merged in when it is read.

use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QuerySelect, sea_query::Expr,
};
use sea_orm_cache::{CachedConnection, cached};

use crate::{
    entities::{Celebrity, Follow, celebrity, follow},
    writes::is_new,
};

/// All of them, in ascending order. Depends on the table, which is written when somebody becomes one.
#[cached(ttl = "10m", invalidate_on = Celebrity)]
pub async fn celebrities(db: &CachedConnection) -> Result<Arc<Vec<i32>>, DbErr> {
    let ids = Celebrity::find().select_only().column(celebrity::Column::MemberId).into_tuple().all(db).await;
    ids.map(|mut ids: Vec<i32>| {
        ids.sort_unstable();
        Arc::new(ids)
    })
}

/// Decides how a tweet is published, so the database is asked.
pub async fn is_one(db: &impl ConnectionTrait, member: i32) -> Result<bool, DbErr> {
    Celebrity::find_by_id(member).one(db).await.map(|found| found.is_some())
}

/// Makes one of a member who has more followers than `large_above`.
pub async fn look_at(db: &impl ConnectionTrait, member: i32, large_above: u64) -> Result<(), DbErr> {
    let followers = Follow::find().filter(follow::Column::FolloweeId.eq(member)).count(db).await?;
    if followers > large_above && !is_one(db, member).await? {
        let row = celebrity::ActiveModel { member_id: Set(member) };
        // Somebody else may have been faster.
        is_new(Celebrity::insert(row).exec_without_returning(db).await)?;
    }
    Ok(())
}

/// Makes one of everybody with more followers than `large_above`. Returns how many there are.
pub async fn look_at_all(db: &impl ConnectionTrait, large_above: u64) -> Result<usize, DbErr> {
    let query = Follow::find().select_only().column(follow::Column::FolloweeId).group_by(follow::Column::FolloweeId);
    let many = Expr::col(follow::Column::FollowerId).count().gt(large_above);
    let ids: Vec<i32> = query.having(many).into_tuple().all(db).await?;
    let count = ids.len();
    for id in ids {
        let row = celebrity::ActiveModel { member_id: Set(id) };
        is_new(Celebrity::insert(row).exec_without_returning(db).await)?;
    }
    Ok(count)
}
