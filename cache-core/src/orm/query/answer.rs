//! Answers one statement from the cache.

use sea_orm::{ConnectionTrait, DbErr, Statement};

use super::again;
use crate::{
    cache::Cache,
    engine::{
        LoadScope,
        call::{Background, Deps, Function, Presence, Read, ShareError},
    },
    envelope::Wire,
    error::Error,
    key::{KeyText, encode_key},
    orm::{
        analysis::{Analysis, analyze},
        recognise::{self, Reached},
        row_entry::Row,
    },
    policy::PolicyOverride,
    tag::Tag,
};

/// How much of a statement a warning shows.
const EXCERPT_CHARS_MAX: usize = 120;

/// What a query may be asked for; each is a function of its own in events and figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// As it stands in keys.
    name: &'static str,
    pub(super) function: &'static Function,
}

static ONE_FUNCTION: Function = Function::new("sea_orm_cache", "query.one", 1, PolicyOverride::NONE);
static ALL_FUNCTION: Function = Function::new("sea_orm_cache", "query.all", 1, PolicyOverride::NONE);
static COUNT_FUNCTION: Function = Function::new("sea_orm_cache", "query.count", 1, PolicyOverride::NONE);

impl Kind {
    /// The first row.
    pub(super) const ONE: Self = Self { name: "one", function: &ONE_FUNCTION };
    /// Every row.
    pub(super) const ALL: Self = Self { name: "all", function: &ALL_FUNCTION };
    /// The number of rows.
    pub(super) const COUNT: Self = Self { name: "count", function: &COUNT_FUNCTION };
}

/// What the user has said of a query.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    pub(super) policy: PolicyOverride,
    /// Besides those of the statement.
    pub(super) tags: Vec<Tag>,
    /// In place of the statement.
    pub(super) key: Option<String>,
    /// Finds out whether the statement asks for a row that has an entry of its own.
    pub(super) row: Option<RowOf>,
}

/// The row entry that a statement asks for, of values with this schema.
pub(super) type RowOf = fn(&Statement, Option<u64>) -> Option<Row>;

impl Wishes {
    /// The row entry that answers the statement, if nothing is wished for that sets the query apart from it.
    pub(super) fn row(&self, statement: &Statement, schema: Option<u64>) -> Option<Row> {
        self.row.filter(|_| self.key.is_none() && self.tags.is_empty())?(statement, schema)
    }

    pub(super) fn new(policy: PolicyOverride) -> Self {
        Self { policy, tags: Vec::new(), key: None, row: None }
    }
}

/// One statement to be answered.
pub(super) struct Question<'a> {
    pub(super) kind: Kind,
    /// What tells apart results of different types, and rows that are read differently.
    pub(super) result: &'static str,
    pub(super) statement: Statement,
    pub(super) wishes: &'a Wishes,
}

/// The cache behind a connection, and the load that the connection was given to.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) cache: Cache,
    scope: Option<LoadScope>,
}

impl Reach {
    /// The cache that may answer for `db`; `None`, and counted, if the database has to.
    pub(super) fn of<C: ConnectionTrait>(db: &C, kind: Kind) -> Option<Self> {
        // Whoever wraps a connection may do so to refuse statements, as SeaORM's access control does.
        if cfg!(feature = "rbac")
            && ![typeid::of::<super::super::CachedConnection>(), typeid::of::<sea_orm::DatabaseConnection>()]
                .contains(&typeid::of::<C>())
        {
            return None;
        }
        match recognise::reach(db) {
            Reached::Cache { cache, scope } => Some(Self { cache, scope }),
            Reached::Inside { cache, why, .. } => {
                if let Some(cache) = cache {
                    cache.bypassed(kind.function, why);
                }
                None
            }
            Reached::Nothing => None,
        }
    }

    /// Runs `work` so that a load which the connection was given to hears of what it reads, wherever it runs.
    pub(super) async fn heard<F: Future>(&self, work: F) -> F::Output {
        match &self.scope {
            Some(scope) if LoadScope::current().is_none() => scope.run(work).await,
            _ => work.await,
        }
    }
}

impl Question<'_> {
    /// Answers from the cache, or with what `load` makes of the statement; `again` does the same on another connection.
    pub(super) async fn answer<T, C, L, Fut>(
        self,
        db: &C,
        reach: &Reach,
        wire: Option<&'static Wire<T>>,
        presence: fn(&T) -> Presence,
        again: again::Load<'_, T>,
        load: L,
    ) -> Result<T, DbErr>
    where
        T: Clone + Send + Sync + 'static,
        C: ConnectionTrait,
        L: FnOnce(Statement) -> Fut,
        Fut: Future<Output = Result<T, DbErr>>,
    {
        let cache = &reach.cache;
        let analysis = analyze(self.statement.db_backend, &self.statement.sql);
        let key = match self.key(&analysis) {
            Ok(key) if !analysis.is_write() => key,
            Ok(_) => {
                cache.bypassed(self.kind.function, "the statement writes");
                return load(self.statement).await;
            }
            Err(_) => {
                cache.bypassed(self.kind.function, "the statement cannot be made a key");
                return load(self.statement).await;
            }
        };
        let background = || again::query(&self, (&key, &analysis), (wire, presence), db, again);
        let background: Background<'_> = &background;
        let background = Some(background).filter(|_| again::can_be_kept::<C>());
        let read = Read { background, ..self.read(&key, wire, presence) };
        let statement = self.statement.clone();
        let prepare = || {
            let (deps, opaque) = self.deps(cache, &analysis);
            let loader = move |scope: LoadScope| {
                if opaque {
                    scope.opaque();
                }
                load(statement)
            };
            (deps, loader)
        };
        reach.heard(cache.engine().read(&read, prepare)).await
    }

    /// The read that this is to the engine.
    pub(super) fn read<'a, T>(
        &'a self,
        key: &'a KeyText,
        wire: Option<&'static Wire<T>>,
        presence: fn(&T) -> Presence,
    ) -> Read<'a, T, DbErr> {
        Read {
            policy: &self.wishes.policy,
            presence,
            share_error: Some(ShareError::by_clone()),
            ..Read::new(self.kind.function, key, wire)
        }
    }

    /// `query:user:one:` and what tells this statement from every other; or the user's own words.
    pub(super) fn key(&self, analysis: &Analysis) -> Result<KeyText, Error> {
        let Self { kind, result, statement, wishes } = self;
        if let Some(own) = &wishes.key {
            return encode_key(&format!("query={}:", kind.name), &(own,));
        }
        let prefix = format!("query:{}:{}:", analysis.a_table().unwrap_or_default(), kind.name);
        // `Debug` of a value names its type, and escapes what is text.
        let values = statement.values.as_ref().map(|values| format!("{:?}", values.0));
        encode_key(&prefix, &(kind.name, result, &statement.sql, values))
    }

    /// What the answer depends on, and whether there is more that nobody can name.
    pub(super) fn deps(&self, cache: &Cache, analysis: &Analysis) -> (Deps, bool) {
        let read = analysis.read(self.statement.values.as_ref());
        let named = !self.wishes.tags.is_empty();
        let opaque = read.opaque.filter(|_| !named);
        let mut deps = if opaque.is_some() { Deps::auto() } else { Deps::new() };
        read.tags.into_iter().for_each(|tag| deps.push(tag));
        // One row was asked for by its key: if it is there, another cannot come.
        let alone = read.rows_if_all_found == 1 && self.kind.name == Kind::ONE.name;
        for tag in read.births {
            if alone { deps.push_if_absent(tag) } else { deps.push(tag) }
        }
        self.wishes.tags.iter().for_each(|tag| deps.push(tag.clone()));
        if let Some(why) = opaque {
            let excerpt: String = self.statement.sql.chars().take(EXCERPT_CHARS_MAX).collect();
            cache.engine().warn_once(&format!(
                "a cached query is not stored, because it reads {why} (register what it reads, or name tags): {excerpt}"
            ));
        }
        (deps, opaque.is_some())
    }
}
