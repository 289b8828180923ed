//! Runs a query again in the background, after its caller has gone on.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::answer::Question;
use crate::{
    engine::{LoadScope, call::Presence},
    envelope::Wire,
    key::KeyText,
    orm::{CachedConnection, analysis::Analysis, recognise, row_entry::Row},
    policy::PolicyOverride,
};

/// Loads what the statement asks for, on a connection of its own.
pub(super) type Load<'a, T> =
    &'a (dyn Fn(CachedConnection, Statement) -> BoxFuture<'static, Result<T, DbErr>> + Send + Sync);

/// Whether a connection of this type can be kept. One around it may choose what it runs, and where.
pub(super) fn can_be_kept<C: ConnectionTrait>() -> bool {
    typeid::of::<C>() == typeid::of::<CachedConnection>()
}

/// How a query's values become bytes, and what they say about their rows.
pub(super) type How<T> = (Option<&'static Wire<T>>, fn(&T) -> Presence);

/// The refresh of a query's entry. Nothing, if the connection cannot be kept.
pub(super) fn query<T, C>(
    question: &Question<'_>,
    of: (&KeyText, &Arc<Analysis>),
    how: How<T>,
    db: &C,
    load: Load<'_, T>,
) -> BoxFuture<'static, ()>
where
    T: Clone + Send + Sync + 'static,
    C: ConnectionTrait,
{
    let Some(connection) = recognise::connection(db) else { return nothing() };
    let (key, analysis, wishes) = (of.0.clone(), Arc::clone(of.1), question.wishes.clone());
    let (kind, result, statement) = (question.kind, question.result, question.statement.clone());
    let (wire, presence) = how;
    let cache = connection.cache().clone();
    let loading = load(connection, statement.clone());
    Box::pin(async move {
        let question = Question { kind, result, statement, wishes: &wishes };
        let (deps, opaque) = question.deps(&cache, &analysis);
        let read = question.read(&key, wire, presence);
        let loader = move |scope: LoadScope| {
            if opaque {
                scope.opaque();
            }
            loading
        };
        cache.engine().refresh_once(&read, || deps, loader).await;
    })
}

/// The refresh of a row's own entry. Nothing, if the connection cannot be kept.
pub(super) fn row<M, C>(
    row: &Row,
    statement: &Statement,
    policy: PolicyOverride,
    wire: Option<&'static Wire<Option<M>>>,
    db: &C,
    load: Load<'_, Option<M>>,
) -> BoxFuture<'static, ()>
where
    M: Clone + Send + Sync + 'static,
    C: ConnectionTrait,
{
    let Some(connection) = recognise::connection(db) else { return nothing() };
    let cache = connection.cache().clone();
    let (row, loading) = (row.clone(), load(connection, statement.clone()));
    Box::pin(async move {
        cache.engine().refresh_once(&row.read(&policy, wire), || row.deps(), move |_| loading).await;
    })
}

fn nothing() -> BoxFuture<'static, ()> {
    Box::pin(async {})
}
