//! What the cache does, on every page.

use maud::{Markup, html};

use super::Frame;
use crate::serve::{gauge::TierFigures, live::Note, node::Node, switches::Switch};

pub fn panel(frame: &Frame<'_>) -> Markup {
    let figures = &frame.figures;
    let away = figures.redis_is_away || frame.node.switches.is_on(Switch::StopRedis);
    html! {
        section .card #panel {
            h2 { "The cache" }
            (this_page(frame))
            p .big { output #hit { (format!("{:.1}", figures.hit_percent())) " %" } span { "of reads needed no query" } }
            table {
                thead { tr { th { "answered by" } th { "reads" } th { "p50" } th { "p99" } } }
                tbody { @for (at, tier) in figures.tiers.iter().enumerate() { (row(at, tier)) } }
            }
            p #queries {
                b #statements { (figures.statements) } " statements sent to the database, "
                b #saved { (figures.saved) } " queries saved."
            }
            p #away hidden[!away] .notice {
                "Redis does not answer. Reads go on: from memory for at most a second, then from the database. Writes go on, and tell the other nodes when Redis is back."
            }
            p #deferred hidden[figures.deferred_tags == 0] { b #waiting { (figures.deferred_tags) } " invalidations wait for Redis." }
            (switches(frame.node))
            p .hint { "Try them, load the page again, and see what it took." }
            h3 { "Writes, and what they made stale" }
            p .hint { b #died { (figures.died) } " entries of this process have died so far. One with several stale tags counts for each." }
            ol #written { @for note in &frame.latest { (written(note, frame.node.index)) } }
            @if frame.node.urls.len() > 1 { p .hint { (nodes(&frame.node.urls, frame.node.index)) } }
        }
    }
}

/// Where the reads of this page came from.
fn this_page(frame: &Frame<'_>) -> Markup {
    let ([local, remote, database], statements) = frame.act.as_ref().map(|act| act.counts()).unwrap_or_default();
    let took = frame.act.as_ref().map(|act| act.elapsed()).unwrap_or_default();
    html! {
        p #page-cost {
            "This page took " b { (micros(took.as_micros() as u64)) } ": "
            @if frame.node.cache_is_off() {
                "the cache is off, " b { (statements) } " statements."
            } @else {
                b { (local) } " reads from memory, " b { (remote) } " from Redis, " b { (database) } " from the database."
            }
        }
    }
}

fn row(at: usize, tier: &TierFigures) -> Markup {
    html! {
        tr id={ "tier" (at) } {
            th scope="row" { (tier.name) }
            td { (tier.calls) }
            td { (micros(tier.p50_us)) }
            td { (micros(tier.p99_us)) }
        }
    }
}

fn switches(node: &Node) -> Markup {
    html! {
        div .switches {
            @for switch in node.switches.all() {
                @let on = node.switches.is_on(switch);
                @let (name, label) = match switch {
                    Switch::CacheOff => ("cache_off", if on { "Turn the cache on" } else { "Turn the cache off" }),
                    Switch::SlowDatabase => ("slow_database", if on { "Normal database" } else { "Slow database" }),
                    Switch::StopRedis => ("stop_redis", if on { "Start Redis" } else { "Stop Redis" }),
                };
                form method="post" action="/switch" {
                    input type="hidden" name="switch" value=(name);
                    input type="hidden" name="on" value=(!on);
                    button .quiet aria-pressed=(on) id=(name) { (label) }
                }
            }
        }
    }
}

/// A line about a write, as node `index` shows it.
pub fn written(note: &Note, index: usize) -> Markup {
    let Note::Written { node, who, what, tags, more, entries, entries_here } = note else { return html! {} };
    let died = match entries {
        0 => "no entry died".to_owned(),
        1 => "1 entry died".to_owned(),
        more => format!("{more} entries died"),
    };
    html! {
        li {
            b { (who) } " " (what) " " span .handle { "node " (node + 1) }
            div {
                @for stale in tags {
                    code .dead[stale.entries > 0] { (stale.tag) @if stale.entries > 0 { " ×" (stale.entries) } } " "
                }
                @if *more > 0 { "and " (more) " more" }
            }
            div .died {
                (died) @if *node == index { " here" } @else { " there, " (entries_here) " here" }
            }
        }
    }
}

/// Links to all nodes.
pub fn nodes(urls: &[String], index: usize) -> Markup {
    html! {
        "Node " (index + 1) " of " (urls.len()) ". The others: "
        @for (place, (at, url)) in urls.iter().enumerate().filter(|(at, _)| *at != index).enumerate() {
            @if place > 0 { ", " }
            a href=(url) { "node " (at + 1) }
        }
    }
}

fn micros(micros: u64) -> String {
    match micros {
        0 => "–".to_owned(),
        1..1_000 => format!("{micros} µs"),
        _ => format!("{:.1} ms", micros as f64 / 1_000.0),
    }
}
