//! One tweet.

use maud::{Markup, html};

use super::Frame;
use crate::serve::reading::{Entry, PAGE};

/// The tweets of a page. New ones appear at the top of a `live` list.
pub fn articles(frame: &Frame<'_>, entries: &[Entry], here: &str, live: bool) -> Markup {
    html! {
        div #tweets data-live[live] {
            @for entry in entries { (article(entry, frame.visitor.id, here)) }
        }
        @if entries.len() as u64 == PAGE && !here.starts_with("/tag/") {
            @if let Some(last) = entries.last() {
                p .older { a href={ (here) "?before=" (last.tweet.id) } { "Older tweets" } }
            }
        }
    }
}

/// One tweet as `viewer` sees it; its forms lead back `here`.
pub fn article(entry: &Entry, viewer: i32, here: &str) -> Markup {
    let Entry { tweet, author, likes, liked } = entry;
    let verb = if *liked { "unlike" } else { "like" };
    html! {
        article id={ "t" (tweet.id) } {
            span .face style={ "--hue:" (author.id.wrapping_mul(47).rem_euclid(360)) } aria-hidden="true" {
                (author.name.chars().next().unwrap_or('?'))
            }
            div .said {
                p .by { a href={ "/u/" (author.handle) } { (author.name) } " " span .handle { "@" (author.handle) } }
                p .body { (text(&tweet.body)) }
                div .under {
                    form method="post" action={ "/t/" (tweet.id) "/" (verb) } {
                        input type="hidden" name="back" value={ (here) "#t" (tweet.id) };
                        button .like aria-pressed=(liked) title=(if *liked { "You like this" } else { "Like" }) {
                            (if *liked { "♥" } else { "♡" }) " " span .count { (likes) }
                        }
                    }
                    a .quietly href={ "/t/" (tweet.id) } { @if author.id == viewer { "Edit" } @else { "Open" } }
                    @if tweet.edited { span .handle { "edited" } }
                }
            }
        }
    }
}

/// The text with its hashtags as links.
fn text(body: &str) -> Markup {
    let mut rest = body;
    html! {
        @while let Some(at) = rest.find('#') {
            @let (before, from) = rest.split_at(at);
            @let length = from.char_indices().skip(1).find(|(_, letter)| !letter.is_alphanumeric() && *letter != '_').map_or(from.len(), |(at, _)| at);
            @let (tag, after) = from.split_at(length);
            @let name = tag.trim_start_matches('#').to_lowercase();
            (before)
            @if (2..=30).contains(&name.chars().count()) { a href={ "/tag/" (name) } { (tag) } } @else { (tag) }
            @let () = { rest = after; };
        }
        (rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_text_and_only_hashtags_become_links() {
        let html = text("<script>alert(1)</script> #Rust, # \"x\"").into_string();
        assert_eq!(html, "&lt;script&gt;alert(1)&lt;/script&gt; <a href=\"/tag/rust\">#Rust</a>, # &quot;x&quot;");
    }
}
