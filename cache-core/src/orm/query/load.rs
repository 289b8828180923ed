//! The related models of many models, without a query for each.

use std::{
    any::type_name,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sea_orm::{
    ConnectionTrait, DbErr, EntityOrSelect, EntityTrait, LoaderTrait, ModelTrait, QueryTrait, Related, RelationType,
    Select, SelectModel, error::RuntimeErr,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    answer::{Kind, Question, Reach, Wishes},
    cached::presence_of_all,
    related::{know, related_to},
};
use crate::{
    engine::{LoadScope, call::Deps},
    envelope::Wire,
    key::KeyText,
    orm::analysis::{Analysis, analyze},
    policy::PolicyOverride,
};

/// The most models that one query loads.
const MODELS_MAX: usize = 1_000;

/// Lets the related models of many models be answered from the cache, as SeaORM's [`LoaderTrait`] loads them.
///
/// Each model has an entry of its own, the one that [`cached_related`](super::CachedRelated::cached_related) uses as well. The cache is asked for all of
/// them at once, and one query (for each 1,000 models) loads what is missing.
pub trait CachedLoader {
    /// The model whose relations are loaded.
    type Model: ModelTrait + Sync;

    /// The models.
    #[doc(hidden)]
    fn models_to_load(&self) -> &[Self::Model];

    /// The related models of each model, in the order of the models: `users.cached_load_many(Post, policy, &db)`.
    ///
    /// # Errors
    ///
    /// Those of the database. The cache has none of its own here.
    fn cached_load_many<R, Q, C>(
        &self,
        query: Q,
        policy: impl Into<PolicyOverride>,
        db: &C,
    ) -> impl Future<Output = Result<Vec<Vec<<R as EntityTrait>::Model>>, DbErr>> + Send
    where
        R: EntityTrait,
        R::Model: Serialize + DeserializeOwned + Sync + 'static,
        Q: EntityOrSelect<R>,
        C: ConnectionTrait,
        <Self::Model as ModelTrait>::Entity: Related<R>,
    {
        load_many(self.models_to_load(), query.select(), policy.into(), db)
    }

    /// The one related model of each model: `posts.cached_load_one(User, policy, &db)`.
    ///
    /// # Errors
    ///
    /// Those of the database, and one if a model can have several.
    fn cached_load_one<R, Q, C>(
        &self,
        query: Q,
        policy: impl Into<PolicyOverride>,
        db: &C,
    ) -> impl Future<Output = Result<Vec<Option<<R as EntityTrait>::Model>>, DbErr>> + Send
    where
        R: EntityTrait,
        R::Model: Serialize + DeserializeOwned + Sync + 'static,
        Q: EntityOrSelect<R>,
        C: ConnectionTrait,
        <Self::Model as ModelTrait>::Entity: Related<R>,
    {
        let lists = load_many(self.models_to_load(), query.select(), policy.into(), db);
        async move {
            if <<Self::Model as ModelTrait>::Entity as Related<R>>::to().rel_type != RelationType::HasOne {
                let why = "Relation is HasMany instead of HasOne".to_owned();
                return Err(DbErr::Query(RuntimeErr::Internal(why)));
            }
            // Of several, SeaORM's loader keeps the last.
            Ok(lists.await?.into_iter().map(|mut list| list.pop()).collect())
        }
    }
}

impl<M: ModelTrait + Sync> CachedLoader for [M] {
    type Model = M;

    fn models_to_load(&self) -> &[M] {
        self
    }
}

/// The related models of one model, to be asked for.
struct Asked<'a, 'm, M> {
    model: &'m M,
    analysis: Arc<Analysis>,
    question: Question<'a>,
}

async fn load_many<M, R, C>(
    models: &[M],
    query: Select<R>,
    policy: PolicyOverride,
    db: &C,
) -> Result<Vec<Vec<R::Model>>, DbErr>
where
    M: ModelTrait + Sync,
    M::Entity: Related<R>,
    R: EntityTrait,
    R::Model: Serialize + DeserializeOwned + Sync + 'static,
    C: ConnectionTrait,
{
    know::<M::Entity, R>();
    let wishes = Wishes::new(policy);
    let Some(reach) = Reach::of(db, Kind::ALL) else { return models.load_many(query, db).await };
    let (mut asked, mut keys): (Vec<Asked<'_, '_, M>>, Vec<KeyText>) = (Vec::new(), Vec::new());
    let mut places = Vec::with_capacity(models.len());
    for model in models {
        match related_to::<M, R>(model, query.clone())
            .map(|select| select.map(|select| ask(model, &select, &wishes, db)))
        {
            Ok(Some(Some((one, key)))) => {
                places.push(Some(asked.len()));
                asked.push(one);
                keys.push(key);
            }
            Ok(None) => places.push(None),
            // SeaORM knows better what is wrong with the relation.
            Ok(Some(None)) | Err(_) => return models.load_many(query, db).await,
        }
    }
    let mut found = reach.heard(answer(&reach, &asked, &keys, &query, db)).await?;
    let mut take = |at: usize| found.get_mut(at).map(std::mem::take).unwrap_or_default();
    Ok(places.into_iter().map(|place| place.map(&mut take).unwrap_or_default()).collect())
}

fn ask<'a, 'm, M, R, C>(
    model: &'m M,
    select: &Select<R>,
    wishes: &'a Wishes,
    db: &C,
) -> Option<(Asked<'a, 'm, M>, KeyText)>
where
    R: EntityTrait,
    C: ConnectionTrait,
{
    let statement = select.build(db.get_database_backend());
    let analysis = analyze(statement.db_backend, &statement.sql);
    let question = Question { kind: Kind::ALL, result: type_name::<SelectModel<R::Model>>(), statement, wishes };
    let key = question.key(&analysis).ok().filter(|_| !analysis.is_write())?;
    Some((Asked { model, analysis, question }, key))
}

/// The related models of each, from the cache; those that are missing by one query for each [`MODELS_MAX`].
async fn answer<M, R, C>(
    reach: &Reach,
    asked: &[Asked<'_, '_, M>],
    keys: &[KeyText],
    query: &Select<R>,
    db: &C,
) -> Result<Vec<Vec<R::Model>>, DbErr>
where
    M: ModelTrait + Sync,
    M::Entity: Related<R>,
    R: EntityTrait,
    R::Model: Serialize + DeserializeOwned + Sync + 'static,
    C: ConnectionTrait,
{
    let (Some(first), Some(key)) = (asked.first(), keys.first()) else { return Ok(Vec::new()) };
    let read = first.question.read(key, Some(Wire::<Vec<R::Model>>::SERDE), presence_of_all);
    // Each statement differs from the others in its values only: what one reads blindly, all do.
    let opaque = &AtomicBool::new(false);
    let deps = |at: usize| match asked.get(at) {
        Some(one) => {
            let (deps, is_opaque) = one.question.deps(&reach.cache, &one.analysis);
            opaque.fetch_or(is_opaque, Ordering::Relaxed);
            deps
        }
        None => Deps::auto(),
    };
    let load = |places: Vec<usize>, scope: LoadScope| async move {
        if opaque.load(Ordering::Relaxed) {
            scope.opaque();
        }
        let mut lists = Vec::with_capacity(places.len());
        for some in places.chunks(MODELS_MAX) {
            let models: Vec<M> = some.iter().filter_map(|at| asked.get(*at)).map(|one| one.model.clone()).collect();
            lists.extend(models.load_many(query.clone(), db).await?);
        }
        Ok(lists)
    };
    reach.cache.engine().read_many(&read, keys, deps, load).await
}
