//! What a visitor sees when something does not work.

use std::time::Duration;

use axum::{
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use sea_orm::DbErr;

use crate::serve::{Failed, view, writing::Refusal};

/// Why there is no page.
pub enum Failure {
    SignedOut,
    Missing,
    Refused(StatusCode, String),
    TooOften(Duration),
    Internal(Failed),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Internal(error.into())
    }
}

impl From<Failed> for Failure {
    fn from(error: Failed) -> Self {
        Self::Internal(error)
    }
}

impl From<sea_orm_cache::Error> for Failure {
    fn from(error: sea_orm_cache::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Said(why) => Self::Refused(StatusCode::UNPROCESSABLE_ENTITY, why),
            Refusal::TooOften(wait) => Self::TooOften(wait),
            Refusal::Missing => Self::Missing,
            Refusal::Failed(error) => Self::Internal(error),
        }
    }
}

/// A status with the header that goes with it, and a sentence, for somebody who has to wait.
pub fn too_often(wait: Duration) -> (StatusCode, [(HeaderName, String); 1], String) {
    let seconds = wait.as_secs() + 1;
    let why = format!("That is too often: in {seconds} seconds you may post again.");
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], why)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::SignedOut => Redirect::to("/").into_response(),
            Self::Missing => {
                (StatusCode::NOT_FOUND, view::message("There is nothing here (any more).")).into_response()
            }
            Self::Refused(status, why) => (status, view::message(&why)).into_response(),
            Self::TooOften(wait) => {
                let (status, later, why) = too_often(wait);
                (status, later, view::message(&why)).into_response()
            }
            Self::Internal(error) => {
                eprintln!("timeline: {error}");
                let why =
                    "This does not work at the moment. If Redis is stopped, writes that need it wait until it is back.";
                let later = [(header::RETRY_AFTER, "5")];
                (StatusCode::SERVICE_UNAVAILABLE, later, view::message(why)).into_response()
            }
        }
    }
}
