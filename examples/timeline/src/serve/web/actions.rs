//! What forms do. Each ends with a way back to a page, so that reloading sends nothing twice.

use axum::{
    Form,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    App,
    failure::Failure,
    pages,
    visitor::{self, Visitor},
};
use crate::serve::{
    reading, view,
    writing::{self, Refusal},
};

#[derive(Deserialize)]
pub struct Name {
    handle: String,
}

#[derive(Deserialize)]
pub struct Text {
    body: String,
}

#[derive(Deserialize)]
pub struct Back {
    /// The page the form was on.
    #[serde(default)]
    back: String,
}

impl Back {
    /// There, if that is a page of this site.
    fn redirect(&self) -> Redirect {
        let own = self.back.starts_with('/')
            && !self.back.starts_with("//")
            && self.back.chars().all(|letter| letter.is_ascii_graphic() && letter != '\\');
        Redirect::to(if own { &self.back } else { "/" })
    }
}

pub async fn sign_in(State(app): State<App>, Form(name): Form<Name>) -> Result<Response, Failure> {
    let member = match writing::join(&app, &name.handle).await {
        Ok(member) => member,
        Err(Refusal::Said(why)) => {
            let page = view::sign_in(&reading::well_known(&app).await?, &app.urls, app.index, Some(&why));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let session = app.sessions.create(member.id).await?;
    let cookie = visitor::signed_in(session.as_str()).ok_or(Failure::Missing)?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

pub async fn sign_out(State(app): State<App>, visitor: Visitor) -> Result<Response, Failure> {
    app.sessions.destroy(&visitor.session).await?;
    let cookie = visitor::signed_out().ok_or(Failure::Missing)?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

pub async fn post(State(app): State<App>, visitor: Visitor, Form(text): Form<Text>) -> Result<Response, Failure> {
    match writing::post(&app, &visitor.member, &text.body).await {
        Ok(_) => Ok(Redirect::to("/").into_response()),
        Err(refusal) => pages::refused(&app, &visitor, refusal.into(), &text.body).await,
    }
}

pub async fn edit(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<i32>,
    Form(text): Form<Text>,
) -> Result<Response, Failure> {
    match writing::edit(&app, &visitor.member, id, &text.body).await {
        Ok(()) => Ok(Redirect::to(&format!("/t/{id}")).into_response()),
        Err(Refusal::Said(why)) => {
            let entry = reading::entry(&app, visitor.member.id, id).await?.ok_or(Failure::Missing)?;
            let page = view::tweet(&pages::frame(&app, &visitor).await, &entry, Some((&why, &text.body)));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

pub async fn delete(State(app): State<App>, visitor: Visitor, Path(id): Path<i32>) -> Result<Redirect, Failure> {
    writing::delete(&app, &visitor.member, id).await?;
    Ok(Redirect::to("/"))
}

pub async fn like(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<i32>,
    Form(back): Form<Back>,
) -> Result<Redirect, Failure> {
    writing::like(&app, &visitor.member, id, true).await?;
    Ok(back.redirect())
}

pub async fn unlike(
    State(app): State<App>,
    visitor: Visitor,
    Path(id): Path<i32>,
    Form(back): Form<Back>,
) -> Result<Redirect, Failure> {
    writing::like(&app, &visitor.member, id, false).await?;
    Ok(back.redirect())
}

pub async fn follow(State(app): State<App>, visitor: Visitor, Path(handle): Path<String>) -> Result<Redirect, Failure> {
    writing::follow(&app, &visitor.member, &handle, true).await?;
    Ok(Redirect::to(&format!("/u/{handle}")))
}

pub async fn unfollow(
    State(app): State<App>,
    visitor: Visitor,
    Path(handle): Path<String>,
) -> Result<Redirect, Failure> {
    writing::follow(&app, &visitor.member, &handle, false).await?;
    Ok(Redirect::to(&format!("/u/{handle}")))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn the_way_back_never_leads_to_another_site() {
        for (back, expected) in [
            ("/u/ada?before=7#t5", "/u/ada?before=7#t5"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\r\nX: y", "/"),
            ("", "/"),
        ] {
            let response = Back { back: back.to_owned() }.redirect().into_response();
            assert_eq!(response.headers()[header::LOCATION], expected, "{back}");
        }
    }
}
