//! Tests of the analysis, over one small schema.

pub(in crate::orm) mod entities;
mod hard;
mod looks;
mod reads;
mod sea;
mod soundness;
mod writes;

use std::sync::Arc;

use sea_orm::{DbBackend, Value, Values};

use super::{Analysis, analyze};
use crate::orm::registry::{EntityInfo, Registry};

const BACKENDS: [DbBackend; 3] = [DbBackend::MySql, DbBackend::Postgres, DbBackend::Sqlite];

fn registry() -> Arc<Registry> {
    let mut registry = Registry::default();
    registry.add(EntityInfo::of_cached::<entities::user::Entity>());
    registry.add(EntityInfo::of_cached::<entities::post::Entity>());
    registry.add(EntityInfo::of_cached::<entities::tagging::Entity>());
    registry.add(EntityInfo::of_cached::<entities::profile::Entity>());
    registry.add(EntityInfo::of::<entities::log::Entity>());
    registry.add_view("active_user", &["user"]);
    Arc::new(registry)
}

fn values(list: &[Value]) -> Values {
    Values(list.to_vec())
}

fn sorted<T: ToString>(tags: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut tags: Vec<_> = tags.into_iter().map(|tag| tag.to_string()).collect();
    tags.sort();
    tags.dedup();
    tags
}

fn read(backend: DbBackend, sql: &str, list: &[Value]) -> Vec<String> {
    let read = analyze(backend, sql).read_with(&registry(), Some(&values(list)));
    match read.opaque {
        Some(_) => vec!["opaque".to_owned()],
        None => sorted(read.tags.into_iter().chain(read.births)),
    }
}

fn written_by(analysis: &Analysis, list: &[Value]) -> Vec<String> {
    sorted(analysis.explain_with(&registry(), Some(&values(list))).into_iter().map(|stale| stale.tag))
}

fn written(backend: DbBackend, sql: &str, list: &[Value]) -> Vec<String> {
    let analysis = analyze(backend, sql);
    if analysis.is_write() { written_by(&analysis, list) } else { vec!["none".to_owned()] }
}

/// `expected` is a list of tags separated by spaces.
#[track_caller]
fn assert_tags(found: &[String], expected: &str, what: &str) {
    let expected = sorted(expected.split_whitespace());
    assert_eq!(found, expected, "{what}");
}
