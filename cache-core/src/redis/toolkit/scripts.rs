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
}

/// A call of `script` on `keys`; its arguments follow.
pub(super) fn call<const N: usize>(script: &Script, keys: [String; N]) -> Cmd {
    let mut call = cmd("EVALSHA");
    call.arg(script.get_hash()).arg(N);
    for key in keys {
        call.arg(key);
    }
    call
}
