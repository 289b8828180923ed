//! Dependencies on entities, for generated code and for direct use of the cache.

use sea_orm::{EntityTrait, PrimaryKeyTrait, Value, sea_query::IntoValueTuple};

use super::{
    analysis,
    registry::{self, ColumnInfo, EntityInfo},
    values,
};
use crate::{engine::call::Deps, tag::Tag};

/// That a value is present says that its row is, if it is made of one row only: with a second dependency, births always matter.
fn add_entity(deps: &mut Deps) -> bool {
    let conditional: Vec<Tag> = deps.iter().filter(|dep| dep.only_if_absent).map(|dep| dep.tag.clone()).collect();
    for tag in conditional {
        deps.push(tag);
    }
    // Besides `*`, which is always there.
    deps.iter().nth(1).is_none()
}

/// Depends on the whole table of `E`.
pub fn table_dep<E: EntityTrait>(deps: &mut Deps) {
    add_entity(deps);
    registry::register::<E>();
    let table = E::default().table_name();
    deps.push(Tag::table(table));
    for behind in registry::current().behind(&table.to_lowercase()) {
        deps.push(Tag::table(behind));
    }
}

/// Depends on one row of `E`. A key that has no [canonical text](crate::Tag::row) depends on the table.
pub fn row_dep<E: EntityTrait>(deps: &mut Deps, key: <E::PrimaryKey as PrimaryKeyTrait>::ValueType) {
    row_dep_by_values::<E>(deps, &key.into_value_tuple().into_iter().collect::<Vec<Value>>());
}

/// As [`row_dep`], by the values of the key's columns.
pub(crate) fn row_dep_by_values<E: EntityTrait>(deps: &mut Deps, key: &[Value]) {
    let alone = add_entity(deps);
    registry::register::<E>();
    match precise::<E>().and_then(|info| canonical_key(&info, key).map(|key| (info, key))) {
        Some((info, key)) => {
            deps.push(Tag::row(&info.table, &key));
            deps.push(Tag::rows(&info.table));
            let births = Tag::births(&info.table);
            if alone { deps.push_if_absent(births) } else { deps.push(births) }
        }
        None => table_dep::<E>(deps),
    }
}

/// Depends on the rows of `E` in which `column` has this value. A column that is not declared as an index, or a value that has no
/// canonical text (`NULL` among them), depends on the table; a column that is the whole primary key, on the row.
#[allow(clippy::needless_pass_by_value, reason = "generated code makes the value on the spot")]
pub fn index_dep<E: EntityTrait>(deps: &mut Deps, column: E::Column, value: Value) {
    add_entity(deps);
    registry::register::<E>();
    let Some(info) = precise_index::<E>() else { return table_dep::<E>(deps) };
    let name = ColumnInfo::of(&column).name;
    if let [key] = info.key.as_slice()
        && key.is(&name)
        && let Some(key) = canonical_key(&info, std::slice::from_ref(&value)).filter(|_| info.precise)
    {
        deps.push(Tag::row(&info.table, &key));
        deps.push(Tag::rows(&info.table));
        // A list of rows says nothing about a row that is missing from it.
        deps.push(Tag::births(&info.table));
        return;
    }
    let value = info.index(&name).and_then(|index| values::of_value(index.class, &value).exact());
    match value {
        Some(value) => {
            deps.push(Tag::index(&info.table, &name, &value));
            deps.push(Tag::indexes(&info.table));
            deps.push(Tag::rows(&info.table));
        }
        None => table_dep::<E>(deps),
    }
}

/// The tags that an explicit invalidation of a whole table makes stale: the same as writes of any kind to any of its rows would.
pub(crate) fn table_tags<E: EntityTrait>() -> Vec<Tag> {
    registry::register::<E>();
    analysis::table_written(&registry::current(), &table_of::<E>())
}

/// The tags that an explicit invalidation of one row makes stale: the same as a write of any kind to that row would. Index entries are
/// among them, declared dependents and theirs, and what the database changes by itself if the row is deleted.
pub fn row_tags<E: EntityTrait>(key: <E::PrimaryKey as PrimaryKeyTrait>::ValueType) -> Vec<Tag> {
    registry::register::<E>();
    let key: Vec<Value> = key.into_value_tuple().into_iter().collect();
    match precise::<E>().and_then(|info| canonical_key(&info, &key).map(|key| (info, key))) {
        Some((info, key)) => analysis::row_written(&registry::current(), &info, &key),
        None => table_tags::<E>(),
    }
}

/// The tags that an explicit invalidation of the rows with one index value makes stale: entries of that value and of the whole table, and
/// all that depends on such rows. Entries of single rows of this table are not among them, unless `column` is no declared
/// index or the value has no canonical text.
pub fn index_tags<E: EntityTrait>(column: E::Column, value: &Value) -> Vec<Tag> {
    registry::register::<E>();
    let name = ColumnInfo::of(&column).name;
    let known = precise_index::<E>().and_then(|info| {
        let index = info.index(&name)?;
        let value = values::of_value(index.class, value).exact()?;
        Some(analysis::index_written(&registry::current(), &info, index, &value))
    });
    known.unwrap_or_else(table_tags::<E>)
}

fn table_of<E: EntityTrait>() -> String {
    E::default().table_name().to_lowercase()
}

/// What is known of the table, if it is one and its rows can be told apart.
fn precise<E: EntityTrait>() -> Option<std::sync::Arc<EntityInfo>> {
    precise_index::<E>().filter(|info| info.precise)
}

fn precise_index<E: EntityTrait>() -> Option<std::sync::Arc<EntityInfo>> {
    let table = table_of::<E>();
    let registry = registry::current();
    registry.entity(&table).filter(|_| !registry.is_view(&table)).cloned()
}

fn canonical_key(info: &EntityInfo, key: &[Value]) -> Option<Vec<String>> {
    if info.key.len() != key.len() {
        return None;
    }
    info.key.iter().zip(key).map(|(column, value)| values::of_value(column.class, value).exact()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orm::{
        analysis::test_entities::{log, post, profile, tagging, user},
        registry::{EntityInfo, Registry, register_info},
    };

    fn deps(add: impl FnOnce(&mut Deps)) -> Vec<String> {
        register_info(EntityInfo::of_cached::<post::Entity>());
        let mut deps = Deps::new();
        add(&mut deps);
        let mark = |absent: bool| if absent { "?" } else { "" };
        deps.iter().map(|dep| format!("{}{}", dep.tag, mark(dep.only_if_absent))).collect()
    }

    #[test]
    fn a_row_is_named_by_its_key() {
        assert_eq!(deps(table_dep::<user::Entity>), ["*", "user"]);
        assert_eq!(deps(|deps| row_dep::<user::Entity>(deps, 7)), ["*", "user:7", "user:*", "user:+?"]);
        assert_eq!(
            deps(|deps| row_dep::<tagging::Entity>(deps, (7, "Rust".to_owned()))),
            ["*", "tagging:7,rust", "tagging:*", "tagging:+?"]
        );
        assert_eq!(deps(|deps| row_dep::<tagging::Entity>(deps, (7, "ß".to_owned()))), ["*", "tagging"]);
    }

    #[test]
    fn births_matter_if_a_value_is_made_of_more_than_one_row() {
        let two = deps(|deps| {
            row_dep::<user::Entity>(deps, 7);
            row_dep::<user::Entity>(deps, 8);
        });
        assert_eq!(two, ["*", "user:7", "user:*", "user:+", "user:8"]);
        let mixed = deps(|deps| {
            row_dep::<user::Entity>(deps, 7);
            index_dep::<post::Entity>(deps, post::Column::AuthorId, 7.into());
        });
        assert_eq!(mixed, ["*", "user:7", "user:*", "user:+", "post.author_id=7", "post.*", "post:*"]);
    }

    #[test]
    fn an_index_value_is_named_if_the_index_is_declared() {
        let by_author = |value: Value| deps(|deps| index_dep::<post::Entity>(deps, post::Column::AuthorId, value));
        assert_eq!(by_author(3.into()), ["*", "post.author_id=3", "post.*", "post:*"]);
        assert_eq!(by_author(Value::Int(None)), ["*", "post"], "NULL is equal to nothing");
        assert_eq!(deps(|deps| index_dep::<post::Entity>(deps, post::Column::Title, "x".into())), ["*", "post"]);
        assert_eq!(deps(|deps| index_dep::<log::Entity>(deps, log::Column::Line, "x".into())), ["*", "log"]);
        assert_eq!(
            deps(|deps| index_dep::<log::Entity>(deps, log::Column::Id, 7.into())),
            ["*", "log:7", "log:*", "log:+"]
        );
    }

    fn text(tags: &[Tag]) -> Vec<String> {
        tags.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn explicit_tags_reach_every_entry_of_the_row() {
        assert_eq!(text(&row_tags::<log::Entity>(7)), ["log", "log:7", "log.*"]);
        register_info(EntityInfo::of_cached::<post::Entity>());
        let by_author = text(&index_tags::<post::Entity>(post::Column::AuthorId, &3.into()));
        assert!(by_author.starts_with(&["post".into(), "post.author_id=3".into()]), "{by_author:?}");
        let by_title = text(&index_tags::<post::Entity>(post::Column::Title, &"x".into()));
        assert!(by_title.starts_with(&["post".into(), "post:*".into()]), "{by_title:?}");
        assert_eq!(text(&table_tags::<log::Entity>()), ["log", "log:*"]);
    }

    #[test]
    fn explicit_tags_reach_what_a_write_of_the_row_reaches() {
        register_info(EntityInfo::of_cached::<post::Entity>());
        register_info(EntityInfo::of_cached::<user::Entity>());
        register_info(EntityInfo::of_cached::<tagging::Entity>());
        let reached = |tags: Vec<Tag>, expected: &[&str]| {
            let found = text(&tags);
            expected.iter().for_each(|tag| assert!(found.iter().any(|known| known == tag), "{tag} in {found:?}"));
        };
        // The database deletes posts and their tags with a user; the profile is declared to depend on the user.
        let row = ["user", "user:7", "user.*", "post", "post:*", "tagging", "tagging:*", "profile"];
        reached(row_tags::<user::Entity>(7), &row);
        reached(
            index_tags::<user::Entity>(user::Column::City, &"oslo".into()),
            &["user.city=oslo", "post:*", "profile.*"],
        );
        reached(index_tags::<post::Entity>(post::Column::AuthorId, &3.into()), &["post.author_id=3", "tagging:*"]);
        reached(table_tags::<user::Entity>(), &["user:*", "post:*", "tagging:*", "profile.*"]);
    }

    #[test]
    fn explicit_tags_of_a_row_are_those_of_a_write_of_any_kind() {
        let mut registry = Registry::default();
        for info in [
            EntityInfo::of_cached::<user::Entity>(),
            EntityInfo::of_cached::<post::Entity>(),
            EntityInfo::of_cached::<profile::Entity>(),
        ] {
            registry.add(info);
        }
        registry.add_view("profile", &["portrait"]);
        let info = registry.entity("user").expect("known").clone();
        let found = text(&analysis::row_written(&registry, &info, &["7".to_owned()]));
        assert_eq!(found, ["post", "post:*", "profile", "profile:7", "user", "user:7", "user.*"]);
        let view = text(&analysis::table_written(&registry, "profile"));
        assert_eq!(view, ["portrait", "portrait:*", "profile", "profile:*"]);
    }
}
