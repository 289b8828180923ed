//! The related models of many models, without a query for each.

use std::{any::type_name, collections::HashMap, sync::Arc};

use futures_util::future::join_all;
use sea_orm::{
    ConnectionTrait, DbErr, EntityOrSelect, EntityTrait, LoaderTrait, ModelTrait, QueryTrait, Related, RelationType,
    Select, SelectModel, error::RuntimeErr,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Barrier, OnceCell};

use super::{
    answer::{Kind, Question, Reach, Wishes},
    cached::presence_of_all,
    related::{know, related_to},
};
use crate::{
    envelope::Wire,
    key::KeyText,
    orm::analysis::{Analysis, analyze},
    policy::PolicyOverride,
};

/// The most models that are asked for, and loaded by one query, at a time.
const MODELS_MAX: usize = 1_000;

/// Lets the related models of many models be answered from the cache, as SeaORM's [`LoaderTrait`] loads them.
///
/// Each model has an entry of its own, the one that [`cached_related`](super::CachedRelated::cached_related) uses as well. The cache is asked for all of
/// them at once, and one query (for each 1,000 models) loads what is missing.
pub trait CachedLoader {
    /// The model whose relations are loaded.
    type Model: ModelTrait;

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
        <Self::Model as ModelTrait>::Entity: Related<R>;

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
        <Self::Model as ModelTrait>::Entity: Related<R>;
}

impl<M: ModelTrait + Sync> CachedLoader for [M] {
    type Model = M;

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
        M::Entity: Related<R>,
    {
        load_many(self, query.select(), policy.into(), db)
    }

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
        M::Entity: Related<R>,
    {
        let (query, policy) = (query.select(), policy.into());
        async move {
            if <M::Entity as Related<R>>::to().rel_type != RelationType::HasOne {
                let why = "Relation is HasMany instead of HasOne".to_owned();
                return Err(DbErr::Query(RuntimeErr::Internal(why)));
            }
            let lists = load_many(self, query, policy, db).await?;
            // Of several, SeaORM's loader keeps the last.
            Ok(lists.into_iter().map(|mut list| list.pop()).collect())
        }
    }
}

/// The related models of one model, to be asked for.
struct Asked<'a, M> {
    /// The first of the models with this question.
    model: M,
    key: KeyText,
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
    let mut asked = Vec::new();
    let mut places = Vec::with_capacity(models.len());
    {
        let mut known: HashMap<String, usize> = HashMap::new();
        for model in models {
            let one = match related_to::<M, R>(model, query.clone()) {
                Ok(Some(select)) => ask(model, &select, &wishes, db),
                Ok(None) => {
                    places.push(None);
                    continue;
                }
                Err(_) => None,
            };
            // SeaORM knows better what is wrong with the relation.
            let Some(one) = one else { return models.load_many(query, db).await };
            let place = *known.entry(one.key.to_string()).or_insert(asked.len());
            if place == asked.len() {
                asked.push(one);
            }
            places.push(Some(place));
        }
    }
    let mut found: Vec<Vec<R::Model>> = Vec::with_capacity(asked.len());
    for some in asked.chunks(MODELS_MAX) {
        found.extend(reach.heard(answer(&reach, some, &query, db)).await?);
    }
    Ok(places.into_iter().map(|place| place.and_then(|at| found.get(at)).cloned().unwrap_or_default()).collect())
}

fn ask<'a, M, R, C>(model: &M, select: &Select<R>, wishes: &'a Wishes, db: &C) -> Option<Asked<'a, M>>
where
    M: ModelTrait,
    R: EntityTrait,
    C: ConnectionTrait,
{
    let statement = select.build(db.get_database_backend());
    let analysis = analyze(statement.db_backend, &statement.sql);
    let question = Question { kind: Kind::ALL, result: type_name::<SelectModel<R::Model>>(), statement, wishes };
    let key = question.key(&analysis).ok().filter(|_| !analysis.is_write())?;
    Some(Asked { model: model.clone(), key, analysis, question })
}

/// The related models of each, from the cache or by one query.
async fn answer<M, R, C>(
    reach: &Reach,
    asked: &[Asked<'_, M>],
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
    let wire = Some(Wire::<Vec<R::Model>>::SERDE);
    let engine = reach.cache.engine();
    let peeks = asked.iter().map(async |one| {
        let read = one.question.read(&one.key, wire, presence_of_all);
        let found = engine.peek(&read).await;
        if found.is_none() {
            engine.missed(&read);
        }
        found
    });
    let mut found = join_all(peeks).await;
    let missing: Vec<&Asked<'_, M>> =
        asked.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(one, _)| one).collect();
    let mut loaded = load(reach, &missing, query, db).await?.into_iter();
    for gap in found.iter_mut().filter(|found| found.is_none()) {
        *gap = loaded.next();
    }
    Ok(found.into_iter().map(Option::unwrap_or_default).collect())
}

/// Loads what is missing by one query, and stores the part of each under versions that were captured before.
async fn load<M, R, C>(
    reach: &Reach,
    missing: &[&Asked<'_, M>],
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
    let cache = &reach.cache;
    let wire = Some(Wire::<Vec<R::Model>>::SERDE);
    let models: Vec<M> = missing.iter().map(|one| one.model.clone()).collect();
    // Every part is polled by this very future, and each gets here: the query waits for the last of the captures.
    let captured = Barrier::new(missing.len());
    let all: OnceCell<Result<Vec<Vec<R::Model>>, DbErr>> = OnceCell::new();
    let (captured, all, models) = (&captured, &all, &models);
    let parts = missing.iter().enumerate().map(|(at, one)| async move {
        let (deps, opaque) = one.question.deps(cache, &one.analysis);
        let read = one.question.read(&one.key, wire, presence_of_all);
        let part = |scope: crate::engine::LoadScope| async move {
            if opaque {
                scope.opaque();
            }
            captured.wait().await;
            match all.get_or_init(|| models.load_many(query.clone(), db)).await {
                Ok(lists) => Ok(lists.get(at).cloned().unwrap_or_default()),
                Err(error) => Err(error.clone()),
            }
        };
        cache.engine().refresh(&read, || deps, part).await
    });
    // The parts wait for each other: they are one load.
    cache.engine().in_a_place(Kind::ALL.function, join_all(parts)).await.into_iter().collect()
}
