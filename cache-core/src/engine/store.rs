//! Sends entries to the remote tier, and lets go of whoever waits for that.

use std::{sync::Arc, time::Duration};

use smallvec::SmallVec;

use crate::{
    engine::{
        Engine,
        call::Read,
        entry::{Entry, StoredEntry},
        flight::Outcome,
        load::Lead,
        lock::LoadLock,
        lookup::KEYS_PER_TRIP_MAX,
    },
    envelope::{Header, Wire},
    event::FillRefusal,
    policy::Policy,
    ports::StoreRequest,
};

/// An entry on its way to the remote tier.
pub(crate) struct Parcel<'a> {
    pub(crate) key: &'a str,
    /// What is stored there, if anything.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) ttl: Duration,
    /// Callers who wait until it has arrived, and what they get.
    pub(crate) lead: Option<(Lead<'a>, Arc<StoredEntry>)>,
    pub(crate) lock: Option<LoadLock>,
}

impl Engine {
    /// Stores entries in the remote tier, as many in one round trip as may be, and gives back their load locks. What it refuses, process
    /// memory may still have.
    pub(crate) async fn ship(&self, parcels: &mut [Parcel<'_>]) {
        for some in parcels.chunks_mut(KEYS_PER_TRIP_MAX) {
            let requests: SmallVec<[StoreRequest<'_>; 1]> = some.iter().filter_map(Parcel::request).collect();
            let stored = if requests.is_empty() { Ok(()) } else { self.remote.store(&requests).await };
            drop(requests);
            if let Err(error) = &stored {
                self.remote_failed("store an entry", error);
            }
            for parcel in some {
                parcel.arrive(stored.is_ok()).await;
            }
        }
    }

    /// The bytes of an entry, if the remote tier is to have it.
    ///
    /// # Errors
    ///
    /// If the entry is to be stored nowhere.
    pub(super) fn payload<T: 'static, E>(
        &self,
        read: &Read<'_, T, E>,
        policy: &Policy,
        entry: &Entry<T>,
        to_remote: bool,
    ) -> Result<Option<Vec<u8>>, FillRefusal> {
        match read.wire.filter(|_| to_remote) {
            Some(wire) => self.encode(read, wire, policy, entry).map(Some),
            None if self.value_bytes(read, &entry.value) > self.settings.payload_bytes_max => Err(self.too_large(read)),
            None => Ok(None),
        }
    }

    fn too_large<T: 'static, E>(&self, read: &Read<'_, T, E>) -> FillRefusal {
        self.warn_once(&format!(
            "values of {:?} exceed payload_bytes_max = {}: they are not stored",
            read.function.name(),
            self.settings.payload_bytes_max
        ));
        FillRefusal::TooLarge
    }

    fn encode<T: 'static, E>(
        &self,
        read: &Read<'_, T, E>,
        wire: &Wire<T>,
        policy: &Policy,
        entry: &Entry<T>,
    ) -> Result<Vec<u8>, FillRefusal> {
        let created = self.clock.unix_ms();
        let ttl = entry.meta.expires.since(entry.meta.created);
        let header = Header {
            codec: policy.codec,
            schema: self.schema_of(read, wire),
            created_unix_ms: created,
            expires_unix_ms: created.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            load_cost: entry.meta.load_cost,
            negative: entry.meta.negative,
            tags: entry.meta.tags().into(),
        };
        match (wire.encode)(&header, &entry.value, self.settings.compression) {
            Ok(bytes) if bytes.len() <= self.settings.payload_bytes_max => Ok(bytes),
            Ok(_) => Err(self.too_large(read)),
            Err(error) => {
                self.warn_once(&format!("values of {:?} cannot be encoded: {error}", read.function.name()));
                Err(FillRefusal::Encode)
            }
        }
    }
}

impl Parcel<'_> {
    fn request(&self) -> Option<StoreRequest<'_>> {
        let bytes = self.bytes.as_deref()?;
        Some(StoreRequest { key: self.key, bytes, ttl: self.ttl, unlock: self.lock.as_ref().map(LoadLock::token) })
    }

    async fn arrive(&mut self, stored: bool) {
        if let Some((lead, entry)) = self.lead.take() {
            lead.finish(Outcome::Value(entry));
        }
        match self.lock.take() {
            Some(lock) if self.bytes.is_none() => lock.give_back().await,
            Some(lock) if stored => lock.given_back(),
            // Given back in the background: the tier has just failed.
            _ => {}
        }
    }
}
