//! The settings of write-behind.

use std::{path::PathBuf, time::Duration};

use crate::error::{Error, ErrorKind};

/// Where accepted operations wait for the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteBehindJournal {
    /// In the cache's Redis: a stream per shard. Survives the death of any process; other nodes see what is pending and take over
    /// flushing. As durable as that Redis is: without `appendonly yes` a Redis that dies forgets what it has accepted.
    Redis,
    /// In this process. An operation that was accepted and not yet flushed is **lost** when the process ends without
    /// [`close`](crate::WriteBehind::close).
    Memory,
    /// In a file of this process: survives its death, and with [`Fsync::Always`] that of the machine.
    File {
        /// The directory, made if it is not there. One process at a time may use it.
        directory: PathBuf,
        /// When the file is brought to the disk.
        fsync: Fsync,
    },
}

/// When a journal's file is brought to the disk. Operations accepted together share one `fsync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fsync {
    /// Before an operation is accepted: survives a power cut.
    Always,
    /// When this much time has passed since the last: a power cut loses at most what was accepted within it, or within
    /// `flush_interval` if that is longer.
    Interval(Duration),
    /// When the operating system likes: survives the death of the process, and not that of the machine.
    Never,
}

/// What an operation does when the journal is full, or cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backpressure {
    /// Waits for room, at most this long; then it fails.
    Wait(Duration),
    /// Fails at once.
    Fail,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) journal: Option<WriteBehindJournal>,
    pub(super) shards: u32,
    pub(super) batch_size: usize,
    pub(super) flush_interval: Duration,
    pub(super) backlog_max: u64,
    pub(super) backpressure: Backpressure,
    pub(super) retry_min: Duration,
    pub(super) retry_max: Duration,
    pub(super) write_deadline: Duration,
    pub(super) flush_deadline: Duration,
    pub(super) lease: Duration,
    pub(super) dead_letters_max: u64,
}

impl Settings {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            journal: None,
            shards: 4,
            batch_size: 100,
            flush_interval: Duration::from_secs(1),
            backlog_max: 100_000,
            backpressure: Backpressure::Wait(Duration::from_secs(10)),
            retry_min: Duration::from_millis(50),
            retry_max: Duration::from_secs(5),
            write_deadline: Duration::from_secs(30),
            flush_deadline: Duration::from_secs(30),
            lease: Duration::from_secs(10),
            dead_letters_max: 100_000,
        }
    }

    /// What each shard may hold of what all may hold.
    pub(super) fn backlog_per_shard(&self) -> u64 {
        self.backlog_max.div_ceil(u64::from(self.shards.max(1)))
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let (ms, hour) = (Duration::from_millis, Duration::from_secs(3_600));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(plain) {
            return wrong("name", format!("is {:?}; it takes 1 to 64 of A-Z a-z 0-9 - _ .", self.name));
        }
        number("shards", self.shards.into(), 1, 256)?;
        number("batch_size", self.batch_size as u64, 1, 10_000)?;
        number("backlog_max", self.backlog_max, self.shards.into(), 1 << 40)?;
        number("dead_letters_max", self.dead_letters_max, 1, 1 << 40)?;
        span("flush_interval", self.flush_interval, ms(1), hour)?;
        span("retry (least)", self.retry_min, ms(1), hour)?;
        span("retry (most)", self.retry_max, self.retry_min, hour)?;
        span("write_deadline", self.write_deadline, ms(10), hour)?;
        span("flush_deadline", self.flush_deadline, ms(1), hour * 24)?;
        span("lease", self.lease, ms(100), hour)?;
        if let Backpressure::Wait(most) = self.backpressure {
            span("backpressure", most, ms(1), hour)?;
        }
        match &self.journal {
            Some(WriteBehindJournal::File { fsync: Fsync::Interval(interval), .. }) => {
                span("journal: fsync interval", *interval, ms(1), hour)
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn wrong<T>(name: &str, why: impl AsRef<str>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Setting, format!("{name}: {}", why.as_ref())))
}

fn span(name: &str, span: Duration, least: Duration, most: Duration) -> Result<(), Error> {
    if span < least || span > most {
        return wrong(name, format!("is {span:?}; it takes {least:?} to {most:?}"));
    }
    Ok(())
}

fn number(name: &str, number: u64, least: u64, most: u64) -> Result<(), Error> {
    if number < least || number > most {
        return wrong(name, format!("is {number}; it takes {least} to {most}"));
    }
    Ok(())
}
