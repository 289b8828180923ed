//! Writes what visitors do: ordinary SeaORM through the wrapped connection, then the feeds, the counters and the pages that are open.

use std::time::Duration;

use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, SqlErr};

use super::{Failed, gauge, live::Note, node::Node, reading};
use crate::{
    entities::{Tweet, member, tweet},
    writes,
};

/// How long a tweet may be, in characters.
pub const BODY_MAX: usize = 280;

/// How long a handle may be, in characters.
pub const HANDLE_MAX: usize = 20;

/// Why something was not done.
pub enum Refusal {
    /// For the visitor to read.
    Said(String),
    /// Too often; how long to wait.
    TooOften(Duration),
    /// There is no such tweet, or it is somebody else's.
    Missing,
    Failed(Failed),
}

impl<E: Into<Failed>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The member with that handle, who joins if there is none.
pub async fn join(node: &Node, handle: &str) -> Result<member::Model, Refusal> {
    let handle = handle.trim().trim_start_matches('@').to_lowercase();
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if !(2..=HANDLE_MAX).contains(&handle.len()) || !handle.chars().all(allowed) {
        return Err(Refusal::Said(format!("A name has 2 to {HANDLE_MAX} of the characters a-z, 0-9 and _.")));
    }
    if let Some(member) = reading::find_by_handle(node, &handle).await? {
        return Ok(member);
    }
    gauge::by(&handle);
    gauge::doing("joins");
    let mut name = handle.clone();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let row =
        member::ActiveModel { handle: Set(handle.clone()), name: Set(name), tweets: Set(0), ..Default::default() };
    match row.insert(&node.db).await {
        Ok(member) => Ok(member),
        // Somebody else was faster.
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            reading::find_by_handle(node, &handle).await?.ok_or(Refusal::Missing)
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn post(node: &Node, author: &member::Model, body: &str) -> Result<tweet::Model, Refusal> {
    let body = checked(body)?;
    if let Some(wait) = node.limits.post(author.id).await {
        return Err(Refusal::TooOften(wait));
    }
    gauge::doing("posts a tweet");
    let tweet = writes::post(&node.db, author.id, body).await?;
    node.feeds.posted(&tweet).await;
    node.trending.posted(&tweet.body).await;
    node.live.tell(&Note::Posted { tweet: tweet.id, author: author.id }).await;
    Ok(tweet)
}

pub async fn edit(node: &Node, author: &member::Model, tweet: i32, body: &str) -> Result<(), Refusal> {
    let body = checked(body)?;
    own(node, author, tweet).await?;
    gauge::doing(format!("edits tweet {tweet}"));
    if !writes::edit(&node.db, tweet, body).await? {
        return Err(Refusal::Missing);
    }
    node.live.tell(&Note::Changed { tweet }).await;
    Ok(())
}

pub async fn delete(node: &Node, author: &member::Model, tweet: i32) -> Result<(), Refusal> {
    own(node, author, tweet).await?;
    gauge::doing(format!("deletes tweet {tweet}"));
    let Some(gone) = writes::delete(&node.db, tweet).await? else { return Err(Refusal::Missing) };
    node.feeds.deleted(&gone).await;
    node.live.tell(&Note::Deleted { tweet }).await;
    Ok(())
}

pub async fn follow(node: &Node, follower: &member::Model, handle: &str, follow: bool) -> Result<(), Refusal> {
    let followee = reading::find_by_handle(node, handle).await?.ok_or(Refusal::Missing)?;
    if followee.id == follower.id {
        return Err(Refusal::Said("That is you.".to_owned()));
    }
    if follow {
        gauge::doing(format!("follows {handle}"));
        if writes::follow(&node.db, follower.id, followee.id).await? {
            node.feeds.followed(follower.id, followee.id).await;
        }
    } else {
        gauge::doing(format!("unfollows {handle}"));
        if writes::unfollow(&node.db, follower.id, followee.id).await? {
            node.feeds.unfollowed(follower.id, followee.id).await;
        }
    }
    Ok(())
}

pub async fn like(node: &Node, member: &member::Model, tweet: i32, like: bool) -> Result<(), Refusal> {
    let new = if like {
        gauge::doing(format!("likes tweet {tweet}"));
        writes::like(&node.db, member.id, tweet).await?
    } else {
        gauge::doing(format!("likes tweet {tweet} no more"));
        writes::unlike(&node.db, member.id, tweet).await?
    };
    if new && let Err(error) = node.likes.add(tweet, if like { 1 } else { -1 }).await {
        // Not counted, so it is not so.
        let undone = if like {
            writes::unlike(&node.db, member.id, tweet).await
        } else {
            writes::like(&node.db, member.id, tweet).await
        };
        undone?;
        return Err(error.into());
    }
    Ok(())
}

/// Decides a write, so the database is asked.
async fn own(node: &Node, author: &member::Model, tweet: i32) -> Result<(), Refusal> {
    let row: Result<_, DbErr> = Tweet::find_by_id(tweet).one(&node.plain).await;
    if row?.is_some_and(|row| row.author_id == author.id) { Ok(()) } else { Err(Refusal::Missing) }
}

fn checked(body: &str) -> Result<String, Refusal> {
    let body = body.trim().replace("\r\n", "\n");
    match body.chars().count() {
        0 => Err(Refusal::Said("There is nothing to post yet.".to_owned())),
        length if length > BODY_MAX => {
            Err(Refusal::Said(format!("A tweet has at most {BODY_MAX} characters; this one has {length}.")))
        }
        // A NUL is no text to PostgreSQL.
        _ if body.contains('\0') => Err(Refusal::Said("That is no text.".to_owned())),
        _ => Ok(body),
    }
}
