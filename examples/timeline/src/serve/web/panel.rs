//! The panel's figures and switches.

use axum::{Form, Json, extract::State, response::Redirect};
use serde::Deserialize;

use super::{App, failure::Failure, visitor::Visitor};
use crate::serve::{gauge::Figures, switches::Switch};

#[derive(Deserialize)]
pub struct Setting {
    switch: Switch,
    on: bool,
}

/// Sets a switch, for all nodes.
pub async fn switch(State(app): State<App>, _: Visitor, Form(setting): Form<Setting>) -> Result<Redirect, Failure> {
    app.switches.set(setting.switch, setting.on).await?;
    Ok(Redirect::to("/#panel"))
}

/// What the panel shows, for programs.
pub async fn figures(State(app): State<App>) -> Json<Figures> {
    Json(app.figures())
}
