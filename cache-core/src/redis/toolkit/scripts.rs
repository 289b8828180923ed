//! The Lua scripts of the toolkit: each touches the keys of one hash slot.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

/// Declares each script once: its name, and the files it is made of.
macro_rules! scripts {
    ($($name:ident: $($file:literal)+;)+) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));)+

        /// The text of each script, for a server that has forgotten them.
        pub(in crate::redis) const SOURCES: &[&str] = &[$(concat!($(include_str!($file)),+)),+];
    };
}

scripts! {
    SESSION_CREATE: "scripts/session_create.lua";
    SESSION_READ: "scripts/session_read.lua";
    SESSION_FIELD: "scripts/session_field.lua";
    SESSION_DESTROY: "scripts/session_destroy.lua";
    SESSION_DESTROY_ALL: "scripts/session_destroy_all.lua";
    SESSION_COUNT: "scripts/session_count.lua";
    LIMIT: "scripts/limit.lua";
    FEED_PUSH: "scripts/feed_trim.lua" "scripts/feed_push.lua";
    FEED_REMOVE: "scripts/feed_remove.lua";
    FEED_BEGIN: "scripts/feed_begin.lua";
    FEED_FINISH: "scripts/feed_trim.lua" "scripts/feed_finish.lua";
    BOARD_WRITE: "scripts/board_write.lua";
    BOARD_READ: "scripts/board_read.lua";
    EVENT_APPEND: "scripts/event_append.lua";
    EVENT_GROUP: "scripts/event_group.lua";
    LOCK_ACQUIRE: "scripts/lock_acquire.lua";
    LOCK_RENEW: "scripts/lock_renew.lua";
    REGISTER_SWAP: "scripts/register_swap.lua";
    COUNTER_ADD: "scripts/counter_add.lua";
    VISITORS_ADD: "scripts/visitors_add.lua";
    LIST_PUSH: "scripts/list_push.lua";
}

/// A call of `script` on `keys`; its arguments follow.
#[expect(clippy::needless_pass_by_value, reason = "an array of keys is made for the call")]
pub(super) fn call<const N: usize>(script: &Script, keys: [String; N]) -> Cmd {
    call_many(script, &keys)
}

/// As [`call`], for as many keys as there are.
pub(super) fn call_many(script: &Script, keys: &[String]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(keys.len()).arg(keys);
    call
}
