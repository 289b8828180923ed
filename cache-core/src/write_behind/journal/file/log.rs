//! The file itself: opened once, appended to, rewritten when most of it is of no use any more.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::format::{self, Event, MAGIC};
use crate::{
    clock::{Clock, Moment},
    error::{Error, ErrorKind},
    write_behind::settings::Fsync,
};

const FILE: &str = "journal";
const LOCK: &str = "lock";

/// An open journal file, which no other process has open.
pub(super) struct Log {
    directory: PathBuf,
    file: File,
    /// Held as long as the file is open; the operating system gives it back with the process, however that ends.
    _lock: File,
    bytes: u64,
    fsync: Fsync,
    clock: Clock,
    synced: Moment,
    dirty: bool,
    /// What was written last could not be taken back: nobody knows what the file holds.
    broken: bool,
}

impl Log {
    /// Opens the file, and reads the events in it. What a crash has left of the last write is cut off.
    pub(super) fn open(directory: &Path, fsync: Fsync, clock: &Clock) -> Result<(Self, Vec<Event>), Error> {
        let failed = |error: io::Error| failed("open", error);
        fs::create_dir_all(directory).map_err(failed)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(directory.join(LOCK)).map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(Error::new(
                ErrorKind::Setting,
                format!(
                    "journal: the directory {} is used by another process, or twice by this one",
                    directory.display()
                ),
            ));
        }
        let mut file =
            OpenOptions::new().create(true).read(true).append(true).open(directory.join(FILE)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (events, sound) = read(&bytes, directory)?;
        if sound < bytes.len() {
            let cut = bytes.get(sound..).unwrap_or_default();
            tracing::warn!(directory = %directory.display(), bytes = cut.len(), "the journal's end was not whole");
            // A write that was never confirmed; kept, since it may also be what a failing disk has made of a confirmed one.
            fs::write(directory.join("journal.cut"), cut).map_err(failed)?;
            file.set_len(sound as u64).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        let log = Self {
            directory: directory.to_owned(),
            file,
            _lock: lock,
            bytes: sound as u64,
            fsync,
            clock: clock.clone(),
            synced: clock.now(),
            dirty: false,
            broken: false,
        };
        Ok((log, events))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends events. They are in the file when this returns, or none of them is; `matters` says whether they are to be on the disk
    /// as well.
    pub(super) fn append(&mut self, events: &[Event], matters: bool) -> Result<(), Error> {
        if self.broken {
            return Err(Error::new(
                ErrorKind::Journal,
                "the journal's file could not be repaired after a failed write",
            ));
        }
        let mut bytes = Vec::new();
        events.iter().for_each(|event| format::write(&mut bytes, event));
        let written = self.file.write_all(&bytes).and_then(|()| {
            self.dirty = true;
            if matters { self.sync_if_due() } else { Ok(()) }
        });
        match written {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.broken = self.file.set_len(self.bytes).and_then(|()| self.file.sync_all()).is_err();
                Err(failed("write", error))
            }
        }
    }

    /// Brings to the disk what has waited long enough, though nothing follows it.
    pub(super) fn sync_late(&mut self) -> Result<(), Error> {
        self.sync_if_due().map_err(|error| failed("sync", error))
    }

    fn sync_if_due(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let due = match self.fsync {
            Fsync::Always => true,
            Fsync::Interval(interval) => now.since(self.synced) >= interval,
            Fsync::Never => false,
        };
        if due && self.dirty {
            self.file.sync_data()?;
            self.synced = now;
            self.dirty = false;
        }
        Ok(())
    }

    /// Replaces the file by one with these events.
    pub(super) fn rewrite(&mut self, events: &[Event]) -> Result<(), Error> {
        let failed = |error| failed("rewrite", error);
        let mut bytes = MAGIC.to_vec();
        events.iter().for_each(|event| format::write(&mut bytes, event));
        let next = self.directory.join("journal.next");
        let mut file = File::create(&next).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&next, self.directory.join(FILE)).map_err(failed)?;
        // The directory as well, or a power cut may bring the old file back.
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        self.file = OpenOptions::new().append(true).open(self.directory.join(FILE)).map_err(failed)?;
        self.bytes = bytes.len() as u64;
        (self.synced, self.dirty, self.broken) = (self.clock.now(), false, false);
        Ok(())
    }
}

/// The events, and how many bytes are sound.
fn read(bytes: &[u8], directory: &Path) -> Result<(Vec<Event>, usize), Error> {
    if bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes) {
        return Ok((Vec::new(), 0));
    }
    let Some(mut rest) = bytes.strip_prefix(MAGIC.as_slice()) else {
        return Err(Error::new(
            ErrorKind::Setting,
            format!("journal: the directory {} holds a file `{FILE}` that is something else", directory.display()),
        ));
    };
    let mut events = Vec::new();
    while let Some((event, after)) = format::read(rest) {
        events.push(event);
        rest = after;
    }
    Ok((events, bytes.len() - rest.len()))
}

fn failed(action: &str, error: io::Error) -> Error {
    Error::with_source(ErrorKind::Journal, format!("cannot {action} the journal's file"), error)
}
