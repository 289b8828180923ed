//! Reads members, follows and tweets through the cache.
//!
//! Each function is one entry per argument, with exactly the rows it depends on. A timeline is not an entry of its own: it is put
//! together from the list of followees and the newest tweets of each, so that a post costs one small entry and not the timelines of
//! every follower, and following somebody costs one list.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, Query},
};
use sea_orm_cache::{CachedConnection, cached};
use tokio::try_join;

use crate::{
    celebrities::celebrities,
    entities::{Favourite, Follow, Member, Tweet, favourite, follow, member, tweet},
    pages::{Content, Item, PAGE_TWEETS, Page, Request, What},
    serve::feed::{Feeds, Reader},
};

/// Answers `request`, from the cache where it can. What does not depend on each other is asked for at the same time: a page that nobody has asked for yet
/// takes as long as its longest chain.
pub async fn page(db: &CachedConnection, feeds: &Feeds, request: Request) -> Result<Page, DbErr> {
    let (viewer, content) = try_join!(find_member(db, request.viewer), content(db, feeds, request))?;
    Ok(Page { viewer, content })
}

async fn content(db: &CachedConnection, feeds: &Feeds, request: Request) -> Result<Content, DbErr> {
    Ok(match request.what {
        What::Timeline => Content::Timeline { items: timeline(db, request.viewer).await? },
        What::Home => Content::Timeline { items: home(db, feeds, request.viewer).await? },
        What::Profile { member } => {
            let authors = [member];
            let (found, followers, mut recent) =
                try_join!(find_member(db, member), followers(db, member), recent(db, &authors))?;
            let items = recent.remove(&member).unwrap_or_default().to_vec();
            Content::Profile { member: found, followers, items }
        }
        What::Tweet { tweet } => {
            let item = async {
                let Some(row) = find_tweet(db, tweet).await? else { return Ok(None) };
                let author = find_member(db, row.author_id).await?;
                Ok(Some(Item::new(row, author.as_ref().map_or("", |author| &author.name))))
            };
            let (item, likes) = try_join!(item, likes(db, tweet))?;
            Content::Tweet { item, likes }
        }
    })
}

/// The newest tweets of everybody `viewer` follows: merged from one entry per author.
async fn timeline(db: &CachedConnection, viewer: i32) -> Result<Vec<Item>, DbErr> {
    let authors = recent(db, &followees(db, viewer).await?).await?;
    let mut newest: Vec<&Item> = authors.values().flat_map(|items| items.iter()).collect();
    newest.sort_unstable_by_key(|item| std::cmp::Reverse(item.id));
    newest.truncate(PAGE_TWEETS as usize);
    Ok(newest.into_iter().cloned().collect())
}

/// The newest tweets of `viewer` and of everybody they follow: from the timeline that writers keep, with tweets and authors by number.
async fn home(db: &CachedConnection, feeds: &Feeds, viewer: i32) -> Result<Vec<Item>, DbErr> {
    let (followees, celebrities) = try_join!(followees(db, viewer), celebrities(db))?;
    let reader = Reader { viewer, followees: &followees, celebrities: &celebrities };
    let ids = feeds.page(reader, None, PAGE_TWEETS).await?;
    let mut tweets = tweets(db, &ids).await?;
    let mut authors: Vec<i32> = tweets.values().map(|tweet| tweet.author_id).collect();
    authors.sort_unstable();
    authors.dedup();
    let authors = members(db, &authors).await?;
    let item = |id: &i32| {
        let tweet = tweets.remove(id)?;
        let author = authors.get(&tweet.author_id).map_or("", |author| &author.name);
        Some(Item::new(tweet, author))
    };
    Ok(ids.iter().filter_map(item).take(PAGE_TWEETS as usize).collect())
}

/// One member. Depends on that row only.
#[cached(ttl = "10m", invalidate_on = Member(id))]
pub async fn find_member(db: &CachedConnection, id: i32) -> Result<Option<member::Model>, DbErr> {
    Member::find_by_id(id).one(db).await
}

/// One tweet. Depends on that row only.
#[cached(ttl = "10m", invalidate_on = Tweet(id))]
pub async fn find_tweet(db: &CachedConnection, id: i32) -> Result<Option<tweet::Model>, DbErr> {
    Tweet::find_by_id(id).one(db).await
}

/// Whom `follower` follows. Depends on the rows of `follow` with that follower.
#[cached(ttl = "10m", invalidate_on = Follow(follower_id = follower))]
pub async fn followees(db: &CachedConnection, follower: i32) -> Result<Arc<Vec<i32>>, DbErr> {
    Follow::find()
        .select_only()
        .column(follow::Column::FolloweeId)
        .filter(follow::Column::FollowerId.eq(follower))
        .into_tuple()
        .all(db)
        .await
        .map(Arc::new)
}

/// How many follow `followee`. Depends on the rows of `follow` with that followee.
#[cached(ttl = "10m", invalidate_on = Follow(followee_id = followee))]
pub async fn followers(db: &CachedConnection, followee: i32) -> Result<u64, DbErr> {
    Follow::find().filter(follow::Column::FolloweeId.eq(followee)).count(db).await
}

/// The newest tweets of each of these authors. Each author is an entry of its own, which depends on that author's tweets, and on the author's row for the
/// name; those that are missing are read by one query.
#[cached(ttl = "10m", batch = authors, invalidate_on = [Tweet(author_id = authors), Member(authors)])]
pub async fn recent(db: &CachedConnection, authors: &[i32]) -> Result<HashMap<i32, Arc<Vec<Item>>>, DbErr> {
    let place = Expr::cust("ROW_NUMBER() OVER (PARTITION BY author_id ORDER BY id DESC)");
    let ranked = Query::select()
        .column(tweet::Column::Id)
        .expr_as(place, "place")
        .from(Tweet)
        .and_where(tweet::Column::AuthorId.is_in(authors.iter().copied()))
        .take();
    let newest = Query::select()
        .column(tweet::Column::Id)
        .from_subquery(ranked, "ranked")
        .and_where(Expr::col("place").lte(PAGE_TWEETS))
        .take();
    let rows = Tweet::find()
        .filter(tweet::Column::Id.in_subquery(newest))
        .find_also_related(Member)
        .order_by_desc(tweet::Column::Id)
        .all(db)
        .await?;
    let mut items: HashMap<i32, Vec<Item>> = authors.iter().map(|author| (*author, Vec::new())).collect();
    for (tweet, author) in rows {
        let item = Item::new(tweet, author.as_ref().map_or("", |author| &author.name));
        items.entry(item.author_id).or_default().push(item);
    }
    Ok(items.into_iter().map(|(author, items)| (author, Arc::new(items))).collect())
}

/// Those of these tweets that are there. Each is an entry of its own.
#[cached(ttl = "10m", batch = ids, invalidate_on = Tweet(ids))]
pub async fn tweets(db: &CachedConnection, ids: &[i32]) -> Result<HashMap<i32, tweet::Model>, DbErr> {
    let rows = Tweet::find().filter(tweet::Column::Id.is_in(ids.iter().copied())).all(db).await?;
    Ok(rows.into_iter().map(|tweet| (tweet.id, tweet)).collect())
}

/// Those of these members that are there. Each is an entry of its own.
#[cached(ttl = "10m", batch = ids, invalidate_on = Member(ids))]
pub async fn members(db: &CachedConnection, ids: &[i32]) -> Result<HashMap<i32, member::Model>, DbErr> {
    let rows = Member::find().filter(member::Column::Id.is_in(ids.iter().copied())).all(db).await?;
    Ok(rows.into_iter().map(|member| (member.id, member)).collect())
}

/// How many like a tweet. Depends on the rows of `favourite` with that tweet.
#[cached(ttl = "10m", invalidate_on = Favourite(tweet_id = tweet))]
pub async fn likes(db: &CachedConnection, tweet: i32) -> Result<u64, DbErr> {
    Favourite::find().filter(favourite::Column::TweetId.eq(tweet)).count(db).await
}
