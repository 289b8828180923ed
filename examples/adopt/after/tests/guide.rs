//! `docs/adopt.md` quotes the difference between the two trees, all of it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The lines of one file, without indentation.
type Lines = BTreeSet<String>;

#[test]
fn the_guide_quotes_every_line_that_is_new_in_the_service_and_no_other() {
    let quoted = quoted('+');
    for (file, after) in sources("after") {
        let mut before = sources("before").remove(&file).unwrap_or_default();
        before.extend(before.clone().iter().map(|line| line.replace("DatabaseConnection", "CachedConnection")));
        let new: Lines = after.difference(&before).filter(|line| !names_the_package(line)).cloned().collect();
        let quoted = quoted.get(&file).cloned().unwrap_or_default();
        assert_eq!(quoted, new, "the lines that docs/adopt.md adds to {file}, and the lines that are new there");
    }
}

#[test]
fn the_guide_takes_away_only_what_the_service_had_before_and_has_no_more() {
    let (before, after) = (sources("before"), sources("after"));
    let quoted = quoted('-');
    assert!(quoted.values().map(BTreeSet::len).sum::<usize>() > 5, "{quoted:?}");
    for (file, lines) in quoted {
        for line in lines {
            assert!(before[&file].contains(&line), "{file} did not have {line:?}");
            assert!(!after[&file].contains(&line), "{file} still has {line:?}");
        }
    }
}

#[test]
fn every_line_that_went_is_quoted_or_only_had_its_type_renamed() {
    let (quoted, after) = (quoted('-'), sources("after"));
    for (file, lines) in sources("before") {
        for line in lines.difference(&after[&file]) {
            let renamed = line.replace("DatabaseConnection", "CachedConnection");
            let said = names_the_package(line) || quoted.get(&file).is_some_and(|lines| lines.contains(line));
            assert!(
                said || after[&file].contains(&renamed),
                "docs/adopt.md does not say what became of {line:?} in {file}"
            );
        }
    }
}

/// The lines of the guide's diff blocks that begin with `sign`, by file. A block's first line names the file: `# src/main.rs`.
fn quoted(sign: char) -> BTreeMap<String, Lines> {
    let guide = fs::read_to_string(root().join("../../docs/adopt.md")).unwrap();
    let mut found: BTreeMap<String, Lines> = BTreeMap::new();
    for block in guide.split("```diff\n").skip(1) {
        let (block, _) = block.split_once("\n```").unwrap();
        let mut file = String::new();
        for line in block.lines() {
            if let Some(name) = line.strip_prefix("# ") {
                file = name.to_owned();
            } else if let Some(line) = line.strip_prefix(sign) {
                found.entry(file.clone()).or_default().extend(said(line));
            }
        }
    }
    found
}

/// A line without indentation; nothing for a line of brackets.
fn said(line: &str) -> Option<String> {
    line.contains(char::is_alphanumeric).then(|| line.trim().to_owned())
}

fn names_the_package(line: &str) -> bool {
    line.starts_with("name = \"adopt-") || line.starts_with("description = ")
}

/// The manifest and the sources of one tree.
fn sources(tree: &str) -> BTreeMap<String, Lines> {
    let root = root().join(tree);
    let mut files = vec![root.join("Cargo.toml")];
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let read = |file: PathBuf| {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        (name, text.lines().filter_map(said).collect())
    };
    files.into_iter().map(read).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
