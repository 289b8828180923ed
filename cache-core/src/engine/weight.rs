//! How many bytes of process memory an entry takes.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

use crate::engine::{
    Engine,
    call::Read,
    cells::Cell,
    entry::{Meta, Recorded, StoredEntry},
};

type Weigh = Arc<dyn Fn(&dyn Any) -> Option<usize> + Send + Sync>;

/// What the user has said about the size of values, by their type.
#[derive(Clone, Default)]
pub(crate) struct Weighers(HashMap<TypeId, Weigh>);

impl Weighers {
    pub(crate) fn add<T: 'static>(&mut self, weigh: impl Fn(&T) -> usize + Send + Sync + 'static) {
        let weigh = move |value: &dyn Any| value.downcast_ref::<T>().map(&weigh);
        self.0.insert(TypeId::of::<T>(), Arc::new(weigh));
    }

    fn weigh<T: 'static>(&self, value: &T) -> Option<usize> {
        self.0.get(&TypeId::of::<T>()).and_then(|weigh| weigh(value))
    }
}

impl fmt::Debug for Weighers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weighers").field("types", &self.0.len()).finish()
    }
}

/// What an entry takes besides its key, its tags and its value, and each tag besides what is declared here: places in tables and queues, and
/// what the allocator rounds up. With moka 0.12 on 64-bit Linux a process grew by 650 bytes for each entry of an 8-byte value that shares its
/// one tag with all others, and by 945 where each had a tag of its own besides.
const ENTRY_BYTES: usize = 320;
const TAG_BYTES: usize = 128;

impl Engine {
    /// The bytes of a value, besides those of its type itself: what the user's weigher says, or else an estimate. 0 where the capacity
    /// counts entries.
    pub(crate) fn value_bytes<T: 'static, E>(&self, read: &Read<'_, T, E>, value: &T) -> usize {
        if !self.local.counts_bytes() {
            return 0;
        }
        if let Some(bytes) = self.weighers.weigh(value) {
            return bytes;
        }
        if let Some(wire) = read.wire {
            return (wire.footprint)(value);
        }
        if std::mem::needs_drop::<T>() {
            self.warn_once(&format!(
                "values of {:?} weigh {} bytes each, whatever they hold: nothing can walk over a type without serde's traits; \
                 name a weigher for `{}`",
                read.function.name(),
                size_of::<T>(),
                std::any::type_name::<T>(),
            ));
        }
        0
    }

    /// As [`value_bytes`](Self::value_bytes), of an entry that holds a `T`.
    pub(crate) fn bytes_of<T: 'static, E>(&self, read: &Read<'_, T, E>, entry: &StoredEntry) -> usize {
        entry.value.downcast_ref::<T>().map_or(0, |value| self.value_bytes(read, value))
    }

    /// What an entry weighs in process memory: bytes, or 1 where the capacity counts entries.
    pub(crate) fn weight(&self, key: &str, entry: &StoredEntry, value_bytes: usize) -> u32 {
        if !self.local.counts_bytes() {
            return 1;
        }
        let bytes = ENTRY_BYTES + key.len() + size_of_val(entry) + tag_bytes(&entry.meta) + value_bytes;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// As if no other entry shared them.
fn tag_bytes(meta: &Meta) -> usize {
    let each = TAG_BYTES + size_of::<Recorded>() + size_of::<Cell>();
    meta.deps.iter().map(|dep| each + 2 * dep.cell.tag().as_str().len()).sum()
}
