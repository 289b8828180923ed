//! Who sends a request.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};

use super::{App, failure::Failure};
use crate::{
    entities::member,
    serve::{gauge, reading},
};

/// The cookie's name; all nodes read the same one.
const COOKIE: &str = "timeline";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub member: member::Model,
    pub session: String,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        find(&parts.headers, app).await?.ok_or(Failure::SignedOut)
    }
}

impl OptionalFromRequestParts<App> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Failure> {
        find(&parts.headers, app).await
    }
}

async fn find(headers: &HeaderMap, app: &App) -> Result<Option<Visitor>, Failure> {
    let Some(session) = cookie(headers) else { return Ok(None) };
    let Some(member) = app.sessions.find(session).await? else { return Ok(None) };
    let Some(member) = reading::find(app, member).await? else { return Ok(None) };
    gauge::by(&member.handle);
    Ok(Some(Visitor { member, session: session.to_owned() }))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Sets the session's cookie: not for scripts, not for forms of other sites, for all nodes on this host.
pub fn signed_in(session: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800")).ok()
}

/// Takes the cookie away.
pub fn signed_out() -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")).ok()
}
