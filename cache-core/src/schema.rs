//! Schema ids: a fingerprint of the structure that a type reads.

mod deserializer;
mod samples;
mod tracer;

#[cfg(test)]
mod tests;

use std::{
    any::{TypeId, type_name},
    collections::{BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{LazyLock, PoisonError, RwLock},
};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use self::tracer::{Fault, Tracer};

/// How often one type's `Deserialize` is run at the most: each run looks into another variant, or tries another sample.
const RUNS_MAX: usize = 4096;

static KNOWN: LazyLock<RwLock<HashMap<TypeId, u64>>> = LazyLock::new(RwLock::default);

/// The fingerprint of what `T` reads, worked out once per type and process.
///
/// `T::deserialize` is run against a deserializer that has no data: it notes what is asked for (names and order of fields, names
/// of variants, the primitive, option, list or map at each place, the Rust type that comes of it) and answers with samples,
/// so that every field and variant is seen. The notes and the type's own name are hashed. So the id is the same in every
/// process made of the same code, and changes when a field is added, removed, renamed, moved or retyped, or when a variant is.
///
/// What it cannot see: the variants of an untagged enum, fields behind a type that accepts none of the samples and has no
/// name or type of its own to tell by, and what a value *means*. Raise the function's `version` for such a change.
#[must_use]
pub(crate) fn schema_id<T: DeserializeOwned + 'static>() -> u64 {
    let id = TypeId::of::<T>();
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return *known;
    }
    let fresh = fingerprint::<T>();
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(id, fresh);
    fresh
}

fn fingerprint<T: DeserializeOwned>() -> u64 {
    let mut hash = Sha256::new();
    hash.update(type_name::<T>());
    // Many types (UUIDs, addresses, times) read another shape in a text format than in a binary one.
    for human_readable in [false, true] {
        for fact in facts::<T>(human_readable) {
            hash.update(fact);
            hash.update([0]);
        }
        hash.update([1]);
    }
    let digest = hash.finalize();
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Everything that `T` can be seen to ask for, in a canonical order.
fn facts<T: DeserializeOwned>(human_readable: bool) -> BTreeSet<String> {
    let mut tracer = Tracer::new(human_readable);
    for _ in 0..RUNS_MAX {
        tracer.begin_run();
        // A hand-written `Deserialize` may take for granted what a sample does not keep.
        let outcome = catch_unwind(AssertUnwindSafe(|| T::deserialize(&mut tracer).map(drop)));
        let go_on = match outcome {
            Ok(Ok(())) => tracer.next_variants(),
            Ok(Err(fault)) => tracer.learn(&fault),
            Err(_) => tracer.learn(&Fault::PANIC),
        };
        if !go_on {
            break;
        }
    }
    tracer.into_facts()
}
