//! Finds the wrapper behind a connection of any type.
//!
//! A function that takes `&impl ConnectionTrait` may be handed a [`CachedConnection`](super::CachedConnection), a transaction, or a
//! user's own connection around one. Its type need not be `'static`, so no safe cast leads there; but it can be asked: one of the
//! trait's methods that has no other effect is called, while a question lies on this thread that the wrappers answer.

use std::cell::RefCell;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};

use super::CachedConnection;
use crate::{cache::Cache, engine::LoadScope, tag::Tag};

/// Where a connection leads.
pub(crate) enum Reached {
    /// To a cache.
    Cache {
        /// The cache.
        cache: Cache,
        /// The load that the connection was given to.
        scope: Option<LoadScope>,
    },
    /// Into a transaction, or to something that may be one.
    Inside {
        /// The cache, if one is known.
        cache: Option<Cache>,
        /// Whether nobody will hear of the commit.
        unseen: bool,
        /// What it is.
        why: &'static str,
    },
    /// Nowhere: no cache is installed.
    Nothing,
}

/// What answered.
pub(crate) enum Answer {
    /// A wrapped connection, and the load that it was given to.
    Connection(Cache, Option<LoadScope>),
    /// A wrapped transaction.
    Transaction(Cache),
}

struct Question {
    /// Handed to a transaction, if there is one.
    tags: Vec<Tag>,
    answer: Option<Answer>,
    /// Whether the wrapped connection itself is asked for.
    keep: bool,
    kept: Option<CachedConnection>,
    /// Whether each statement has to be allowed first: an answer from the cache would let somebody read what they may not.
    restricted: bool,
}

thread_local! {
    static QUESTION: RefCell<Option<Question>> = const { RefCell::new(None) };
}

/// Where a connection of any type leads: by its type, or by its own answer.
pub(crate) fn reach<C: ConnectionTrait + ?Sized>(db: &C) -> Reached {
    let id = typeid::of::<C>();
    if id == typeid::of::<DatabaseConnection>() {
        return Cache::installed().map_or(Reached::Nothing, |cache| Reached::Cache { cache, scope: None });
    }
    let question = put(db, Question::about(Vec::new()));
    match question.answer {
        Some(Answer::Connection(cache, _) | Answer::Transaction(cache)) if question.restricted => {
            Reached::Inside { cache: Some(cache), unseen: false, why: "each statement has to be allowed first" }
        }
        Some(Answer::Connection(cache, scope)) => Reached::Cache { cache, scope },
        Some(Answer::Transaction(cache)) => {
            Reached::Inside { cache: Some(cache), unseen: false, why: "in a transaction" }
        }
        None if id == typeid::of::<DatabaseTransaction>() => {
            Reached::Inside { cache: Cache::installed(), unseen: true, why: "in a transaction" }
        }
        // It may well be a transaction, whose reads must neither come from the cache nor go there.
        None => {
            Reached::Inside { cache: Cache::installed(), unseen: true, why: "the type of the connection is not known" }
        }
    }
}

/// What is behind `db`; `None` if it is not ours.
pub(crate) fn ask<C: ConnectionTrait + ?Sized>(db: &C) -> Option<Answer> {
    put(db, Question::about(Vec::new())).answer
}

/// The wrapped connection behind `db`, to be used after its caller has gone on: it tells no load of its reads.
pub(crate) fn connection<C: ConnectionTrait + ?Sized>(db: &C) -> Option<CachedConnection> {
    let question = put(db, Question { keep: true, ..Question::about(Vec::new()) });
    question.kept.filter(|_| !question.restricted)
}

/// Adds the tags to the transaction behind `db`. Returns them if there is none.
pub(crate) fn offer<C: ConnectionTrait + ?Sized>(db: &C, tags: Vec<Tag>) -> Vec<Tag> {
    put(db, Question::about(tags)).tags
}

impl Question {
    fn about(tags: Vec<Tag>) -> Self {
        Self { tags, answer: None, keep: false, kept: None, restricted: false }
    }
}

fn put<C: ConnectionTrait + ?Sized>(db: &C, question: Question) -> Question {
    let outer = QUESTION.replace(Some(question));
    let _whether_it_is_a_mock = db.is_mock_connection();
    QUESTION.replace(outer).unwrap_or_else(|| Question::about(Vec::new()))
}

/// Called by a connection with access control in `is_mock_connection`.
#[cfg(feature = "rbac")]
pub(super) fn is_restricted() {
    with_question(|question| question.restricted = true);
}

/// Called by a wrapped connection in `is_mock_connection`.
pub(super) fn answer_connection(connection: &CachedConnection) {
    with_question(|question| {
        question.answer = Some(Answer::Connection(connection.cache().clone(), connection.scope.clone()));
        if question.keep {
            question.kept = Some(CachedConnection { scope: None, ..connection.clone() });
        }
    });
}

/// Called by a wrapped transaction in `is_mock_connection`.
pub(super) fn answer_transaction(cache: &Cache, add: impl FnOnce(Vec<Tag>)) {
    with_question(|question| {
        question.answer = Some(Answer::Transaction(cache.clone()));
        let tags = std::mem::take(&mut question.tags);
        if !tags.is_empty() {
            add(tags);
        }
    });
}

fn with_question(answer: impl FnOnce(&mut Question)) {
    QUESTION.with_borrow_mut(|question| {
        if let Some(question) = question {
            answer(question);
        }
    });
}
