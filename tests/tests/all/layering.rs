//! The layers of `cache-core` hold: imports point downwards, and a foreign crate has one home.

mod paths;

use std::{
    fs,
    path::{Path, PathBuf},
};

use paths::Uses;

/// The layers of `cache-core/src`, lowest first. A module may import from its own layer's line and from any line above it in this list.
const LAYERS: &[&[&str]] = &[
    &["clock", "codec", "error", "event", "footprint", "glob", "key", "policy", "schema", "tag"],
    &["envelope"],
    &["ports"],
    &["telemetry"],
    &["local"],
    &["memory"],
    &["redis"],
    &["engine"],
    &["cache"],
    &["toolkit"],
    &["orm"],
    &["write_behind"],
    &["private", "macros", "prelude", "lib"],
];

/// Modules that stand side by side: although one is listed above the other, neither imports the other.
const STRANGERS: &[(&str, &str)] = &[
    ("memory", "local"),
    ("redis", "local"),
    ("redis", "memory"),
    ("engine", "local"),
    ("engine", "memory"),
    ("engine", "redis"),
    ("orm", "local"),
    ("orm", "memory"),
    ("orm", "redis"),
    ("toolkit", "local"),
    ("toolkit", "memory"),
    ("toolkit", "redis"),
    ("write_behind", "local"),
    ("write_behind", "memory"),
    ("write_behind", "redis"),
];

/// What may be named in one place only: the start of a path, and the homes (a folder or a file, relative to `cache-core/src`).
const HOMES: &[(&str, &[&str])] = &[
    ("moka", &["local"]),
    ("redis", &["redis"]),
    ("sea_orm", &["orm", "private", "write_behind"]),
    ("metrics", &["telemetry"]),
    // moka's expiry trait hands over an `Instant`, which `local` ignores: it may name the type, and not ask for the time.
    ("std::time::Instant", &["clock.rs", "local"]),
    ("std::time::SystemTime", &["clock.rs"]),
    ("std::time::UNIX_EPOCH", &["clock.rs"]),
    ("Instant::now", &["clock.rs"]),
    ("SystemTime::now", &["clock.rs"]),
    // Closing waits for the tasks for a bounded real time, also when a test's clock stands still.
    ("tokio::time", &["clock.rs", "engine/tasks.rs"]),
    ("tokio::spawn", &["engine/tasks.rs"]),
    ("tokio::task::spawn", &["engine/tasks.rs"]),
    ("tokio::task::spawn_blocking", &["engine/tasks.rs"]),
    ("tokio::task::spawn_local", &["engine/tasks.rs"]),
    ("tokio::task::JoinSet", &["engine/tasks.rs"]),
    ("task::spawn", &["engine/tasks.rs"]),
    ("tokio::runtime::Runtime", &["engine/tasks.rs"]),
    ("tokio::runtime::Builder", &["engine/tasks.rs"]),
    ("std::thread", &["engine/tasks.rs"]),
    ("thread::spawn", &["engine/tasks.rs"]),
];

#[test]
fn every_import_points_downwards_and_every_foreign_crate_stays_at_home() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cache-core/src");
    let sources = read_sources(&root);
    assert!(sources.len() >= 6, "only {} files found below {}", sources.len(), root.display());
    let violations = check(&sources);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

#[test]
fn each_kind_of_violation_is_found() {
    let cases: &[(&str, &str, &str)] = &[
        ("engine/read.rs", "use crate::cache::Cache;", "imports `crate::cache`"),
        ("engine/read.rs", "use crate::{clock::Clock, orm::{self, Thing}};", "imports `crate::orm`"),
        ("engine/read.rs", "use super::super::orm::Thing;", "imports `crate::orm`"),
        ("engine/mod.rs", "mod inner { use super::super::orm; }", "imports `crate::orm`"),
        ("engine/read.rs", "fn f() { let _ = crate::redis::connect(); }", "imports `crate::redis`"),
        ("engine/read.rs", "fn f() { tracing::warn!(\"{}\", crate::orm::NAME); }", "imports `crate::orm`"),
        ("memory/mod.rs", "use crate::engine::Cell;", "imports `crate::engine`"),
        ("tag.rs", "use crate::envelope::Envelope;", "imports `crate::envelope`"),
        ("ports.rs", "pub use moka::sync::Cache;", "names `moka`"),
        ("cache/mod.rs", "use ::redis::Client;", "names `redis`"),
        ("cache/mod.rs", "fn f() -> Result<(), sea_orm::DbErr> { Ok(()) }", "names `sea_orm`"),
        ("engine/read.rs", "use std::{sync::Arc, time::{Duration, Instant}};", "names `std::time::Instant`"),
        ("local/mod.rs", "use std::time::Instant; fn f() { let _ = Instant::now(); }", "names `Instant::now`"),
        ("engine/read.rs", "fn f() { tokio::spawn(async {}); }", "names `tokio::spawn`"),
        ("engine/read.rs", "use tokio::{sync, task::JoinSet as Set};", "names `tokio::task::JoinSet`"),
        ("clock.rs", "fn f() { std::thread::spawn(|| ()); }", "names `std::thread`"),
        ("engine/read.rs", "use crate::Error;", "hides its layer"),
        ("brand_new.rs", "", "belongs to no layer"),
    ];
    for (file, source, expected) in cases {
        let found = check(&[Source { file: (*file).to_owned(), text: (*source).to_owned() }]);
        assert!(found.iter().any(|line| line.contains(expected)), "{file}: `{source}` gave {found:?}, not: {expected}");
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let cases: &[(&str, &str)] = &[
        ("engine/read.rs", "use crate::{clock::Clock, ports::RemoteTier}; use super::cells::Cell;"),
        ("engine/read.rs", "/// See [`crate::orm::Thing`] and moka::sync::Cache.\nfn f() { let _ = \"crate::orm\"; }"),
        (
            "engine/read.rs",
            "#[cfg(test)] mod tests { use crate::memory::Memory; #[test] fn f() { tokio::spawn(async {}); } }",
        ),
        ("engine/mod.rs", "mod inner { use super::super::tag::Tag; }"),
        ("engine/tasks.rs", "fn f() { tokio::spawn(async {}); }"),
        ("redis/tier.rs", "use redis::Client; use crate::ports::RemoteTier;"),
        ("cache/builder.rs", "use crate::redis::RedisTier; use crate::memory::Memory;"),
        ("orm/connection.rs", "use sea_orm::DbErr; use crate::cache::Cache;"),
        ("private/mod.rs", "pub use sea_orm; use crate::orm::registry;"),
        ("clock.rs", "use std::time::{Instant, SystemTime};"),
        ("engine/read.rs", "use std::time::Duration; fn f(tasks: &Tasks) { tasks.spawn(async {}); }"),
    ];
    for (file, source) in cases {
        let found = check(&[Source { file: (*file).to_owned(), text: (*source).to_owned() }]);
        assert!(found.is_empty(), "{file}: `{source}` gave {found:?}");
    }
}

/// One file: its path relative to `cache-core/src` with forward slashes, and its text.
struct Source {
    file: String,
    text: String,
}

fn check(sources: &[Source]) -> Vec<String> {
    let parsed: Vec<(&Source, Uses)> =
        sources.iter().map(|source| (source, paths::uses(&source.file, &source.text))).collect();
    let test_files: Vec<&String> = parsed.iter().flat_map(|(_, uses)| &uses.test_files).collect();
    let mut violations = Vec::new();
    for (source, uses) in &parsed {
        let stem = source.file.trim_end_matches(".rs").trim_end_matches("/mod");
        if test_files.iter().any(|test| stem == test.as_str() || stem.starts_with(&format!("{test}/"))) {
            continue;
        }
        check_file(&source.file, uses, &mut violations);
    }
    violations
}

fn check_file(file: &str, uses: &Uses, violations: &mut Vec<String>) {
    let module = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
    let Some(layer) = layer_of(module) else {
        violations.push(format!("{file}: `{module}` belongs to no layer; add it to LAYERS and to ARCHITECTURE.md"));
        return;
    };
    for (path, line) in &uses.paths {
        if let Some(inside) = path.strip_prefix("crate::") {
            let target = inside.split("::").next().unwrap_or(inside);
            // Names that are re-exported at the root (`crate::Error`) have no module to judge by.
            let upwards = layer_of(target).is_some_and(|other| other > layer);
            let stranger = STRANGERS.iter().any(|(a, b)| (module, target) == (a, b) || (module, target) == (b, a));
            if upwards || stranger {
                violations.push(format!("{file}:{line}: `{module}` imports `crate::{target}`"));
            } else if layer_of(target).is_none() && module != "lib" {
                violations.push(format!("{file}:{line}: `crate::{target}` hides its layer: name its module"));
            }
            continue;
        }
        for (start, homes) in HOMES {
            let named = path == start || path.strip_prefix(start).is_some_and(|rest| rest.starts_with("::"));
            let at_home = homes.iter().any(|home| file == *home || file.starts_with(&format!("{home}/")));
            if named && !at_home {
                violations.push(format!("{file}:{line}: names `{start}`, whose home is {}", homes.join(" or ")));
            }
        }
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn read_sources(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                sources.push(Source { file, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    sources
}
