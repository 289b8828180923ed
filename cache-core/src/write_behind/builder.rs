//! Checks the settings of a write-behind and starts it.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use super::{
    Handle, WriteBehind,
    core::Core,
    entity::{self, WriteBehindEntity},
    flusher::Flusher,
    journal::{FileJournal, MemoryJournal},
    position,
    settings::{Backpressure, Settings, WriteBehindJournal, wrong},
};
use crate::{
    engine::blocking,
    error::{Error, ErrorKind},
    orm::{self, CachedConnection},
    ports::journal::Journal,
};

/// Settings of a [`WriteBehind`] to be. Every setter has a default, and `build()` names the setting that cannot work.
#[must_use = "nothing happens before build()"]
#[derive(Clone, Debug)]
pub struct WriteBehindBuilder<E: WriteBehindEntity> {
    db: CachedConnection,
    settings: Settings,
    around: Option<Around>,
    entity: PhantomData<fn() -> E>,
}

/// Makes a journal of the one that was chosen.
type Wrap = dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + Send + Sync;

/// Puts a journal around the journal.
#[derive(Clone)]
struct Around(Arc<Wrap>);

impl fmt::Debug for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Around")
    }
}

impl<E: WriteBehindEntity> WriteBehindBuilder<E> {
    pub(super) fn new(db: &CachedConnection) -> Self {
        Self { db: db.clone(), settings: Settings::new(E::default().table_name()), around: None, entity: PhantomData }
    }

    /// Names the journal. Processes that use the same name in the same Redis and namespace share it; for them all settings should be
    /// the same. Default: the table's name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Where accepted operations wait. Default: [`Redis`](WriteBehindJournal::Redis) if the cache has one, else
    /// [`Memory`](WriteBehindJournal::Memory), which loses what was not flushed when the process dies.
    pub fn journal(mut self, journal: WriteBehindJournal) -> Self {
        self.settings.journal = Some(journal);
        self
    }

    /// How many flushers work side by side, each on its share of the keys. A journal keeps the number it was made with. Default: 4.
    pub fn shards(mut self, shards: u32) -> Self {
        self.settings.shards = shards;
        self
    }

    /// Operations that are written in one transaction, at the most; that many start a flush. Default: 100.
    pub fn batch_size(mut self, operations: usize) -> Self {
        self.settings.batch_size = operations;
        self
    }

    /// How long an operation waits for others before it is written. Default: 1 second.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.settings.flush_interval = interval;
        self
    }

    /// Operations that the journal holds at the most; each shard holds its share. Default: 100,000.
    pub fn backlog_max(mut self, operations: u64) -> Self {
        self.settings.backlog_max = operations;
        self
    }

    /// What an operation does when the journal is full or cannot be reached. Default: waits up to 10 seconds.
    pub fn backpressure(mut self, backpressure: Backpressure) -> Self {
        self.settings.backpressure = backpressure;
        self
    }

    /// The shortest and the longest pause before a batch that failed is tried again; it doubles from one to the other, and half
    /// of it is random. Defaults: 50 ms and 5 seconds.
    pub fn retry(mut self, least: Duration, most: Duration) -> Self {
        self.settings.retry_min = least;
        self.settings.retry_max = most;
        self
    }

    /// How long one transaction may take before it is given up and looked into. Default: 30 seconds.
    pub fn write_deadline(mut self, deadline: Duration) -> Self {
        self.settings.write_deadline = deadline;
        self
    }

    /// How long [`flush`](WriteBehind::flush) and [`close`](WriteBehind::close) wait. Default: 30 seconds.
    pub fn flush_deadline(mut self, deadline: Duration) -> Self {
        self.settings.flush_deadline = deadline;
        self
    }

    /// How long a node that is not heard of any more stays the flusher of its shards. Default: 10 seconds.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// Dead letters that the journal holds at the most; each shard holds its share. A shard with more stands still until some are retried or
    /// dropped, rather than lose one. Default: 100,000.
    pub fn dead_letters_max(mut self, letters: u64) -> Self {
        self.settings.dead_letters_max = letters;
        self
    }

    /// Puts a journal around the one that was chosen. For the project's own tests; no promise is made about it.
    #[doc(hidden)]
    pub fn journal_inside(
        mut self,
        around: impl Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + Send + Sync + 'static,
    ) -> Self {
        self.around = Some(Around(Arc::new(around)));
        self
    }

    /// Starts it. Creates the table `cache_write_behind` if it is not there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`], naming the setting, or the entity if its rows cannot be told apart by a key that the application
    /// gives; [`ErrorKind::Database`] if the table cannot be made; the journal's own errors.
    pub async fn build(self) -> Result<WriteBehind<E>, Error> {
        entity::check::<E>()?;
        self.settings.check()?;
        orm::register::<E>();
        let cache = self.db.cache();
        let clock = cache.engine().clock();
        let (name, shards) = (&self.settings.name, self.settings.shards);
        let shared = || cache.engine().remote().journal(name, shards);
        let journal: Arc<dyn Journal> = match &self.settings.journal {
            Some(WriteBehindJournal::Memory) => Arc::new(MemoryJournal::new(name, shards, clock)),
            Some(WriteBehindJournal::Redis) => match shared() {
                Some(journal) => journal,
                None => return wrong("journal", "is Redis, but the cache was built without `.redis(..)`"),
            },
            Some(WriteBehindJournal::File { directory, fsync }) => {
                let (directory, fsync, name, clock) = (directory.clone(), *fsync, name.clone(), clock.clone());
                let opened = blocking(move || FileJournal::open(&directory, &name, shards, fsync, &clock)).await;
                Arc::new(opened.unwrap_or_else(|| Err(Error::new(ErrorKind::Closed, "the runtime has ended")))?)
            }
            None => shared().unwrap_or_else(|| Arc::new(MemoryJournal::new(name, shards, clock))),
        };
        let journal = match &self.around {
            Some(Around(wrap)) => wrap(journal),
            None => journal,
        };
        journal.open().await?;
        let inner = self.db.inner();
        position::create_write_behind_table(inner).await.map_err(|error| failed(&error))?;
        position::forget_abandoned(inner, clock.unix_ms()).await.map_err(|error| failed(&error))?;
        let core = Core::new(&self.db, journal, self.settings);
        #[cfg(feature = "metrics")]
        {
            let part: Arc<dyn crate::telemetry::meter::Published> = core.clone();
            cache.engine().publish_also(Arc::downgrade(&part));
        }
        for shard in core.shards() {
            if !core.spawn(Flusher::new(&core, shard).run()) {
                return Err(Error::new(ErrorKind::Closed, "the cache was closed"));
            }
        }
        Ok(WriteBehind(Arc::new(Handle(core))))
    }
}

fn failed(error: &sea_orm::DbErr) -> Error {
    Error::new(ErrorKind::Database, format!("cannot prepare the table cache_write_behind: {error}"))
}
