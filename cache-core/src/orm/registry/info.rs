//! What the cache knows of one entity.

use sea_orm::{
    ColumnTrait, EntityName, EntityTrait, IdenStatic, Identity, Iterable, PrimaryKeyToColumn, PrimaryKeyTrait,
    RelationDef, RelationTrait,
    sea_query::{ForeignKeyAction, TableRef},
};

use crate::orm::{through::WriteThrough, values::ColumnClass};

/// An entity of which more is known than SeaORM knows: which columns entries are indexed by, and which other entries its rows are part of.
///
/// Derived on the `Model` with `#[cached_entity(index(..), cascade(..))]`. Declaring an index column allows
/// `invalidate_on = Post(author_id = author)`; its price is one tag for each index value that a write touches.
///
/// # Changing a declaration
///
/// A writer names the index values and dependents that *its own* process knows of. While processes with different declarations write to
/// one database, as in a rolling deploy, entries that only some of them know how to reach may stay stale until their TTL ends:
///
/// - Declaring an entity for the first time, and no longer declaring it, are safe as far as indexes go: who declares nothing makes every
///   index entry stale.
/// - Changing the index columns of a declared entity takes two deploys, with a release between that does not derive `CachedEntity`
///   for it; or one in which the old processes have stopped before the new ones start.
/// - A cascade has to be known to every writer before entries rely on it, and be kept until none does.
///
/// A new `namespace` does *not* replace this: the old processes' writes would not reach it at all. With it, or with
/// [`Cache::clear`](crate::Cache::clear), once the last old process has stopped, what went stale during the deploy is left behind.
pub trait CachedEntity: EntityTrait {
    /// The columns whose values are tags of their own. Default: none.
    #[must_use]
    fn cached_indexes() -> Vec<Self::Column> {
        Vec::new()
    }

    /// The entries of other tables that contain a row of this one. Default: none.
    #[must_use]
    fn cached_cascades() -> Vec<Cascade> {
        Vec::new()
    }

    /// Whether, and how, rows that a writing statement returns become their own row entries. Default: they do not.
    #[must_use]
    fn cached_write_through() -> Option<WriteThrough> {
        None
    }
}

/// A column, as far as tags are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// The column's name as the entity spells it.
    pub name: String,
    /// How its values are compared.
    pub class: ColumnClass,
    /// Whether it may hold `NULL`.
    pub nullable: bool,
}

impl ColumnInfo {
    /// What SeaORM says of the column.
    pub fn of<C: ColumnTrait>(column: &C) -> Self {
        let def = column.def();
        Self {
            name: IdenStatic::as_str(column).to_owned(),
            class: ColumnClass::of(def.get_column_type()),
            nullable: def.is_null(),
        }
    }

    /// Whether `name` is this column; names are compared without their case.
    pub(crate) fn is(&self, name: &str) -> bool {
        same_name(&self.name, name)
    }
}

/// Names are lower case wherever SQL was read, and of any case in entities.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    one == other || one.to_lowercase() == other.to_lowercase()
}

/// A declared dependency: whoever depends on `table` with `column` equal to this entity's `from` depends on this entity's row as well.
///
/// Reached are the entries for that index value and those that depend on the whole table; entries of single rows are not, unless
/// `column` is the table's key: a function that caches a row with something of this entity in it names both,
/// `invalidate_on = [Post(id), User(author)]`. What the database itself changes through foreign keys reaches every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cascade {
    /// The dependent table.
    pub table: String,
    /// The dependent table's column.
    pub column: ColumnInfo,
    /// This entity's column whose value is looked up there.
    pub from: ColumnInfo,
}

impl Cascade {
    /// `cascade(Post(author_id = id))` on `User` is `Cascade::new(post::Column::AuthorId, user::Column::Id)`.
    #[must_use]
    pub fn new<D: ColumnTrait, O: ColumnTrait>(dependent: D, own: O) -> Self {
        Self {
            table: <D::EntityName as Default>::default().table_name().to_lowercase(),
            column: ColumnInfo::of(&dependent),
            from: ColumnInfo::of(&own),
        }
    }
}

/// What the database does with the rows of a child table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildEffect {
    /// Nothing, or it refuses.
    None,
    /// Deletes them.
    Delete,
    /// Changes their foreign key.
    Change,
}

impl ChildEffect {
    fn of(action: Option<&ForeignKeyAction>, cascade: Self) -> Self {
        match action {
            Some(ForeignKeyAction::Cascade) => cascade,
            Some(ForeignKeyAction::SetNull | ForeignKeyAction::SetDefault) => Self::Change,
            Some(ForeignKeyAction::Restrict | ForeignKeyAction::NoAction) | None => Self::None,
            // An action that sea-query learnt since.
            Some(_) => cascade,
        }
    }
}

/// A foreign key of an entity, from its `belongs_to` relations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    pub(crate) columns: Vec<String>,
    pub(crate) parent: String,
    pub(crate) parent_columns: Vec<String>,
    pub(crate) on_delete: ChildEffect,
    pub(crate) on_update: ChildEffect,
}

/// A table said to hold a foreign key to this entity (`has_one`, `has_many`); its actions are known to that table's own entity only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Referrer {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
}

/// What the cache knows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityInfo {
    pub(crate) table: String,
    pub(crate) key: Vec<ColumnInfo>,
    pub(crate) auto_increment: bool,
    pub(crate) indexes: Vec<ColumnInfo>,
    pub(crate) indexes_declared: bool,
    pub(crate) cascades: Vec<Cascade>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    pub(crate) referrers: Vec<Referrer>,
    pub(crate) precise: bool,
    pub(crate) through: Option<WriteThrough>,
}

impl EntityInfo {
    /// What SeaORM knows of `E`: table, primary key, relations.
    #[must_use]
    pub fn of<E: EntityTrait>() -> Self {
        let key: Vec<_> = E::PrimaryKey::iter().map(|key| ColumnInfo::of(&key.into_column())).collect();
        let mut info = Self {
            table: E::default().table_name().to_lowercase(),
            precise: !key.is_empty() && key.iter().all(|column| column.class.is_precise()),
            key,
            auto_increment: <E::PrimaryKey as PrimaryKeyTrait>::auto_increment(),
            indexes: Vec::new(),
            indexes_declared: false,
            cascades: Vec::new(),
            foreign_keys: Vec::new(),
            referrers: Vec::new(),
            through: None,
        };
        for relation in E::Relation::iter() {
            info.add_relation(&relation.def());
        }
        info
    }

    /// What is declared besides.
    #[must_use]
    pub fn of_cached<E: CachedEntity>() -> Self {
        let mut info = Self::of::<E>();
        info.indexes_declared = true;
        for column in E::cached_indexes() {
            let column = ColumnInfo::of(&column);
            // A column none of whose values is precise has no index tags, for readers and writers alike.
            if column.class.is_precise() && !info.indexes.iter().any(|index| index.is(&column.name)) {
                info.indexes.push(column);
            }
        }
        info.cascades = E::cached_cascades();
        info.through = E::cached_write_through();
        info
    }

    /// The same entity under another table name, for tables named at run time.
    #[must_use]
    pub fn named(mut self, table: &str) -> Self {
        self.table = table.to_lowercase();
        // Row entries are found by the entity's own table.
        self.through = None;
        self
    }

    /// The table's name, lower case, without its schema.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The primary key's columns in the order of the key.
    #[must_use]
    pub fn key(&self) -> &[ColumnInfo] {
        &self.key
    }

    /// Whether the database chooses the keys of inserted rows.
    #[must_use]
    pub fn auto_increment(&self) -> bool {
        self.auto_increment
    }

    /// The columns with index tags.
    #[must_use]
    pub fn indexes(&self) -> &[ColumnInfo] {
        &self.indexes
    }

    /// Whether rows can be told apart by their keys' canonical texts. If not, every dependency on a row is one on the table.
    #[must_use]
    pub fn is_precise(&self) -> bool {
        self.precise
    }

    /// The index column of that name.
    pub(crate) fn index(&self, name: &str) -> Option<&ColumnInfo> {
        self.indexes.iter().find(|column| column.is(name))
    }

    fn add_relation(&mut self, def: &RelationDef) {
        let Some(other) = table_name(&def.to_tbl) else { return };
        let names = |columns: &Identity| columns.iter().map(|column| column.inner().to_lowercase()).collect();
        if def.is_owner {
            self.referrers.push(Referrer { table: other, columns: names(&def.from_col) });
        } else {
            self.foreign_keys.push(ForeignKey {
                columns: names(&def.from_col),
                parent: other,
                parent_columns: names(&def.to_col),
                on_delete: ChildEffect::of(def.on_delete.as_ref(), ChildEffect::Delete),
                on_update: ChildEffect::of(def.on_update.as_ref(), ChildEffect::Change),
            });
        }
    }

    /// Two entities of one table: whatever either knows, and precise only where they agree.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.key.len() != other.key.len()
            || self.key.iter().zip(&other.key).any(|(one, two)| !one.is(&two.name) || one.class != two.class)
        {
            self.precise = false;
        }
        self.precise &= other.precise;
        self.auto_increment |= other.auto_increment;
        self.indexes_declared |= other.indexes_declared;
        for column in other.indexes {
            match self.indexes.iter_mut().find(|index| index.is(&column.name)) {
                // A class that the two disagree on has no canonical texts: writers use `post.*`, readers the table.
                Some(index) if index.class != column.class => index.class = ColumnClass::Other,
                Some(index) => index.nullable &= column.nullable,
                None => self.indexes.push(column),
            }
        }
        self.through = self.through.or(other.through);
        add_new(&mut self.cascades, other.cascades);
        add_new(&mut self.foreign_keys, other.foreign_keys);
        add_new(&mut self.referrers, other.referrers);
    }
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

fn table_name(table: &TableRef) -> Option<String> {
    match table {
        TableRef::Table(name, _) => Some(name.1.inner().to_lowercase()),
        _ => None,
    }
}
