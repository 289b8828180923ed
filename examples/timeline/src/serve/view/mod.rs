//! The pages' HTML. Whatever people wrote is escaped by the templates.

mod article;
mod frame;
mod panel;

use maud::{Markup, html};

pub use self::{
    article::article,
    frame::{Frame, message, sign_in},
    panel::written,
};
use self::{article::articles, frame::page};
use super::{
    reading::{Entry, Profile},
    writing::BODY_MAX,
};
use crate::entities::member;

/// The timeline; an empty one names those who are `known`. `notice` is why a text was not posted, and the text.
pub fn timeline(
    frame: &Frame<'_>,
    entries: &[Entry],
    known: &[member::Model],
    newest: bool,
    notice: Option<(&str, &str)>,
) -> Markup {
    page(
        frame,
        "Timeline",
        html! {
            h1 .unseen { "Timeline" }
            @if let Some((why, _)) = notice { p .notice role="alert" #notice { (why) } }
            @if newest { (compose("/post", notice.map_or("", |(_, text)| text), "What is going on?", "Post")) }
            (articles(frame, entries, "/", newest))
            @if entries.is_empty() {
                section .card .empty {
                    p { "Nothing here yet. Post something, or follow somebody:" }
                    div .people {
                        @for member in known.iter().filter(|member| member.id != frame.visitor.id) {
                            form method="post" action={ "/u/" (member.handle) "/follow" } { button .quiet { (member.name) } }
                        }
                    }
                }
            }
        },
    )
}

pub fn profile(frame: &Frame<'_>, profile: &Profile) -> Markup {
    let member = &profile.member;
    let own = member.id == frame.visitor.id;
    page(
        frame,
        &member.name,
        html! {
            section .profile {
                div {
                    h1 { (member.name) }
                    p .handle { "@" (member.handle) }
                    p .counts {
                        span { b { (member.tweets) } " tweets" }
                        span { b { (profile.following) } " following" }
                        span { b #followers { (profile.followers) } " followers" }
                    }
                }
                @if !own {
                    @let (verb, label) = if profile.followed { ("unfollow", "Unfollow") } else { ("follow", "Follow") };
                    form method="post" action={ "/u/" (member.handle) "/" (verb) } {
                        button #follow class=(if profile.followed { "quiet" } else { "loud" }) { (label) }
                    }
                }
            }
            (articles(frame, &profile.entries, &format!("/u/{}", member.handle), false))
            @if profile.entries.is_empty() { p .empty { "No tweets." } }
        },
    )
}

/// One tweet; its author may change it. `notice` is why a text was refused, and the text.
pub fn tweet(frame: &Frame<'_>, entry: &Entry, notice: Option<(&str, &str)>) -> Markup {
    let id = entry.tweet.id;
    page(
        frame,
        "Tweet",
        html! {
            h1 .unseen { "Tweet" }
            @if let Some((why, _)) = notice { p .notice role="alert" #notice { (why) } }
            div #tweets { (article(entry, frame.visitor.id, &format!("/t/{id}"))) }
            @if entry.author.id == frame.visitor.id {
                (compose(&format!("/t/{id}/edit"), notice.map_or(&entry.tweet.body, |(_, text)| text), "", "Save"))
                form .apart method="post" action={ "/t/" (id) "/delete" } { button .danger #delete { "Delete this tweet" } }
            }
        },
    )
}

pub fn hashtag(frame: &Frame<'_>, hashtag: &str, entries: &[Entry]) -> Markup {
    page(
        frame,
        hashtag,
        html! {
            h1 { "#" (hashtag) }
            (articles(frame, entries, &format!("/tag/{hashtag}"), false))
            @if entries.is_empty() { p .empty { "No tweets." } }
        },
    )
}

fn compose(action: &str, text: &str, placeholder: &str, label: &str) -> Markup {
    html! {
        form .compose method="post" action=(action) {
            textarea #body name="body" rows="3" maxlength=(BODY_MAX) required placeholder=(placeholder)
                aria-label="Text of the tweet" { (text) }
            div { span .hint { "up to " (BODY_MAX) " characters, #hashtags count" } button .loud #send { (label) } }
        }
    }
}
