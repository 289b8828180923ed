//! What `#[cache_hooks]` does before and after SeaORM's own hooks.
//!
//! A `CachedConnection` and a `CachedTransaction` see the statement itself, so that nothing is left to do for them. With a plain
//! connection the hooks go through the installed default cache: the tags are pending from `before_*` to `after_*`, or for
//! `hook_lease` if that never comes. Nobody can see the commit of a plain transaction (or of a type that is not known): its tags
//! stay pending for `hook_lease` from the hook before the statement. There is no outbox for hooks.

use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, Delete,
    EntityTrait, Insert, Iterable, ModelTrait, PrimaryKeyToColumn, QueryTrait, Statement, Update, Value,
};

use super::{
    deps,
    hook_pairs::{self, HookKey, Operation},
    observe::{Effect, Observed},
    recognise, registry,
};
use crate::{cache::Cache, error::Error, tag::Tag};

/// What kind of connection a hook was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    /// It sees the statement itself.
    Wrapper,
    /// The statement is committed when it is done.
    Connection,
    /// The commit comes later, and nobody sees it.
    Transaction,
}

/// To be called with what is about to be saved, after the user's own `before_save`.
///
/// # Errors
///
/// A refusal with [`WhenRemoteIsDown::Refuse`](crate::WhenRemoteIsDown::Refuse), if the remote tier is down.
pub async fn before_save<A, C>(model: &A, db: &C, insert: bool) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    registry::register::<A::Entity>();
    let Some((cache, handed)) = concerned(db) else { return Ok(()) };
    let statement = if insert { insert_of(model, db) } else { update_of(model, db) };
    // SeaORM is about to report the same fault of the model.
    let Some(statement) = statement else { return Ok(()) };
    let key = HookKey::new::<A::Entity>(Operation::Save, key_of(model));
    before(&cache, handed, key, tags_of(&cache, &statement)).await
}

/// To be called with what was saved.
///
/// # Errors
///
/// None so far; a future version may refuse here as well.
pub async fn after_save<A, C>(model: &<A::Entity as EntityTrait>::Model, db: &C, _insert: bool) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    let key = HookKey::new::<A::Entity>(Operation::Save, Some(key_of_model::<A>(model)));
    after::<A::Entity, _>(db, key).await;
    Ok(())
}

/// To be called with what is about to be deleted, after the user's own `before_delete`.
///
/// # Errors
///
/// A refusal with [`WhenRemoteIsDown::Refuse`](crate::WhenRemoteIsDown::Refuse), if the remote tier is down.
pub async fn before_delete<A, C>(model: &A, db: &C) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    registry::register::<A::Entity>();
    let Some((cache, handed)) = concerned(db) else { return Ok(()) };
    let Some(statement) = delete_of(model, db) else { return Ok(()) };
    let key = HookKey::new::<A::Entity>(Operation::Delete, key_of(model));
    before(&cache, handed, key, tags_of(&cache, &statement)).await
}

/// To be called with what was deleted.
///
/// # Errors
///
/// None so far; a future version may refuse here as well.
pub async fn after_delete<A, C>(model: &A, db: &C) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    after::<A::Entity, _>(db, HookKey::new::<A::Entity>(Operation::Delete, key_of(model))).await;
    Ok(())
}

async fn before(cache: &Cache, handed: Handed, key: HookKey, tags: Vec<Tag>) -> Result<(), DbErr> {
    let engine = cache.engine();
    let begun = match handed {
        Handed::Connection => hook_pairs::begin(engine, key, tags).await,
        Handed::Transaction => engine.pend(tags, engine.settings().hook_lease).await,
        Handed::Wrapper => return Ok(()),
    };
    begun.map_err(|error| refused(&error))
}

/// A plain transaction's tags have been pending since `before_*`, so that only a connection's are ended here. Of a statement
/// that took longer than `hook_lease` they were given up while it ran, and whatever was filled meanwhile may be stale.
async fn after<E: EntityTrait, C: ConnectionTrait>(db: &C, key: HookKey) {
    if handed(db) == Handed::Connection
        && !hook_pairs::end(key).await
        && let Some(cache) = Cache::installed()
    {
        let _outcome = cache.invalidate(deps::table_tags::<E>()).await;
    }
}

fn concerned<C: ConnectionTrait>(db: &C) -> Option<(Cache, Handed)> {
    let handed = handed(db);
    if handed == Handed::Wrapper { None } else { Cache::installed().map(|cache| (cache, handed)) }
}

/// `C` need not be `'static`, so that its type is compared without its lifetimes.
fn handed<C: ConnectionTrait>(db: &C) -> Handed {
    let id = typeid::of::<C>();
    if id == typeid::of::<DatabaseConnection>() {
        Handed::Connection
    } else if id != typeid::of::<DatabaseTransaction>() && recognise::ask(db).is_some() {
        Handed::Wrapper
    } else {
        Handed::Transaction
    }
}

fn refused(error: &Error) -> DbErr {
    DbErr::Custom(format!("the write was refused, because its invalidation cannot reach the remote tier: {error}"))
}

/// What the statement that SeaORM is about to run makes stale. The rows are not looked at.
fn tags_of(cache: &Cache, statement: &Statement) -> Vec<Tag> {
    match Observed::statement(statement, false).effect(cache) {
        Effect::Read(_) => Vec::new(),
        Effect::Write(plan) => plan.without_look().tags,
    }
}

fn insert_of<A: ActiveModelTrait, C: ConnectionTrait>(model: &A, db: &C) -> Option<Statement> {
    Some(Insert::<A>::one(model.clone()).build(db.get_database_backend()))
}

fn update_of<A: ActiveModelTrait, C: ConnectionTrait>(model: &A, db: &C) -> Option<Statement> {
    let update = Update::one(model.clone()).validate().ok()?;
    Some(update.build(db.get_database_backend()))
}

fn delete_of<A: ActiveModelTrait, C: ConnectionTrait>(model: &A, db: &C) -> Option<Statement> {
    let delete = Delete::one(model.clone()).validate().ok()?;
    Some(delete.build(db.get_database_backend()))
}

/// The primary key, if all of it is known.
fn key_of<A: ActiveModelTrait>(model: &A) -> Option<Vec<Value>> {
    <A::Entity as EntityTrait>::PrimaryKey::iter()
        .map(|column| match model.get(column.into_column()) {
            ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Some(value),
            ActiveValue::NotSet => None,
        })
        .collect()
}

fn key_of_model<A: ActiveModelTrait>(model: &<A::Entity as EntityTrait>::Model) -> Vec<Value> {
    <A::Entity as EntityTrait>::PrimaryKey::iter().map(|column| model.get(column.into_column())).collect()
}

#[cfg(test)]
mod tests;
