//! What the documents refer to exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sea_orm_cache::CacheConfig;

#[test]
fn every_relative_link_of_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    let mut links = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (_, target) in links_of(&text) {
            links += 1;
            let file = document.parent().unwrap().join(target.split('#').next().unwrap_or_default());
            if !file.exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(links > 10, "only {links} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_guarantee_in_the_readme_names_a_test_that_is_in_the_file_it_links_to() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = section(&readme, "## Guarantees");
    let rows: Vec<&str> =
        section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| reads")).collect();
    assert!(rows.len() >= 4, "{rows:?}");
    for row in rows {
        let tests = links_of(row);
        assert!(!tests.is_empty(), "no test: {row}");
        for (name, file) in tests {
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            let name = name.trim_matches('`');
            assert!(text.contains(&format!("fn {name}(")), "{file} has no test `{name}`");
        }
    }
}

#[test]
fn the_readme_lists_every_setting() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let options = section(&readme, "## Options");
    let settings = serde_json::to_value(CacheConfig::default()).unwrap();
    let missing: Vec<&String> =
        settings.as_object().unwrap().keys().filter(|name| !options.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn links_are_found_with_their_text() {
    let text = "see [`a`](b/c.rs#L1), [web](https://example.org), ![image](x.png) and `[no](t)`";
    assert_eq!(links_of(text), [("`a`", "b/c.rs#L1"), ("image", "x.png")]);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files at the top and below `docs/`.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs")];
    let top = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    found.extend(top.filter(|path| is_markdown(path)));
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if is_markdown(&path) {
                found.push(path);
            }
        }
    }
    found
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The lines from a heading to the next one of its level.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let from = text.find(heading).unwrap_or_else(|| panic!("no `{heading}`")) + heading.len();
    let end = text[from..].find("\n## ").map_or(text.len(), |end| from + end);
    &text[from..end]
}

/// Text and target of each relative link outside of code.
fn links_of(text: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let end = rest[middle..].find(')').map_or(rest.len(), |end| middle + end);
        let target = &rest[middle + 2..end];
        if let Some(start) = rest[..middle].rfind('[')
            && !rest[..start].ends_with('`')
            && !target.contains("://")
            && !target.contains(char::is_whitespace)
        {
            links.push((&rest[start + 1..middle], target));
        }
        rest = &rest[end..];
    }
    links
}
