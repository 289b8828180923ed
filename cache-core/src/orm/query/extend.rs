//! `cached` on SeaORM's queries.

use sea_orm::{
    EntityTrait, Select, SelectModel, SelectTwo, SelectTwoMany, SelectTwoModel, SelectTwoRequired,
    SelectTwoRequiredModel, Selector, SelectorTrait,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    cached::{CachedQuery, Wires},
    many::CachedQueryMany,
};
use crate::{
    orm::{registry::register, row_entry::Row},
    policy::PolicyOverride,
};

/// Lets a query be answered from the cache.
///
/// On [`Select`], `find_also_related`, `find_with_related`, and on whatever [`Selector`] `into_model`, `into_partial_model`, `into_tuple` and
/// their like make. The connection it is then run on says which cache: a [`CachedConnection`](crate::CachedConnection), or a connection of your own
/// around one; a `DatabaseConnection` leads to the [installed](crate::Cache::install_default) cache. In a transaction the database
/// answers, and nothing is read from or filled into the cache.
///
/// The key is made of the SQL, the bound values, and the type of the result; the tags are those of the statement, captured before
/// it runs. Two databases behind one cache need caches of different namespaces, since their statements look alike. What
/// changes without a write (`NOW()`, `RANDOM()`) is as old as the entry.
///
/// ```
/// # mod user {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "user")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub name: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// # use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, Database, EntityTrait, QueryFilter, Schema};
/// # use sea_orm_cache::{Cache, CacheQuery, Policy};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = Cache::builder().build().await?;
/// let db = cache.wrap(Database::connect("sqlite::memory:").await?);
/// # db.execute(&Schema::new(db.get_database_backend()).create_table_from_entity(user::Entity)).await?;
/// user::Entity::insert(user::ActiveModel { id: Set(7), name: Set("ann".into()) }).exec(&db).await?;
///
/// let find = async || user::Entity::find_by_id(7).cached(Policy::ttl_secs(300)).one(&db).await;
/// assert_eq!(find().await?.unwrap().name, "ann");
/// assert_eq!(find().await?.unwrap().name, "ann"); // from the cache
/// assert_eq!(cache.stats().hits_local, 1);
///
/// let rename = user::ActiveModel { id: Set(7), name: Set("eve".into()) };
/// user::Entity::update(rename).exec(&db).await?;
/// assert_eq!(find().await?.unwrap().name, "eve");
///
/// let named = user::Entity::find().filter(user::Column::Name.starts_with("e"));
/// assert_eq!(named.cached(Policy::ttl_secs(60)).count(&db).await?, 1);
/// # Ok(()) }
/// ```
pub trait CacheQuery: Sized {
    /// One row of the result.
    type Item;
    /// The cached query.
    type Cached;

    /// This query, answered from the cache. `policy` is a [`Policy`](crate::Policy), or a [`PolicyOverride`] of what the cache's own says.
    fn cached(self, policy: impl Into<PolicyOverride>) -> Self::Cached
    where
        Self::Item: Serialize + DeserializeOwned;

    /// The same for results without serde's traits: they are kept in process memory only.
    fn cached_local(self, policy: impl Into<PolicyOverride>) -> Self::Cached;
}

impl<S> CacheQuery for Selector<S>
where
    S: SelectorTrait + Send + Sync + 'static,
    S::Item: Clone + Send + Sync + 'static,
{
    type Item = S::Item;
    type Cached = CachedQuery<S>;

    fn cached(self, policy: impl Into<PolicyOverride>) -> CachedQuery<S>
    where
        S::Item: Serialize + DeserializeOwned,
    {
        CachedQuery::new(self, Wires::SERDE, policy.into())
    }

    fn cached_local(self, policy: impl Into<PolicyOverride>) -> CachedQuery<S> {
        CachedQuery::new(self, Wires::LOCAL, policy.into())
    }
}

impl<E> CacheQuery for Select<E>
where
    E: EntityTrait,
    E::Model: Sync + 'static,
{
    type Item = E::Model;
    type Cached = CachedQuery<SelectModel<E::Model>>;

    fn cached(self, policy: impl Into<PolicyOverride>) -> Self::Cached
    where
        E::Model: Serialize + DeserializeOwned,
    {
        register::<E>();
        self.into_model::<E::Model>().cached(policy).of_rows(Row::asked_by::<E>)
    }

    fn cached_local(self, policy: impl Into<PolicyOverride>) -> Self::Cached {
        register::<E>();
        self.into_model::<E::Model>().cached_local(policy).of_rows(Row::asked_by::<E>)
    }
}

macro_rules! of_two {
    ($select:ident, $selector:ident, $right:ty) => {
        impl<E, F> CacheQuery for $select<E, F>
        where
            E: EntityTrait,
            F: EntityTrait,
            E::Model: Sync + 'static,
            F::Model: Sync + 'static,
        {
            type Item = (E::Model, $right);
            type Cached = CachedQuery<$selector<E::Model, F::Model>>;

            fn cached(self, policy: impl Into<PolicyOverride>) -> Self::Cached
            where
                Self::Item: Serialize + DeserializeOwned,
            {
                register::<E>();
                register::<F>();
                self.into_model::<E::Model, F::Model>().cached(policy)
            }

            fn cached_local(self, policy: impl Into<PolicyOverride>) -> Self::Cached {
                register::<E>();
                register::<F>();
                self.into_model::<E::Model, F::Model>().cached_local(policy)
            }
        }
    };
}

of_two!(SelectTwo, SelectTwoModel, Option<F::Model>);
of_two!(SelectTwoRequired, SelectTwoRequiredModel, F::Model);

impl<E, F> CacheQuery for SelectTwoMany<E, F>
where
    E: EntityTrait,
    F: EntityTrait,
{
    type Item = (E::Model, Vec<F::Model>);
    type Cached = CachedQueryMany<E, F>;

    fn cached(self, policy: impl Into<PolicyOverride>) -> CachedQueryMany<E, F>
    where
        Self::Item: Serialize + DeserializeOwned,
    {
        register::<E>();
        register::<F>();
        CachedQueryMany::stored(self, policy.into())
    }

    fn cached_local(self, policy: impl Into<PolicyOverride>) -> CachedQueryMany<E, F> {
        register::<E>();
        register::<F>();
        CachedQueryMany::local(self, policy.into())
    }
}
