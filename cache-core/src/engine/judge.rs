//! Judges entries at hand: whether their tags still have the versions that they record.

use std::{sync::Arc, time::Duration};

use foldhash::HashMap;

use crate::{
    engine::{
        Engine,
        call::Read,
        cells::Cell,
        entry::{Entry, Meta, Recorded, StoredEntry},
        lookup::{Lookup, Sought, cells_of},
        refresh,
    },
    envelope::{Envelope, Header, Wire},
    error::Error,
    event::Event,
    policy::{Policy, TierChoice},
    ports::TagState,
};

/// The states of tags, as found out during one read, by the address of the cell, which is held for as long.
#[derive(Default)]
pub(super) struct Known(HashMap<usize, (Arc<Cell>, TagState)>);

impl Known {
    pub(super) fn state(&self, cell: &Arc<Cell>) -> Option<TagState> {
        self.0.get(&Arc::as_ptr(cell).addr()).map(|(_, state)| *state)
    }

    pub(super) fn learn(&mut self, cell: Arc<Cell>, state: TagState) {
        self.0.insert(Arc::as_ptr(&cell).addr(), (cell, state));
    }
}

/// An entry at hand that may lack the proof that its tags still have their versions.
pub(super) enum Candidate {
    Copy(Arc<StoredEntry>),
    Bytes { bytes: Vec<u8>, removals: u64 },
}

/// What a candidate turns out to be.
pub(super) enum Judged {
    Valid(Arc<StoredEntry>),
    Invalid,
    /// These cells decide.
    Unproven(Vec<Arc<Cell>>),
}

impl Engine {
    /// Whether the tags of an entry at hand have the versions that it records. Bytes that nobody can read are removed.
    pub(super) async fn judge<T, E>(&self, one: &Sought<'_, '_, T, E>, candidate: &Candidate, known: &Known) -> Judged
    where
        T: Send + Sync + 'static,
    {
        match candidate {
            Candidate::Copy(entry) => match one.how.proof(known, &entry.meta.deps) {
                Some(true) => Judged::Valid(Arc::clone(entry)),
                Some(false) => Judged::Invalid,
                None => Judged::Unproven(cells_of(&entry.meta)),
            },
            Candidate::Bytes { bytes, removals } => match self.open(one, bytes, known) {
                Ok(Judged::Valid(entry)) => {
                    if one.how.policy.tier == TierChoice::Both {
                        let value_bytes = self.bytes_of(one.read, &entry);
                        self.keep_local(one.read.key, &entry, one.how.policy, value_bytes, *removals);
                    }
                    Judged::Valid(entry)
                }
                Ok(judged) => judged,
                Err(error) => {
                    self.poisoned(one.read.key, &error).await;
                    Judged::Invalid
                }
            },
        }
    }

    /// Reads the bytes.
    ///
    /// # Errors
    ///
    /// If they are not ours to understand.
    fn open<T, E>(&self, one: &Sought<'_, '_, T, E>, bytes: &[u8], known: &Known) -> Result<Judged, Error>
    where
        T: Send + Sync + 'static,
    {
        let (read, how) = (one.read, one.how);
        let Some(wire) = read.wire else { return Ok(Judged::Invalid) };
        let envelope = Envelope::parse(bytes)?;
        let header = envelope.header();
        let (now, grace) = (self.clock.unix_ms(), millis(how.policy.grace()));
        if header.expires_unix_ms.saturating_add(grace) <= now || header.schema != self.schema_of(read, wire) {
            return Ok(Judged::Invalid);
        }
        let deps: Box<[Recorded]> = header
            .tags
            .iter()
            .map(|(tag, version)| Recorded { cell: self.cells.cell(tag), version: *version })
            .collect();
        match how.proof(known, &deps) {
            Some(true) => {}
            Some(false) => return Ok(Judged::Invalid),
            None => return Ok(Judged::Unproven(deps.iter().map(|dep| Arc::clone(&dep.cell)).collect())),
        }
        let meta = self.meta_of(read, how.policy, header, deps);
        Ok(Judged::Valid(Arc::new(Entry { meta, value: (wire.decode)(&envelope)? })))
    }

    fn meta_of<T, E>(
        &self,
        read: &Read<'_, T, E>,
        policy: &Policy,
        header: &Header<'_>,
        deps: Box<[Recorded]>,
    ) -> Meta {
        let (now, unix) = (self.clock.now(), self.clock.unix_ms());
        let born = now.before(Duration::from_millis(unix.saturating_sub(header.created_unix_ms)));
        let left = Duration::from_millis(header.expires_unix_ms.saturating_sub(unix));
        let overdue = Duration::from_millis(unix.saturating_sub(header.expires_unix_ms));
        let expires = now.after(left).before(overdue);
        let ahead_from = refresh::ahead_from(policy, born, expires);
        Meta {
            function: read.function,
            counters: self.figures.of(read.function),
            deps,
            created: now,
            expires,
            load_cost: header.load_cost,
            negative: header.negative,
            complete: true,
            ahead_from,
            refresh_from: ahead_from.min(refresh::xfetch_from(policy, born, expires, header.load_cost)),
            degraded: None,
            in_front: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// What a stored value must have been made by: this type, by this function.
    pub(crate) fn schema_of<T, E>(&self, read: &Read<'_, T, E>, wire: &Wire<T>) -> u64 {
        (wire.schema)() ^ read.function.identity()
    }

    async fn poisoned(&self, key: &str, error: &Error) {
        self.counters.poisoned.up();
        tracing::warn!(key, error = %error, "unreadable entry removed");
        self.tell(&Event::Poisoned { key, error });
        if let Err(error) = self.remote.remove(&[key]).await {
            self.remote_failed("remove an unreadable entry", &error);
        }
    }
}

impl Lookup<'_> {
    /// Whether the recorded versions are the current ones; `None` if that is not known of all.
    fn proof(self, known: &Known, deps: &[Recorded]) -> Option<bool> {
        let mut all = Some(true);
        for dep in deps {
            let version = self.trust_cells.then(|| dep.cell.version()).filter(|version| *version != 0);
            let valid = match known.state(&dep.cell) {
                Some(state) => state == TagState::Version(dep.version),
                None => match version {
                    Some(version) => version == dep.version,
                    None => {
                        all = None;
                        continue;
                    }
                },
            };
            if !valid {
                return Some(false);
            }
        }
        all
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
