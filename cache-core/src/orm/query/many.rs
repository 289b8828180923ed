//! A query of models with their related models.

use std::any::type_name;

use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryTrait, SelectTwoMany, Statement};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    answer::{Kind, Question, Reach, Wishes},
    cached::presence_of_all,
};
use crate::{envelope::Wire, orm::CachedConnection, policy::PolicyOverride, tag::Tag};

/// One model with its related models.
type Family<E, F> = (<E as EntityTrait>::Model, Vec<<F as EntityTrait>::Model>);

/// A `find_with_related` that is answered from the cache. Made by [`CacheQuery::cached`](super::CacheQuery::cached).
#[must_use = "it is run by `all`"]
#[derive(Debug)]
pub struct CachedQueryMany<E: EntityTrait, F: EntityTrait> {
    select: SelectTwoMany<E, F>,
    wire: Option<&'static Wire<Vec<Family<E, F>>>>,
    wishes: Wishes,
}

impl<E: EntityTrait, F: EntityTrait> CachedQueryMany<E, F> {
    pub(super) fn local(select: SelectTwoMany<E, F>, policy: PolicyOverride) -> Self {
        Self { select, wire: None, wishes: Wishes::new(policy) }
    }

    pub(super) fn stored(select: SelectTwoMany<E, F>, policy: PolicyOverride) -> Self
    where
        Family<E, F>: Serialize + DeserializeOwned,
    {
        Self { wire: Some(Wire::<Vec<Family<E, F>>>::SERDE), ..Self::local(select, policy) }
    }

    /// Adds tags, see [`CachedQuery::tags`](super::CachedQuery::tags).
    pub fn tags<I>(mut self, tags: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Tag>,
    {
        self.wishes.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Names the entry, see [`CachedQuery::key`](super::CachedQuery::key).
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.wishes.key = Some(key.into());
        self
    }

    /// Every model with its related models, as [`SelectTwoMany::all`].
    ///
    /// # Errors
    ///
    /// Those of the database. The cache has none of its own here.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Vec<Family<E, F>>, DbErr>
    where
        Family<E, F>: Clone + Send + Sync + 'static,
    {
        let Self { select, wire, wishes } = self;
        let Some(reach) = Reach::of(db, Kind::ALL) else { return select.all(db).await };
        let statement = select.build(db.get_database_backend());
        let question =
            Question { kind: Kind::ALL, result: type_name::<SelectTwoMany<E, F>>(), statement, wishes: &wishes };
        let again = |db: CachedConnection, _: Statement| -> BoxFuture<'static, _> {
            let select = select.clone();
            Box::pin(async move { select.all(&db).await })
        };
        question.answer(db, &reach, wire, presence_of_all, &again, async |_| select.clone().all(db).await).await
    }
}
