//! A query that the cache may answer.

use std::{any::type_name, fmt};

use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, DbErr, PaginatorTrait, Selector, SelectorTrait, Statement};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    again,
    answer::{Kind, Question, Reach, RowOf, Wishes},
    pages::CachedPages,
    spy::Spy,
};
use crate::{
    engine::call::{Background, Presence},
    envelope::Wire,
    orm::CachedConnection,
    policy::PolicyOverride,
    tag::Tag,
};

/// A query that is answered from the cache. Made by [`CacheQuery::cached`](super::CacheQuery::cached).
///
/// An entry depends on what the statement reads: a row asked for by its key, the rows with one value of a declared index, or whole
/// tables. Writes to those make it stale, as for an annotated function.
#[must_use = "it is run by `one`, `all`, `count` or `paginate`"]
pub struct CachedQuery<S: SelectorTrait<Item: 'static>> {
    pub(super) selector: Selector<S>,
    pub(super) wires: Wires<S::Item>,
    pub(super) wishes: Wishes,
}

/// How results become bytes; without, they stay in process memory.
pub(super) struct Wires<T: 'static> {
    pub(super) one: Option<&'static Wire<Option<T>>>,
    pub(super) all: Option<&'static Wire<Vec<T>>>,
    pub(super) count: Option<&'static Wire<u64>>,
}

impl<T> Clone for Wires<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Wires<T> {}

impl<T> Wires<T> {
    pub(super) const LOCAL: Self = Self { one: None, all: None, count: None };
}

impl<T: Serialize + DeserializeOwned + 'static> Wires<T> {
    pub(super) const SERDE: Self =
        Self { one: Some(Wire::<Option<T>>::SERDE), all: Some(Wire::<Vec<T>>::SERDE), count: Some(Wire::<u64>::SERDE) };
}

pub(super) fn presence_of_one<T>(value: &Option<T>) -> Presence {
    if value.is_some() { Presence::Present } else { Presence::Absent }
}

#[allow(clippy::ptr_arg, reason = "a pointer to it is taken for the type of the value")]
pub(super) fn presence_of_all<T>(value: &Vec<T>) -> Presence {
    if value.is_empty() { Presence::Empty } else { Presence::Unknown }
}

impl<S> CachedQuery<S>
where
    S: SelectorTrait + Send + Sync + 'static,
    S::Item: Clone + Send + Sync + 'static,
{
    pub(super) fn new(selector: Selector<S>, wires: Wires<S::Item>, policy: PolicyOverride) -> Self {
        Self { selector, wires, wishes: Wishes::new(policy) }
    }

    /// A query whose statement may ask for a row that has an entry of its own.
    pub(super) fn of_rows(mut self, row: RowOf) -> Self {
        self.wishes.row = Some(row);
        self
    }

    /// Adds tags that the result depends on besides what the statement reads. A statement whose tables the cache does not know (views, functions
    /// of your own) is stored only with such tags: then it is up to them to cover it. A string is a free name.
    pub fn tags<I>(mut self, tags: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Tag>,
    {
        self.wishes.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Takes `key` in place of the statement and its values. That different queries have different keys is then up to you.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.wishes.key = Some(key.into());
        self
    }

    /// The first row, as [`Selector::one`]. That there is none is kept as well, for `negative_ttl`.
    ///
    /// # Errors
    ///
    /// Those of the database. The cache has none of its own here.
    pub async fn one<C: ConnectionTrait>(self, db: &C) -> Result<Option<S::Item>, DbErr> {
        let Self { selector, wires, wishes } = self;
        let Some((reach, spy)) = reach(db, Kind::ONE) else { return selector.one(db).await };
        let Some(statement) = Spy::watch(selector.one(spy)) else { return Err(unseen()) };
        let load = async |statement| first::<S, C>(db, statement).await;
        let again = |db: CachedConnection, statement: Statement| -> BoxFuture<'static, _> {
            Box::pin(async move { first::<S, _>(&db, statement).await })
        };
        if let Some(row) = wishes.row(&statement, wires.one.map(|wire| (wire.schema)())) {
            let background = || again::row(&row, &statement, wishes.policy, wires.one, db, &again);
            let background: Background<'_> = &background;
            let background = Some(background).filter(|_| again::can_be_kept::<C>());
            let load = || load(statement.clone());
            return reach.heard(row.answer(&reach.cache, &wishes.policy, wires.one, background, load)).await;
        }
        let question = Question { kind: Kind::ONE, result: type_name::<S>(), statement, wishes: &wishes };
        question.answer(db, &reach, wires.one, presence_of_one, &again, load).await
    }

    /// The first row, as [`Selector::require_one`].
    ///
    /// # Errors
    ///
    /// [`DbErr::RecordNotFound`] if there is none, else those of the database.
    pub async fn require_one<C: ConnectionTrait>(self, db: &C) -> Result<S::Item, DbErr> {
        let found = self.one(db).await?;
        found.ok_or_else(|| DbErr::RecordNotFound("None of the models match the query".to_owned()))
    }

    /// Every row, as [`Selector::all`]. An empty list is kept for `negative_ttl`.
    ///
    /// # Errors
    ///
    /// Those of the database. The cache has none of its own here.
    pub async fn all<C: ConnectionTrait>(self, db: &C) -> Result<Vec<S::Item>, DbErr> {
        let Self { selector, wires, wishes } = self;
        let Some((reach, spy)) = reach(db, Kind::ALL) else { return selector.all(db).await };
        let Some(statement) = Spy::watch(selector.all(spy)) else { return Err(unseen()) };
        let question = Question { kind: Kind::ALL, result: type_name::<S>(), statement, wishes: &wishes };
        let load = async |statement| rows::<S, C>(db, statement).await;
        question.answer(db, &reach, wires.all, presence_of_all, &rows_again::<S>, load).await
    }

    /// The number of rows, as [`PaginatorTrait::count`].
    ///
    /// # Errors
    ///
    /// Those of the database. The cache has none of its own here.
    pub async fn count<C: ConnectionTrait>(self, db: &C) -> Result<u64, DbErr> {
        let Self { selector, wires, wishes } = self;
        let Some((reach, spy)) = reach(db, Kind::COUNT) else { return selector.count(db).await };
        let Some(statement) = Spy::watch(selector.count(spy)) else { return Err(unseen()) };
        let question = Question { kind: Kind::COUNT, result: "count", statement, wishes: &wishes };
        let load = async |statement| number(db, statement).await;
        question.answer(db, &reach, wires.count, |_| Presence::Unknown, &number_again, load).await
    }

    /// Pages of rows, as [`PaginatorTrait::paginate`]: each page is an entry, and so is the number of rows.
    ///
    /// # Panics
    ///
    /// Panics if `page_size` is 0, as SeaORM does.
    pub fn paginate<C: ConnectionTrait>(self, db: &C, page_size: u64) -> CachedPages<'_, C, S> {
        CachedPages::new(self, db, page_size)
    }
}

/// The cache that may answer for `db`, and the spy that tells the statement.
pub(super) fn reach<C: ConnectionTrait>(db: &C, kind: Kind) -> Option<(Reach, &'static Spy)> {
    let spy = Spy::on(db.get_database_backend())?;
    Reach::of(db, kind).map(|reach| (reach, spy))
}

/// The first row of a statement.
async fn first<S: SelectorTrait, C: ConnectionTrait>(db: &C, statement: Statement) -> Result<Option<S::Item>, DbErr> {
    match db.query_one_raw(statement).await? {
        Some(row) => S::from_raw_query_result(row).map(Some),
        None => Ok(None),
    }
}

/// As [`rows`], on a connection that is kept.
pub(super) fn rows_again<S>(
    db: CachedConnection,
    statement: Statement,
) -> BoxFuture<'static, Result<Vec<S::Item>, DbErr>>
where
    S: SelectorTrait + Send + Sync + 'static,
    S::Item: Send + 'static,
{
    Box::pin(async move { rows::<S, _>(&db, statement).await })
}

/// As [`number`], on a connection that is kept.
pub(super) fn number_again(db: CachedConnection, statement: Statement) -> BoxFuture<'static, Result<u64, DbErr>> {
    Box::pin(async move { number(&db, statement).await })
}

/// Every row of a statement.
pub(super) async fn rows<S: SelectorTrait, C: ConnectionTrait>(
    db: &C,
    statement: Statement,
) -> Result<Vec<S::Item>, DbErr> {
    let rows = db.query_all_raw(statement).await?;
    rows.into_iter().map(S::from_raw_query_result).collect()
}

/// What a counting statement counts.
pub(super) async fn number<C: ConnectionTrait>(db: &C, statement: Statement) -> Result<u64, DbErr> {
    let Some(row) = db.query_one_raw(statement).await? else { return Ok(0) };
    Ok(u64::try_from(row.try_get::<i64>("", "num_items")?).unwrap_or_default())
}

/// SeaORM has run nothing at all.
pub(super) fn unseen() -> DbErr {
    DbErr::Custom("sea-orm has built no statement for a cached query".to_owned())
}

impl<S: SelectorTrait<Item: 'static>> fmt::Debug for CachedQuery<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedQuery").field("result", &type_name::<S>()).field("wishes", &self.wishes).finish()
    }
}
