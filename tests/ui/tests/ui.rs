//! What the compiler says about mistakes, and that it says nothing about their right twins.
#![allow(clippy::expect_used, clippy::panic)]
// Every twin has the entities as a module of its own, as the compiled cases do.
#![allow(clippy::duplicate_mod)]

use std::{collections::BTreeSet, fs};

/// The right twins: compiled as parts of this binary.
#[path = "../pass"]
mod pass {
    mod background;
    mod batch;
    mod cache;
    mod cache_hooks;
    mod cache_put;
    mod cascade;
    mod codec;
    mod companions;
    mod connection;
    mod consistency;
    mod hard_timeout;
    mod index;
    mod invalidate_on;
    mod invalidates;
    mod jitter;
    mod key;
    mod lock;
    mod lock_wait;
    mod name;
    mod negative_ttl;
    mod refresh_ahead;
    mod result;
    mod skip;
    mod soft_timeout;
    mod stale_if_error;
    mod stale_while_revalidate;
    mod tags;
    mod tier;
    mod ttl;
    mod version;
    mod when;
    mod write_through;
    mod xfetch_beta;
}

const ARGUMENTS: [&str; 33] = [
    "ttl",
    "invalidate_on",
    "tags",
    "key",
    "name",
    "version",
    "skip",
    "when",
    "tier",
    "jitter",
    "codec",
    "consistency",
    "negative_ttl",
    "connection",
    "cache",
    "companions",
    "refresh_ahead",
    "xfetch_beta",
    "stale_while_revalidate",
    "stale_if_error",
    "soft_timeout",
    "hard_timeout",
    "lock",
    "lock_wait",
    "background",
    "batch",
    "result",
    "invalidates",
    "index",
    "cascade",
    "cache_hooks",
    "cache_put",
    "write_through",
];

/// The names of the files in a folder.
fn cases(folder: &str, ending: &str) -> BTreeSet<String> {
    let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    files
        .map(|file| file.expect("a file of the folder").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

#[test]
fn every_argument_has_a_failing_and_a_passing_case() {
    let expected: BTreeSet<String> = ARGUMENTS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(cases("pass", ".rs"), expected);
    let failing = cases("fail", ".rs");
    assert!(failing.is_superset(&expected), "{failing:?}");
    assert_eq!(cases("fail", ".stderr"), failing, "what the compiler says is on record");
}

#[test]
fn mistakes_are_errors_at_the_wrong_token_with_the_text_to_write() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
