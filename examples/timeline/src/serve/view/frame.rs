//! What is around every page.

use std::sync::Arc;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::panel;
use crate::{
    entities::member,
    serve::{
        gauge::{Act, Figures},
        live::Note,
        node::Node,
    },
};

const STYLE: &str = include_str!("style.css");

/// What every page shows besides its own.
pub struct Frame<'a> {
    pub node: &'a Node,
    pub visitor: &'a member::Model,
    pub figures: Figures,
    pub trending: Vec<(String, u64)>,
    /// The latest writes, newest first.
    pub latest: Vec<Note>,
    pub act: Option<Arc<Act>>,
}

/// A page for somebody who is signed in.
#[expect(clippy::needless_pass_by_value, reason = "the content is made for the call")]
pub fn page(frame: &Frame<'_>, title: &str, content: Markup) -> Markup {
    let body = html! {
        header {
            a .brand href="/" { "Timeline" }
            nav {
                a .to-panel href="#panel" { "Cache" }
                a #me href={ "/u/" (frame.visitor.handle) } { "@" (frame.visitor.handle) }
                form method="post" action="/sign-out" { button .quietly { "Sign out" } }
            }
        }
        div .columns {
            main { (content) }
            aside {
                (panel::panel(frame))
                @if !frame.trending.is_empty() {
                    section .card #trending {
                        h2 { "Trending" }
                        ol { @for (tag, count) in &frame.trending { li { a href={ "/tag/" (tag) } { "#" (tag) } " " span .handle { (count) } } } }
                    }
                }
            }
        }
    };
    document(title, body)
}

/// The way in.
pub fn sign_in(known: &[member::Model], urls: &[String], index: usize, why: Option<&str>) -> Markup {
    document(
        "Sign in",
        html! {
            main .door {
                h1 { "Timeline" }
                p { "A small social network that shows what " b { "sea-orm-cache" } " does while you use it." }
                @if let Some(why) = why { p .notice role="alert" #notice { (why) } }
                form .compose method="post" action="/sign-in" {
                    label for="handle" { "Your name" }
                    input #handle name="handle" required maxlength="20" autocomplete="off" autocapitalize="none" placeholder="ada" autofocus;
                    div { span .hint { "There are no passwords: this is a demonstration." } button .loud #enter { "Sign in" } }
                }
                p { "Or be one of those who are here already:" }
                div .people {
                    @for member in known {
                        form method="post" action="/sign-in" {
                            input type="hidden" name="handle" value=(member.handle);
                            button .quiet { (member.name) }
                        }
                    }
                }
                @if urls.len() > 1 { p .hint { (panel::nodes(urls, index)) } }
            }
        },
    )
}

/// One sentence, and the way back.
pub fn message(text: &str) -> Markup {
    document(
        "Timeline",
        html! {
            main .door { h1 { "Timeline" } p .notice role="alert" #notice { (text) } p { a href="/" { "Back to the timeline" } } }
        },
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the body is made for the call")]
fn document(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · sea-orm-cache" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
                script src="/live.js" defer {}
            }
            body { (body) }
        }
    }
}
