//! The Lua scripts: each call touches the keys of one hash slot.

use std::{sync::LazyLock, time::Duration};

use rand::Rng;
use redis::{Cmd, Script, cmd};

use crate::{
    ports::{EndWith, IntentId, LockRequest, LockToken},
    redis::{journal, names::Names, toolkit},
    tag::Tag,
};

static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/begin.lua")));
static END: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/end.lua")));
static CAPTURE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/capture.lua")));
static LOCK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/lock.lua")));
pub(super) static UNLOCK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/unlock.lua")));

/// Redis adds a TTL to the time of day; this many milliseconds (100 years) cannot overflow that.
const TTL_MS_MAX: u64 = 100 * 365 * 24 * 3_600 * 1_000;

/// Between the tags of one message; a tag's text has no line breaks.
pub(super) const TAGS_APART: &str = "\n";

/// The commands that load all scripts, for a server that has forgotten them.
pub(super) fn load() -> Vec<Cmd> {
    let sources = [
        include_str!("scripts/begin.lua"),
        include_str!("scripts/end.lua"),
        include_str!("scripts/capture.lua"),
        include_str!("scripts/lock.lua"),
        include_str!("scripts/unlock.lua"),
    ];
    sources
        .iter()
        .chain(toolkit::SOURCES)
        .chain(&journal::SOURCES)
        .map(|source| {
            let mut load = cmd("SCRIPT");
            load.arg("LOAD").arg(*source);
            load
        })
        .collect()
}

/// Tags that one script looks after: a server that runs a script does nothing else meanwhile.
const TAGS_PER_SCRIPT: usize = 16;

/// Groups of tags that one script can have: those of one hash slot, which in a cluster is one tag.
pub(super) fn groups(tags: &[Tag], is_single: bool) -> std::slice::Chunks<'_, Tag> {
    tags.chunks(if is_single { TAGS_PER_SCRIPT } else { 1 })
}

/// Replies with a list, as [`end`] and [`capture`].
pub(super) fn begin(names: &Names, tags: &[Tag], id: IntentId, lease: Duration) -> Cmd {
    let mut call = on_tags(&BEGIN, names, tags);
    let texts: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    call.arg(names.bus()).arg(texts.join(TAGS_APART)).arg(id).arg(millis(lease));
    call
}

pub(super) fn end(names: &Names, tags: &[Tag], id: IntentId, end: EndWith) -> Cmd {
    let mut call = on_tags(&END, names, tags);
    call.arg(names.bus()).arg(id);
    match end {
        EndWith::Absent => call.arg("").arg(""),
        EndWith::Version { version, ttl } => call.arg(version).arg(millis(ttl)),
    };
    for tag in tags {
        call.arg(tag.as_str());
    }
    call
}

/// Each tag that has no version gets one of its own.
pub(super) fn capture(names: &Names, tags: &[Tag], ttl: Duration) -> Cmd {
    let mut call = on_tags(&CAPTURE, names, tags);
    call.arg(millis(ttl));
    tags.iter().for_each(|_| _ = call.arg(rand::rng().random_range(1..=u64::MAX)));
    call
}

pub(super) fn lock(names: &Names, request: &LockRequest<'_>) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(LOCK.get_hash()).arg(1).arg(names.lock(request.key)).arg(request.token).arg(millis(request.ttl));
    call
}

pub(super) fn unlock(names: &Names, key: &str, token: LockToken) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(UNLOCK.get_hash()).arg(1).arg(names.lock(key)).arg(token);
    call
}

/// Whole milliseconds as Redis takes them: at least 1, and no more than it can add to the time of day.
pub(super) fn millis(span: Duration) -> u64 {
    let rounded_up = span.as_nanos().div_ceil(1_000_000);
    u64::try_from(rounded_up).unwrap_or(u64::MAX).clamp(1, TTL_MS_MAX)
}

fn on_tags(script: &Script, names: &Names, tags: &[Tag]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(2 * tags.len());
    tags.iter().for_each(|tag| _ = call.arg(names.tag(tag)));
    tags.iter().for_each(|tag| _ = call.arg(names.intents(tag)));
    call
}
