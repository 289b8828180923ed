//! Tests of the registry.

use super::{
    closure::TABLES_MAX,
    info::{ChildEffect, ForeignKey, Referrer},
    *,
};
use crate::orm::values::ColumnClass;

const INT: ColumnClass = ColumnClass::Int { bits: 32, signed: true };

fn column(name: &str, class: ColumnClass) -> ColumnInfo {
    ColumnInfo { name: name.to_owned(), class, nullable: false }
}

fn table(name: &str) -> EntityInfo {
    EntityInfo {
        table: name.to_owned(),
        key: vec![column("id", INT)],
        auto_increment: true,
        indexes: Vec::new(),
        indexes_declared: true,
        cascades: Vec::new(),
        foreign_keys: Vec::new(),
        referrers: Vec::new(),
        precise: true,
        through: None,
    }
}

fn child(name: &str, parent: &str, on_delete: ChildEffect, on_update: ChildEffect) -> EntityInfo {
    let key = ForeignKey {
        columns: vec!["parent_id".to_owned()],
        parent: parent.to_owned(),
        parent_columns: vec!["id".to_owned()],
        on_delete,
        on_update,
    };
    EntityInfo { foreign_keys: vec![key], ..table(name) }
}

fn registry(infos: impl IntoIterator<Item = EntityInfo>) -> Registry {
    let mut registry = Registry::default();
    infos.into_iter().for_each(|info| registry.add(info));
    registry
}

fn affected(registry: &Registry, table: &str, change: &Change) -> Vec<String> {
    match registry.affected(table, change) {
        Affected::Tables(tables) => tables,
        Affected::TooMany => vec!["too many".to_owned()],
    }
}

fn update(columns: &[&str]) -> Change {
    Change::Update(Some(columns.iter().map(|name| (*name).to_owned()).collect()))
}

#[test]
fn a_delete_is_followed_as_far_as_the_actions_carry_it() {
    use ChildEffect::{Change as Changes, Delete, None};
    let registry = registry([
        table("a"),
        child("b", "a", Delete, None),
        child("c", "b", Delete, None),
        child("d", "b", Changes, None),
        child("e", "d", Delete, None),
        child("f", "a", None, None),
        child("g", "f", Delete, None),
    ]);
    assert_eq!(affected(&registry, "a", &Change::Delete), ["b", "c", "d"]);
    assert_eq!(affected(&registry, "d", &Change::Delete), ["e"]);
    assert!(affected(&registry, "e", &Change::Delete).is_empty());
}

#[test]
fn an_update_is_followed_only_through_the_columns_that_change() {
    use ChildEffect::{Change as Changes, None};
    let mut grandchild = child("c", "b", None, Changes);
    grandchild.foreign_keys[0].parent_columns = vec!["parent_id".to_owned()];
    let registry = registry([table("a"), child("b", "a", None, Changes), grandchild, child("d", "b", None, Changes)]);
    assert!(affected(&registry, "a", &update(&["name"])).is_empty());
    assert_eq!(
        affected(&registry, "a", &update(&["name", "ID"])),
        ["b", "c"],
        "the child's foreign key changes in turn"
    );
    assert_eq!(affected(&registry, "a", &Change::Update(Option::None)), ["b", "c"]);
    assert!(affected(&registry, "a", &Change::Delete).is_empty());
}

#[test]
fn a_cycle_ends() {
    use ChildEffect::{Delete, None};
    let registry =
        registry([child("a", "c", Delete, None), child("b", "a", Delete, None), child("c", "b", Delete, None)]);
    assert_eq!(affected(&registry, "a", &Change::Delete), ["b", "c", "a"]);
    let own = self::registry([child("tree", "tree", Delete, None)]);
    assert_eq!(affected(&own, "tree", &Change::Delete), ["tree"]);
}

#[test]
fn more_tables_than_are_followed_are_all_of_them() {
    let many = |count: usize| {
        registry((0..count).map(|at| child(&format!("t{at}"), "root", ChildEffect::Delete, ChildEffect::None)))
    };
    assert_eq!(affected(&many(TABLES_MAX), "root", &Change::Delete).len(), TABLES_MAX);
    assert_eq!(affected(&many(TABLES_MAX + 1), "root", &Change::Delete), ["too many"]);
}

#[test]
fn a_referrer_whose_entity_is_not_known_may_have_any_action() {
    let referrer = Referrer { table: "stranger".to_owned(), columns: vec!["id".to_owned()] };
    let parent = EntityInfo { referrers: vec![referrer], ..table("a") };
    let mut registry = registry([parent]);
    assert_eq!(affected(&registry, "a", &Change::Delete), ["stranger"]);
    assert_eq!(affected(&registry, "a", &update(&["id"])), ["stranger"]);
    assert!(affected(&registry, "a", &update(&["name"])).is_empty());
    registry.add(child("stranger", "a", ChildEffect::None, ChildEffect::None));
    assert!(affected(&registry, "a", &Change::Delete).is_empty(), "its own entity says that nothing happens");
}

#[test]
fn two_entities_of_one_table_agree_or_lose_precision() {
    let with_index = |name: &str, class| EntityInfo { indexes: vec![column(name, class)], ..table("a") };
    let merged = |one: EntityInfo, two: EntityInfo| registry([one, two]).entity("a").cloned().expect("known");
    let both = merged(with_index("x", INT), with_index("Y", INT));
    assert!(both.precise && both.index("x").is_some() && both.index("y").is_some());
    let disagree = merged(with_index("x", INT), with_index("X", ColumnClass::Uuid));
    assert_eq!(disagree.index("x").map(|column| column.class), Some(ColumnClass::Other), "writers then use a.*");
    let other_key = EntityInfo { key: vec![column("id", ColumnClass::Uuid)], ..table("a") };
    assert!(!merged(table("a"), other_key).precise);
    let longer_key = EntityInfo { key: vec![column("id", INT), column("at", INT)], ..table("a") };
    assert!(!merged(table("a"), longer_key).precise);
}

#[test]
fn a_view_of_views_stands_for_their_tables() {
    let mut registry = Registry::default();
    registry.add_view("outer", &["inner", "log"]);
    registry.add_view("inner", &["user", "post", "outer"]);
    assert_eq!(registry.behind("outer"), ["inner", "log", "user", "post"]);
    assert!(registry.behind("user").is_empty() && registry.knows("outer") && !registry.knows("user"));
}
