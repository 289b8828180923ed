//! The one well-known entry of each row, found by table, primary key and the shape of the model.
//!
//! `User::find_by_id(7).cached(..).one(&db)`, write-through and write-behind all mean this entry. It holds an `Option<Model>`, and
//! depends on what any other entry of that row depends on: the row, `user:*`, and births while there is no row.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{LazyLock, OnceLock, PoisonError, RwLock},
};

use sea_orm::{
    ColumnTrait, DbBackend, DbErr, EntityTrait, Iterable, PrimaryKeyToColumn, PrimaryKeyTrait, QueryFilter, QueryTrait,
    Statement, Value,
    sea_query::{Alias, IntoValueTuple, Query},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{deps, query::Spy};
use crate::{
    cache::Cache,
    engine::{
        LoadScope,
        call::{Background, Deps, Function, Presence, Read, ShareError},
    },
    envelope::Wire,
    key::{KeyText, encode_key},
    policy::PolicyOverride,
};

/// What the row entries of one entity have in common.
struct RowKind {
    function: &'static Function,
    /// `find_by_id(..).one(..)` as text, by backend; `None` if the entity's own `find` leaves rows out.
    selects: [OnceLock<Option<String>>; 3],
    /// What SeaORM writes behind `RETURNING` for the whole model, by backend.
    returnings: [OnceLock<Option<String>>; 3],
}

/// One for each entity that is used, for as long as the process lives: events and entries name the function by reference.
static KINDS: LazyLock<RwLock<HashMap<TypeId, &'static RowKind>>> = LazyLock::new(RwLock::default);

fn kind_of<E: EntityTrait>() -> &'static RowKind {
    let id = TypeId::of::<E>();
    if let Some(known) = KINDS.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return known;
    }
    KINDS.write().unwrap_or_else(PoisonError::into_inner).entry(id).or_insert_with(|| {
        let name = Box::leak(format!("row:{}", E::default().table_name().to_lowercase()).into_boxed_str());
        let function = Box::leak(Box::new(Function::new("sea_orm_cache", name, 1, PolicyOverride::NONE)));
        Box::leak(Box::new(RowKind { function, selects: Default::default(), returnings: Default::default() }))
    })
}

/// The entry of one row.
#[derive(Clone)]
pub(crate) struct Row {
    function: &'static Function,
    key: KeyText,
    values: Vec<Value>,
    add_deps: fn(&mut Deps, &[Value]),
}

impl Row {
    /// The entry of the row with this primary key, for values that `wire` writes (kept in process memory only without one). `None` for a
    /// key with a `NULL` in it, which is the key of no row.
    pub(crate) fn of<E: EntityTrait>(key: Vec<Value>, wire: Option<&'static Wire<Option<E::Model>>>) -> Option<Self> {
        Self::with_schema::<E>(key, wire.map(|wire| (wire.schema)()))
    }

    /// The entry that a statement asks for, if it is what `find_by_id(..).one(..)` sends.
    pub(crate) fn asked_by<E: EntityTrait>(statement: &Statement, schema: Option<u64>) -> Option<Self> {
        if select_text::<E>(statement.db_backend)? != statement.sql {
            return None;
        }
        let mut values = statement.values.as_ref()?.0.clone();
        // The last one is the limit.
        values.pop()?;
        if values.len() != E::PrimaryKey::iter().count() {
            return None;
        }
        Self::with_schema::<E>(values, schema)
    }

    fn with_schema<E: EntityTrait>(values: Vec<Value>, schema: Option<u64>) -> Option<Self> {
        let function = kind_of::<E>().function;
        let parts: Vec<Part> = values.iter().map(Part::of).collect::<Option<_>>()?;
        // Processes that disagree about the model do not overwrite each other's entries.
        let prefix = format!("{}:{:x}:", function.name(), schema.unwrap_or_default());
        let key = encode_key(&prefix, &parts).ok()?;
        Some(Self { function, key, values, add_deps: deps::row_dep_by_values::<E> })
    }

    /// In whose name the entry is kept.
    pub(crate) fn function(&self) -> &'static Function {
        self.function
    }

    /// The entry's key, without the namespace.
    pub(crate) fn key(&self) -> &KeyText {
        &self.key
    }

    /// What the entry depends on.
    pub(crate) fn deps(&self) -> Deps {
        let mut deps = Deps::new();
        (self.add_deps)(&mut deps, &self.values);
        deps
    }

    /// The read that this is to the engine.
    pub(crate) fn read<'a, M: 'static>(
        &'a self,
        policy: &'a PolicyOverride,
        wire: Option<&'static Wire<Option<M>>>,
    ) -> Read<'a, Option<M>, DbErr> {
        Read {
            policy,
            presence: |row| if row.is_some() { Presence::Present } else { Presence::Absent },
            share_error: Some(ShareError::by_clone()),
            ..Read::new(self.function, &self.key, wire)
        }
    }

    /// Answers from the cache, or with what `load` finds in the database.
    pub(crate) async fn answer<M, L, Fut>(
        &self,
        cache: &Cache,
        policy: &PolicyOverride,
        wire: Option<&'static Wire<Option<M>>>,
        background: Option<Background<'_>>,
        load: L,
    ) -> Result<Option<M>, DbErr>
    where
        M: Clone + Send + Sync + 'static,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<M>, DbErr>>,
    {
        let prepare = || (self.deps(), |_: LoadScope| load());
        let read = Read { background, ..self.read(policy, wire) };
        cache.engine().read(&read, prepare).await
    }
}

impl Cache {
    /// The key of a row's own entry, as [`explain`](Cache::explain) and [`purge`](Cache::purge) take it: the entry that
    /// `User::find_by_id(7).cached(..).one(&db)` reads, and that write-through keeps. `None` for a key with a `NULL` in it.
    pub fn row_key<E>(key: impl Into<<E::PrimaryKey as PrimaryKeyTrait>::ValueType>) -> Option<String>
    where
        E: EntityTrait,
        E::Model: Serialize + DeserializeOwned + 'static,
    {
        let values = key.into().into_value_tuple().into_iter().collect();
        Row::of::<E>(values, Some(Wire::SERDE)).map(|row| row.key().to_string())
    }
}

/// A part of a primary key, spelled the same whatever the width of its integer.
#[derive(Serialize)]
#[serde(untagged)]
enum Part {
    Signed(i64),
    Unsigned(u64),
    Text(String),
}

impl Part {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::TinyInt(value) => Self::Signed((*value)?.into()),
            Value::SmallInt(value) => Self::Signed((*value)?.into()),
            Value::Int(value) => Self::Signed((*value)?.into()),
            Value::BigInt(value) => Self::Signed((*value)?),
            Value::TinyUnsigned(value) => Self::Unsigned((*value)?.into()),
            Value::SmallUnsigned(value) => Self::Unsigned((*value)?.into()),
            Value::Unsigned(value) => Self::Unsigned((*value)?.into()),
            Value::BigUnsigned(value) => Self::Unsigned((*value)?),
            Value::String(value) => Self::Text(value.as_ref()?.to_string()),
            // Variants of SeaORM's features among them; the text names the type and escapes what is text.
            other if other.to_string() == "NULL" => return None,
            other => Self::Text(format!("{other:?}")),
        })
    }
}

fn place_of(backend: DbBackend) -> Option<usize> {
    match backend {
        DbBackend::MySql => Some(0),
        DbBackend::Postgres => Some(1),
        DbBackend::Sqlite => Some(2),
        _ => None,
    }
}

/// What SeaORM writes behind `RETURNING` where it wants the whole model.
pub(super) fn returning_text<E: EntityTrait>(backend: DbBackend) -> Option<&'static str> {
    let text = kind_of::<E>().returnings.get(place_of(backend)?)?.get_or_init(|| {
        let columns = E::Column::iter().map(|column| column.select_as(column.into_returning_expr(backend)));
        let mut delete = Query::delete();
        delete.from_table(Alias::new("t")).returning(Query::returning().exprs(columns));
        Some(backend.build(&delete).sql.rsplit_once(" RETURNING ")?.1.to_owned())
    });
    text.as_deref()
}

fn select_text<E: EntityTrait>(backend: DbBackend) -> Option<&'static str> {
    let text = kind_of::<E>().selects.get(place_of(backend)?)?.get_or_init(|| {
        let mut select = E::find();
        let all = select.build(backend).sql;
        if [" WHERE ", " JOIN ", " LIMIT "].iter().any(|narrower| all.contains(narrower)) {
            return None;
        }
        for key in E::PrimaryKey::iter() {
            select = select.filter(key.into_column().eq(0));
        }
        Some(Spy::watch(select.one(Spy::on(backend)?))?.sql)
    });
    text.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orm::analysis::test_entities::{tagging, user};

    fn asked<E: EntityTrait>(query: sea_orm::Select<E>) -> Option<String> {
        let statement = Spy::watch(query.one(Spy::on(DbBackend::Postgres)?))?;
        Row::asked_by::<E>(&statement, Some(7)).map(|row| row.key().to_string())
    }

    fn of<E: EntityTrait>(key: impl IntoIterator<Item = Value>) -> Option<String> {
        Row::with_schema::<E>(key.into_iter().collect(), Some(7)).map(|row| row.key().to_string())
    }

    #[test]
    fn a_row_is_found_by_the_statement_and_by_its_key_alike() {
        assert_eq!(of::<user::Entity>([7.into()]).as_deref(), Some("row:user:7:[7]"));
        assert_eq!(asked(user::Entity::find_by_id(7)), of::<user::Entity>([7.into()]));
        assert_eq!(of::<user::Entity>([7_i64.into()]), of::<user::Entity>([7_u8.into()]));
        let both = asked(tagging::Entity::find_by_id((7, "Rust".to_owned())));
        assert_eq!(both, of::<tagging::Entity>([7.into(), "Rust".into()]));
        assert_ne!(both, of::<tagging::Entity>([7.into(), "rust".into()]), "to the database these may be two rows");
    }

    #[test]
    fn other_statements_and_keys_of_no_row_have_no_row_entry() {
        use sea_orm::{QueryOrder, QuerySelect};
        assert_eq!(asked(user::Entity::find_by_id(7).lock_exclusive()), None);
        assert_eq!(asked(user::Entity::find_by_id(7).filter(user::Column::Id.gt(3))), None);
        assert_eq!(asked(user::Entity::find().order_by_asc(user::Column::Id)), None);
        assert_eq!(of::<user::Entity>([Value::Int(None)]), None);
    }

    #[test]
    fn the_entry_depends_on_its_row() {
        let row = Row::with_schema::<user::Entity>(vec![7.into()], None);
        let deps: Vec<String> = row.iter().flat_map(|row| row.deps().tags()).map(|tag| tag.to_string()).collect();
        assert_eq!(deps, ["*", "user:7", "user:*", "user:+"]);
    }
}
