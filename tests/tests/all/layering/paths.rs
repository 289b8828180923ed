//! Reads the paths a source file names, from its tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What one file names.
#[derive(Default)]
pub(super) struct Uses {
    /// Full paths with their line; those into the crate start with `crate::`, whether written with `crate` or `super`.
    pub(super) paths: Vec<(String, usize)>,
    /// Modules in files of their own that are compiled for tests only, as paths relative to the source folder without `.rs`.
    pub(super) test_files: Vec<String>,
}

/// The paths that `text` names, outside of comments, strings and `#[cfg(test)]` modules.
///
/// Works on tokens, so that arguments of macros count as well.
pub(super) fn uses(file: &str, text: &str) -> Uses {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let stem = file.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    let module = if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() };
    let mut uses = Uses::default();
    walk(&tokens.into_iter().collect::<Vec<_>>(), &module, &mut uses);
    uses
}

fn walk(tokens: &[TokenTree], module: &[String], uses: &mut Uses) {
    let mut at = 0;
    let mut for_tests = false;
    while let Some(token) = tokens.get(at) {
        match token {
            // An attribute: remembered until the item it belongs to. `#[doc = ".."]` holds no path, being a string.
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) =
                    tokens.get(at + 1).filter(|_| group_at(tokens, at + 1, Delimiter::Bracket))
                {
                    for_tests |= group.stream().to_string().replace(' ', "") == "cfg(test)";
                    walk(&group.stream().into_iter().collect::<Vec<_>>(), module, uses);
                    at += 2;
                    continue;
                }
                at += 1;
            }
            TokenTree::Ident(ident) if ident == "mod" => {
                let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else {
                    at += 1;
                    continue;
                };
                let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                match tokens.get(at + 2) {
                    Some(TokenTree::Group(body)) if !for_tests => {
                        walk(&body.stream().into_iter().collect::<Vec<_>>(), &inner, uses);
                    }
                    Some(TokenTree::Punct(_)) if for_tests => uses.test_files.push(inner.join("/")),
                    _ => {}
                }
                for_tests = false;
                at += 3;
            }
            TokenTree::Ident(ident) if ident == "use" => {
                at += 1;
                at += use_tree(&tokens[at..], &mut Vec::new(), module, uses);
                for_tests = false;
            }
            TokenTree::Ident(_) => at += path(&tokens[at..], module, uses),
            TokenTree::Punct(punct) if punct.as_char() == ':' && separator(tokens, at) => {
                // A leading `::` names a crate; after a generic argument it goes on with a path whose start was seen.
                at += 2;
            }
            TokenTree::Group(group) => {
                walk(&group.stream().into_iter().collect::<Vec<_>>(), module, uses);
                if group.delimiter() == Delimiter::Brace {
                    for_tests = false;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// One path in an expression or a type; returns how many tokens it has.
fn path(tokens: &[TokenTree], module: &[String], uses: &mut Uses) -> usize {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
        segments.push(ident.to_string());
        at += 1;
        if !separator(tokens, at) || !matches!(tokens.get(at + 2), Some(TokenTree::Ident(_))) {
            break;
        }
        at += 2;
    }
    if segments.len() > 1 {
        record(&segments, line(tokens), module, uses);
    }
    at
}

/// The tree of a `use` item, with nested groups; returns how many tokens it has.
fn use_tree(tokens: &[TokenTree], prefix: &mut Vec<String>, module: &[String], uses: &mut Uses) -> usize {
    let depth = prefix.len();
    let mut at = if separator(tokens, 0) { 2 } else { 0 };
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => {
                prefix.push(ident.to_string());
                at += 1;
            }
            Some(TokenTree::Group(group)) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut from = 0;
                while from < inner.len() {
                    from += use_tree(&inner[from..], prefix, module, uses);
                    // Over the comma.
                    from += 1;
                }
                at += 1;
                break;
            }
            // `*`
            _ => {
                record(prefix, line(tokens), module, uses);
                at += 1;
                break;
            }
        }
        if separator(tokens, at) {
            at += 2;
            continue;
        }
        record(prefix, line(tokens), module, uses);
        break;
    }
    if matches!(tokens.get(at), Some(TokenTree::Ident(ident)) if ident == "as") {
        at += 2;
    }
    prefix.truncate(depth);
    at
}

/// Notes a path, with `self` and `super` at its start resolved.
fn record(segments: &[String], line: usize, module: &[String], uses: &mut Uses) {
    let mut rest = segments;
    let mut base: Option<&[String]> = None;
    while let Some((first, more)) = rest.split_first() {
        match first.as_str() {
            "crate" => base = Some(&[]),
            "self" if base.is_none() => base = Some(module),
            "super" => {
                let from = base.unwrap_or(module);
                base = Some(&from[..from.len().saturating_sub(1)]);
            }
            _ => break,
        }
        rest = more;
    }
    let path: Vec<&str> = match base {
        Some(base) => ["crate"]
            .into_iter()
            .chain(base.iter().map(String::as_str))
            .chain(rest.iter().map(String::as_str))
            .collect(),
        None => rest.iter().map(String::as_str).collect(),
    };
    uses.paths.push((path.join("::"), line));
}

fn separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn group_at(tokens: &[TokenTree], at: usize, delimiter: Delimiter) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

fn line(tokens: &[TokenTree]) -> usize {
    tokens.first().map_or(0, |token| token.span().start().line)
}
