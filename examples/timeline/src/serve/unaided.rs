//! Reads everything from the database, as a page without a cache does.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
};

use super::reading::{Entry, PAGE};
use crate::entities::{Favourite, Follow, Member, Tally, Tweet, favourite, follow, tally, tweet};

/// Which tweets.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// Those in the viewer's timeline.
    Timeline,
    Author(i32),
    One(i32),
}

/// A page of tweets: with authors, likes, and whether the viewer likes them.
pub async fn entries(db: &DatabaseConnection, viewer: i32, of: Of, before: Option<i32>) -> Result<Vec<Entry>, DbErr> {
    let rows = newest(viewer, of, before).find_also_related(Member).all(db).await?;
    let ids: Vec<i32> = rows.iter().map(|(tweet, _)| tweet.id).collect();
    let tallies = Tally::find().filter(tally::Column::TweetId.is_in(ids.iter().copied())).all(db).await?;
    let likes: HashMap<i32, i64> = tallies.into_iter().map(|tally| (tally.tweet_id, tally.likes)).collect();
    let liked = Favourite::find()
        .filter(favourite::Column::MemberId.eq(viewer))
        .filter(favourite::Column::TweetId.is_in(ids))
        .all(db)
        .await?;
    let liked: HashSet<i32> = liked.into_iter().map(|row| row.tweet_id).collect();
    let entry = |(tweet, author): (tweet::Model, Option<_>)| {
        let (likes, liked) = (likes.get(&tweet.id).copied().unwrap_or(0), liked.contains(&tweet.id));
        Some(Entry { tweet, author: author?, likes, liked })
    };
    Ok(rows.into_iter().filter_map(entry).collect())
}

/// The tweets of a timeline with their authors, newest first.
pub async fn timeline_ids(
    db: &DatabaseConnection,
    viewer: i32,
    before: Option<i32>,
    count: u64,
) -> Result<Vec<(i32, i32)>, DbErr> {
    let query = newest(viewer, Of::Timeline, before).limit(count);
    query.select_only().column(tweet::Column::Id).column(tweet::Column::AuthorId).into_tuple().all(db).await
}

/// The newest tweets of one author.
pub async fn ids_of(db: &DatabaseConnection, author: i32, count: u64) -> Result<Vec<i32>, DbErr> {
    let query = newest(author, Of::Author(author), None).limit(count);
    query.select_only().column(tweet::Column::Id).into_tuple().all(db).await
}

fn newest(viewer: i32, of: Of, before: Option<i32>) -> Select<Tweet> {
    let which = match of {
        Of::Timeline => {
            let followees = Follow::find()
                .select_only()
                .column(follow::Column::FolloweeId)
                .filter(follow::Column::FollowerId.eq(viewer))
                .into_query();
            Condition::any().add(tweet::Column::AuthorId.eq(viewer)).add(tweet::Column::AuthorId.in_subquery(followees))
        }
        Of::Author(author) => Condition::all().add(tweet::Column::AuthorId.eq(author)),
        Of::One(id) => Condition::all().add(tweet::Column::Id.eq(id)),
    };
    Tweet::find()
        .filter(which)
        .apply_if(before, |query, before| query.filter(tweet::Column::Id.lt(before)))
        .order_by_desc(tweet::Column::Id)
        .limit(PAGE)
}
