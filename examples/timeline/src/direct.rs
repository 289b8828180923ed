//! Answers every request with plain SeaORM, as an application without a cache does.
//!
//! It is the other side of the comparison, and the referee of the answers: it shares no reading code with [`repository`](crate::repository).

use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use tokio::try_join;

use crate::{
    entities::{Favourite, Follow, Member, Tweet, favourite, follow, member, tweet},
    pages::{Content, Item, PAGE_TWEETS, Page, Request, What},
};

/// Answers `request` from the database.
pub async fn page(db: &DatabaseConnection, request: Request) -> Result<Page, DbErr> {
    // As the cached pages do: at the same time, what does not depend on each other.
    let (viewer, content) = try_join!(Member::find_by_id(request.viewer).one(db), content(db, request))?;
    Ok(Page { viewer, content })
}

async fn content(db: &DatabaseConnection, request: Request) -> Result<Content, DbErr> {
    Ok(match request.what {
        What::Timeline | What::Home => {
            let followees = Follow::find()
                .select_only()
                .column(follow::Column::FolloweeId)
                .filter(follow::Column::FollowerId.eq(request.viewer))
                .into_query();
            let mut whose = Condition::any().add(tweet::Column::AuthorId.in_subquery(followees));
            if request.what == What::Home {
                whose = whose.add(tweet::Column::AuthorId.eq(request.viewer));
            }
            Content::Timeline { items: items(db, whose).await? }
        }
        What::Profile { member } => {
            let followers = Follow::find().filter(follow::Column::FolloweeId.eq(member)).count(db);
            let items = items(db, tweet::Column::AuthorId.eq(member));
            let (member, followers, items) = try_join!(Member::find_by_id(member).one(db), followers, items)?;
            Content::Profile { member, followers, items }
        }
        What::Tweet { tweet } => {
            let likes = Favourite::find().filter(favourite::Column::TweetId.eq(tweet)).count(db);
            let (mut items, likes) = try_join!(items(db, tweet::Column::Id.eq(tweet)), likes)?;
            Content::Tweet { item: items.pop(), likes }
        }
    })
}

/// The newest tweets that meet `condition`, with their authors, in one query.
async fn items(db: &DatabaseConnection, condition: impl sea_orm::sea_query::IntoCondition) -> Result<Vec<Item>, DbErr> {
    let rows: Vec<(tweet::Model, Option<member::Model>)> = Tweet::find()
        .filter(condition)
        .find_also_related(Member)
        .order_by_desc(tweet::Column::Id)
        .limit(PAGE_TWEETS)
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(tweet, author)| Item::new(tweet, author.as_ref().map_or("", |author| &author.name)))
        .collect())
}
