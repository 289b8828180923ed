//! What the compiler says about mistakes, and that it says nothing about their right twins.
#![allow(clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, fs};

/// The right twins: compiled as parts of this binary.
mod pass {
    #[path = "../../../pass/ttl.rs"]
    mod ttl;
    #[path = "../../../pass/invalidate_on.rs"]
    mod invalidate_on;
    #[path = "../../../pass/tags.rs"]
    mod tags;
    #[path = "../../../pass/key.rs"]
    mod key;
    #[path = "../../../pass/name.rs"]
    mod name;
    #[path = "../../../pass/version.rs"]
    mod version;
    #[path = "../../../pass/skip.rs"]
    mod skip;
    #[path = "../../../pass/when.rs"]
    mod when;
    #[path = "../../../pass/tier.rs"]
    mod tier;
    #[path = "../../../pass/jitter.rs"]
    mod jitter;
    #[path = "../../../pass/codec.rs"]
    mod codec;
    #[path = "../../../pass/consistency.rs"]
    mod consistency;
    #[path = "../../../pass/negative_ttl.rs"]
    mod negative_ttl;
    #[path = "../../../pass/connection.rs"]
    mod connection;
    #[path = "../../../pass/cache.rs"]
    mod cache;
    #[path = "../../../pass/companions.rs"]
    mod companions;
    #[path = "../../../pass/result.rs"]
    mod result;
    #[path = "../../../pass/invalidates.rs"]
    mod invalidates;
    #[path = "../../../pass/index.rs"]
    mod index;
    #[path = "../../../pass/cascade.rs"]
    mod cascade;
    #[path = "../../../pass/cache_hooks.rs"]
    mod cache_hooks;
}

const ARGUMENTS: [&str; 21] = ["ttl", "invalidate_on", "tags", "key", "name", "version", "skip", "when", "tier", "jitter", "codec", "consistency", "negative_ttl", "connection", "cache", "companions", "result", "invalidates", "index", "cascade", "cache_hooks"];

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
    assert_eq!(cases("fail", ".rs"), expected);
    assert_eq!(cases("fail", ".stderr"), expected, "what the compiler says is on record");
    assert_eq!(cases("pass", ".rs"), expected);
}

#[test]
fn mistakes_are_errors_at_the_wrong_token_with_the_text_to_write() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
