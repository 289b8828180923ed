//! Reads what pages show, from the cache unless it is turned off.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use sea_orm_cache::{CachedConnection, cached};

use super::{
    feed::Reader,
    node::Node,
    unaided::{self, Of},
};
use crate::{
    celebrities::celebrities,
    entities::{Favourite, Follow, Member, Tally, Tweet, favourite, follow, member, tally, tweet},
    repository,
};

/// How many tweets a page shows.
pub const PAGE: u64 = 20;

/// How many of a member's likes are known at a time: those of older tweets are not shown as such.
const LIKES_KNOWN: u64 = 2_000;

/// A tweet as a page shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub tweet: tweet::Model,
    pub author: member::Model,
    pub likes: i64,
    /// Whether the viewer likes it.
    pub liked: bool,
}

/// A member as a page shows them.
#[derive(Clone, Debug)]
pub struct Profile {
    pub member: member::Model,
    pub followers: u64,
    pub following: u64,
    /// Whether the viewer follows them.
    pub followed: bool,
    pub entries: Vec<Entry>,
}

/// The newest tweets of the viewer and of everybody they follow.
pub async fn timeline(node: &Node, viewer: i32, before: Option<i32>) -> Result<Vec<Entry>, DbErr> {
    if node.cache_is_off() {
        return unaided::entries(&node.plain, viewer, Of::Timeline, before).await;
    }
    let followees = node.gauge.measure(repository::followees(&node.db, viewer)).await?;
    let celebrities = node.gauge.measure(celebrities(&node.db)).await?;
    let reader = Reader { viewer, followees: &followees, celebrities: &celebrities };
    let ids = node.feeds.page(reader, before, PAGE).await?;
    let mut entries = hydrate(node, viewer, &ids).await?;
    entries.truncate(PAGE as usize);
    Ok(entries)
}

/// A member, and their newest tweets.
pub async fn profile(node: &Node, viewer: i32, handle: &str, before: Option<i32>) -> Result<Option<Profile>, DbErr> {
    if node.cache_is_off() {
        let db = &node.plain;
        let Some(member) = Member::find().filter(member::Column::Handle.eq(handle)).one(db).await? else {
            return Ok(None);
        };
        return Ok(Some(Profile {
            followers: Follow::find().filter(follow::Column::FolloweeId.eq(member.id)).count(db).await?,
            following: Follow::find().filter(follow::Column::FollowerId.eq(member.id)).count(db).await?,
            followed: Follow::find_by_id((viewer, member.id)).one(db).await?.is_some(),
            entries: unaided::entries(db, viewer, Of::Author(member.id), before).await?,
            member,
        }));
    }
    let Some(member) = find_by_handle(node, handle).await? else { return Ok(None) };
    let ids = node.gauge.measure(tweets_of(&node.db, member.id, before)).await?;
    let following = node.gauge.measure(repository::followees(&node.db, member.id)).await?;
    Ok(Some(Profile {
        followers: node.gauge.measure(repository::followers(&node.db, member.id)).await?,
        following: following.len() as u64,
        followed: follows(node, viewer, member.id).await?,
        entries: hydrate(node, viewer, &ids).await?,
        member,
    }))
}

/// One tweet.
pub async fn entry(node: &Node, viewer: i32, tweet: i32) -> Result<Option<Entry>, DbErr> {
    if node.cache_is_off() {
        return Ok(unaided::entries(&node.plain, viewer, Of::One(tweet), None).await?.pop());
    }
    Ok(hydrate(node, viewer, &[tweet]).await?.pop())
}

/// Whether one member follows another.
pub async fn follows(node: &Node, follower: i32, followee: i32) -> Result<bool, DbErr> {
    Ok(node.gauge.measure(repository::followees(&node.db, follower)).await?.contains(&followee))
}

/// Somebody by number.
pub async fn find(node: &Node, member: i32) -> Result<Option<member::Model>, DbErr> {
    if node.cache_is_off() {
        return Member::find_by_id(member).one(&node.plain).await;
    }
    node.gauge.measure(repository::find_member(&node.db, member)).await
}

/// Somebody by name.
pub async fn find_by_handle(node: &Node, handle: &str) -> Result<Option<member::Model>, DbErr> {
    node.gauge.measure(member_named(&node.db, handle)).await
}

/// Whom a newcomer may follow: those with the lowest numbers are followed by most.
pub async fn well_known(node: &Node) -> Result<Arc<Vec<member::Model>>, DbErr> {
    node.gauge.measure(first_members(&node.db)).await
}

/// The newest tweets with a hashtag. Late by up to the TTL for edits that take a hashtag away; a new tweet ends the entry.
pub async fn tagged(node: &Node, viewer: i32, hashtag: &str) -> Result<Vec<Entry>, DbErr> {
    let ids = node.gauge.measure(tweets_with(&node.db, hashtag)).await?;
    hydrate(node, viewer, &ids).await
}

/// What pages show of these tweets, in their order; those that are gone are left out.
async fn hydrate(node: &Node, viewer: i32, ids: &[i32]) -> Result<Vec<Entry>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut tweets = node.gauge.measure(repository::tweets(&node.db, ids)).await?;
    let mut authors: Vec<i32> = tweets.values().map(|tweet| tweet.author_id).collect();
    authors.sort_unstable();
    authors.dedup();
    let authors = node.gauge.measure(repository::members(&node.db, &authors)).await?;
    let likes = node.gauge.measure(node.likes.of(ids)).await?;
    let liked = node.gauge.measure(liked_by(&node.db, viewer)).await?;
    let entry = |id: &i32| {
        let tweet = tweets.remove(id)?;
        let author = authors.get(&tweet.author_id)?.clone();
        let likes = likes.get(id).copied().unwrap_or(0);
        Some(Entry { liked: liked.binary_search(id).is_ok(), tweet, author, likes })
    };
    Ok(ids.iter().filter_map(entry).collect())
}

/// How many like each of these tweets. Each count is an entry of its own.
#[cached(ttl = "10m", batch = ids, invalidate_on = Tally(ids))]
pub async fn tallies(db: &CachedConnection, ids: &[i32]) -> Result<HashMap<i32, i64>, DbErr> {
    let rows = Tally::find().filter(tally::Column::TweetId.is_in(ids.iter().copied())).all(db).await?;
    Ok(rows.into_iter().map(|tally| (tally.tweet_id, tally.likes)).collect())
}

/// Depends on the row with that handle.
#[cached(ttl = "10m", invalidate_on = Member(handle = handle))]
async fn member_named(db: &CachedConnection, handle: &str) -> Result<Option<member::Model>, DbErr> {
    Member::find().filter(member::Column::Handle.eq(handle)).one(db).await
}

#[cached(ttl = "10m")]
async fn first_members(db: &CachedConnection) -> Result<Arc<Vec<member::Model>>, DbErr> {
    Member::find().order_by_asc(member::Column::Id).limit(8).all(db).await.map(Arc::new)
}

/// Depends on that author's tweets.
#[cached(ttl = "10m", invalidate_on = Tweet(author_id = author))]
async fn tweets_of(db: &CachedConnection, author: i32, before: Option<i32>) -> Result<Arc<Vec<i32>>, DbErr> {
    let ids = Tweet::find()
        .select_only()
        .column(tweet::Column::Id)
        .filter(tweet::Column::AuthorId.eq(author))
        .filter(tweet::Column::Id.lt(before.unwrap_or(i32::MAX)))
        .order_by_desc(tweet::Column::Id)
        .limit(PAGE);
    ids.into_tuple().all(db).await.map(Arc::new)
}

/// Which tweets a member likes, in ascending order. Depends on that member's likes.
#[cached(ttl = "10m", invalidate_on = Favourite(member_id = member))]
async fn liked_by(db: &CachedConnection, member: i32) -> Result<Arc<Vec<i32>>, DbErr> {
    let ids = Favourite::find()
        .select_only()
        .column(favourite::Column::TweetId)
        .filter(favourite::Column::MemberId.eq(member))
        .order_by_desc(favourite::Column::TweetId)
        .limit(LIKES_KNOWN);
    let mut ids: Vec<i32> = ids.into_tuple().all(db).await?;
    ids.reverse();
    Ok(Arc::new(ids))
}

/// Depends on the table: any tweet may have the hashtag.
#[cached(ttl = "30s")]
async fn tweets_with(db: &CachedConnection, hashtag: &str) -> Result<Arc<Vec<i32>>, DbErr> {
    let ids = Tweet::find()
        .select_only()
        .column(tweet::Column::Id)
        .filter(tweet::Column::Body.contains(format!("#{hashtag}")))
        .order_by_desc(tweet::Column::Id)
        .limit(PAGE);
    ids.into_tuple().all(db).await.map(Arc::new)
}
