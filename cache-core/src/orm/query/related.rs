//! The related models of one model.

use std::str::FromStr;

use sea_orm::{
    ColumnTrait, DbErr, EntityOrSelect, EntityTrait, Identity, JoinType, ModelTrait, QueryFilter, QuerySelect, Related,
    RelationDef, Select, SelectModel, Value,
    sea_query::{Condition, Expr, ExprTrait, TableRef},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{cached::CachedQuery, extend::CacheQuery};
use crate::{
    orm::registry::{register, register_tables},
    policy::PolicyOverride,
};

/// Lets the related models of a model be answered from the cache.
///
/// ```
/// # mod user {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "user")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub name: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation { #[sea_orm(has_many = "super::post::Entity")] Post }
/// #     impl Related<super::post::Entity> for Entity { fn to() -> RelationDef { Relation::Post.def() } }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # mod post {
/// #     use sea_orm::entity::prelude::*;
/// #     use sea_orm_cache::CachedEntity;
/// #     #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, DeriveEntityModel, CachedEntity)]
/// #     #[sea_orm(table_name = "post")]
/// #     #[cached_entity(index(author_id))]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub author_id: i32 }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {
/// #         #[sea_orm(belongs_to = "super::user::Entity", from = "Column::AuthorId", to = "super::user::Column::Id")] User,
/// #     }
/// #     impl Related<super::user::Entity> for Entity { fn to() -> RelationDef { Relation::User.def() } }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # use sea_orm::{ActiveValue::Set, ConnectionTrait, Database, EntityTrait, Schema};
/// # use sea_orm_cache::{Cache, CachedLoader, CachedRelated, Policy};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// # let db = cache.wrap(Database::connect("sqlite::memory:").await?);
/// # db.execute(&Schema::new(db.get_database_backend()).create_table_from_entity(user::Entity)).await?;
/// # db.execute(&Schema::new(db.get_database_backend()).create_table_from_entity(post::Entity)).await?;
/// # for id in 1..=2 { user::Entity::insert(user::ActiveModel { id: Set(id), name: Set("x".into()) }).exec(&db).await?; }
/// # post::Entity::insert(post::ActiveModel { id: Set(7), author_id: Set(1) }).exec(&db).await?;
/// let policy = Policy::ttl_secs(60);
/// let users = user::Entity::find().all(&db).await?;
/// let posts = users.cached_load_many(post::Entity, policy, &db).await?; // one query
/// assert_eq!((posts[0].len(), posts[1].len()), (1, 0));
/// assert_eq!(users[0].cached_related(post::Entity, policy).all(&db).await?, posts[0]); // from the cache
/// # assert_eq!(cache.stats().hits_local, 1);
/// # Ok(()) }
/// ```
pub trait CachedRelated: ModelTrait {
    /// The related models, as `find_related` finds them: `user.cached_related(Post, policy).all(&db)`. A query of them
    /// narrows or sorts: `user.cached_related(Post::find().order_by_desc(post::Column::Id), policy)`; an entity alone is sorted by its key.
    ///
    /// Of a relation without a junction, the entry depends on the rows with this model's value in the related column, if that is a declared
    /// index or the key; else on the tables involved. It shares its entries with [`CachedLoader`](super::CachedLoader).
    fn cached_related<R, Q>(
        &self,
        query: Q,
        policy: impl Into<PolicyOverride>,
    ) -> CachedQuery<SelectModel<<R as EntityTrait>::Model>>
    where
        R: EntityTrait,
        R::Model: Serialize + DeserializeOwned + Sync + 'static,
        Q: EntityOrSelect<R>,
        Self::Entity: Related<R>,
    {
        know::<Self::Entity, R>();
        let (to, via) = (<Self::Entity as Related<R>>::to(), <Self::Entity as Related<R>>::via());
        let query = query.select();
        let plain = to.on_condition.is_none() && via.as_ref().is_none_or(|via| via.on_condition.is_none());
        let narrowed = match related_to(self, query.clone()) {
            Ok(Some(narrowed)) if plain => narrowed,
            // As SeaORM does: joined with the model's own row. Nothing joins where that has no value.
            _ => {
                let joined = query.join_rev(JoinType::InnerJoin, to);
                let joined = match via {
                    Some(via) => joined.join_rev(JoinType::InnerJoin, via),
                    None => joined,
                };
                joined.belongs_to(self)
            }
        };
        narrowed.cached(policy)
    }
}

impl<M: ModelTrait> CachedRelated for M {}

/// Makes known whatever a relation reads. The tables of relations belong to entities, and those are taken for tables everywhere.
pub(super) fn know<E: EntityTrait + Related<R>, R: EntityTrait>() {
    register::<E>();
    register::<R>();
    if let Some(via) = E::via() {
        let tables = [via.from_tbl, via.to_tbl, E::to().from_tbl];
        let names: Vec<_> = tables.iter().filter_map(table_name).collect();
        register_tables(&names);
    }
}

fn table_name(table: &TableRef) -> Option<String> {
    match table {
        TableRef::Table(name, _) => Some(name.1.to_string()),
        _ => None,
    }
}

/// The rows of `query` that are related to `model`, found by the related column, without a look at the model's own row: as
/// SeaORM's loaders find them. `None` if the model has no value there, and so nothing is related to it.
///
/// # Errors
///
/// If the relation names a column that the entity does not have.
pub(super) fn related_to<M, R>(model: &M, query: Select<R>) -> Result<Option<Select<R>>, DbErr>
where
    M: ModelTrait,
    M::Entity: Related<R>,
    R: EntityTrait,
{
    let to = <M::Entity as Related<R>>::to();
    let (query, relation) = match <M::Entity as Related<R>>::via() {
        Some(via) => (query.join_rev(JoinType::InnerJoin, to), via),
        None => (query, to),
    };
    Ok(condition(model, &relation)?.map(|condition| query.filter(condition)))
}

/// The related columns have the values that the model has.
fn condition<M: ModelTrait>(model: &M, relation: &RelationDef) -> Result<Option<Condition>, DbErr> {
    let TableRef::Table(name, alias) = &relation.to_tbl else {
        return Err(DbErr::Type("a relation leads to something that is no table".to_owned()));
    };
    let table = alias.as_ref().unwrap_or(&name.1);
    let mut condition = Condition::all();
    for (from, to) in relation.from_col.iter().zip(relation.to_col.iter()) {
        let column = column::<M::Entity>(&from.inner())?;
        let value: Value = model.get(column);
        if value == value.as_null() {
            return Ok(None);
        }
        let value = column.save_as(Expr::val(value));
        condition = condition.add(Expr::col((table.clone(), to.clone())).eq(value));
    }
    let arity = Identity::arity(&relation.from_col);
    if arity == 0 || arity != relation.to_col.arity() {
        return Err(DbErr::Type("the two sides of a relation have different numbers of columns".to_owned()));
    }
    Ok(Some(condition))
}

fn column<E: EntityTrait>(name: &str) -> Result<E::Column, DbErr> {
    E::Column::from_str(name).map_err(|_| DbErr::Type(format!("the entity has no column {name}")))
}
