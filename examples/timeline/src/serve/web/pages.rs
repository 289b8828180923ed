//! The pages.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::Markup;
use serde::Deserialize;

use super::{
    App,
    failure::{Failure, too_often},
    visitor::Visitor,
};
use crate::serve::{
    gauge, reading,
    view::{self, Frame},
};

#[derive(Deserialize)]
pub struct Position {
    /// Older tweets than this one.
    before: Option<i32>,
}

/// What surrounds every page.
pub async fn frame<'a>(app: &'a App, visitor: &'a Visitor) -> Frame<'a> {
    Frame {
        node: app,
        visitor: &visitor.member,
        figures: app.figures(),
        trending: app.trending.top().await,
        latest: app.live.latest(),
        act: gauge::current(),
    }
}

/// The timeline; the way in for somebody who is not signed in.
pub async fn timeline(
    State(app): State<App>,
    visitor: Option<Visitor>,
    Query(position): Query<Position>,
) -> Result<Markup, Failure> {
    let Some(visitor) = visitor else {
        let known = reading::well_known(&app).await?;
        return Ok(view::sign_in(&known, &app.urls, app.index, None));
    };
    gauge::doing("reads the timeline");
    timeline_page(&app, &visitor, position.before, None).await
}

/// The timeline with something to say about what the visitor wanted to post.
pub async fn timeline_page(
    app: &App,
    visitor: &Visitor,
    before: Option<i32>,
    notice: Option<(&str, &str)>,
) -> Result<Markup, Failure> {
    let entries = reading::timeline(app, visitor.member.id, before).await?;
    let known = if entries.is_empty() { reading::well_known(app).await? } else { Arc::default() };
    Ok(view::timeline(&frame(app, visitor).await, &entries, &known, before.is_none(), notice))
}

pub async fn profile(
    State(app): State<App>,
    visitor: Visitor,
    Path(handle): Path<String>,
    Query(position): Query<Position>,
) -> Result<Markup, Failure> {
    gauge::doing("reads a profile");
    let profile = reading::profile(&app, visitor.member.id, &handle, position.before).await?;
    let profile = profile.ok_or(Failure::Missing)?;
    Ok(view::profile(&frame(&app, &visitor).await, &profile))
}

pub async fn tweet(State(app): State<App>, visitor: Visitor, Path(id): Path<i32>) -> Result<Markup, Failure> {
    gauge::doing("reads a tweet");
    let entry = reading::entry(&app, visitor.member.id, id).await?.ok_or(Failure::Missing)?;
    Ok(view::tweet(&frame(&app, &visitor).await, &entry, None))
}

pub async fn hashtag(State(app): State<App>, visitor: Visitor, Path(hashtag): Path<String>) -> Result<Markup, Failure> {
    gauge::doing("reads a hashtag");
    let known = crate::serve::trending::hashtags(&format!("#{hashtag}"));
    if known != [hashtag.as_str()] {
        return Err(Failure::Missing);
    }
    let entries = reading::tagged(&app, visitor.member.id, &hashtag).await?;
    Ok(view::hashtag(&frame(&app, &visitor).await, &hashtag, &entries))
}

/// The timeline again, with the refusal and the text that was refused.
pub async fn refused(app: &App, visitor: &Visitor, failure: Failure, text: &str) -> Result<Response, Failure> {
    let (status, why) = match failure {
        Failure::TooOften(wait) => {
            let (status, later, why) = too_often(wait);
            return Ok((status, later, timeline_page(app, visitor, None, Some((&why, text))).await?).into_response());
        }
        Failure::Refused(status, why) => (status, why),
        Failure::Internal(error) => {
            eprintln!("timeline: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "Your text could not be posted now. Try again in a moment.".to_owned())
        }
        other => return Err(other),
    };
    Ok((status, timeline_page(app, visitor, None, Some((&why, text))).await?).into_response())
}
