//! A store of single values: locks, registers, counters, sketches, lists.

use std::time::Duration;

use async_trait::async_trait;

use crate::{error::Error, ports::toolkit::Place};

/// A value with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Higher for later values of a place.
    pub version: u64,
    /// The value.
    pub value: Vec<u8>,
}

/// What a register must hold for a write to take place.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// Anything.
    Any,
    /// Nothing.
    Absent,
    /// A value of this version.
    Version(u64),
    /// This value.
    Value(&'a [u8]),
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swapped {
    /// Whether it took place.
    pub done: bool,
    /// What the register holds now.
    pub current: Option<Versioned>,
}

/// A store of single values.
#[async_trait]
pub trait ValueStore {
    /// Takes a lock that is free, or that `token` holds already. Returns the fencing token: higher than all before it.
    async fn acquire_lock(&self, at: Place<'_>, token: u64, ttl: Duration) -> Result<Option<u64>, Error>;

    /// Prolongs a lock. Returns whether `token` holds it.
    async fn renew_lock(&self, at: Place<'_>, token: u64, ttl: Duration) -> Result<bool, Error>;

    /// Gives a lock back. Returns whether `token` held it.
    async fn release_lock(&self, at: Place<'_>, token: u64) -> Result<bool, Error>;

    /// Reads a register.
    async fn read_register(&self, at: Place<'_>) -> Result<Option<Versioned>, Error>;

    /// Writes a register, or empties it, if it holds what is expected.
    async fn swap_register(
        &self,
        at: Place<'_>,
        expected: Expected<'_>,
        value: Option<&[u8]>,
        ttl: Duration,
    ) -> Result<Swapped, Error>;

    /// Adds to a counter; returns the sum. The counter ends `ttl` after the last addition.
    async fn add_to_counter(&self, at: Place<'_>, by: i64, ttl: Duration) -> Result<i64, Error>;

    /// Reads counters, in one pipeline.
    async fn read_counters(&self, at: &[Place<'_>]) -> Result<Vec<i64>, Error>;

    /// Reads a counter and sets it to zero, in one step.
    async fn take_counter(&self, at: Place<'_>) -> Result<i64, Error>;

    /// Adds members to the set of a window. Returns whether the estimate of their number may have changed.
    async fn add_visitors(&self, at: Place<'_>, window: &str, members: &[&str], ttl: Duration) -> Result<bool, Error>;

    /// About how many different members the sets of these windows have together.
    async fn count_visitors(&self, at: Place<'_>, windows: &[String]) -> Result<u64, Error>;

    /// Puts items at the head of a list, the last of them first, and drops what is beyond `length_max`. With `unique`, an item that is in the list moves.
    async fn push_recent(
        &self,
        at: Place<'_>,
        items: &[Vec<u8>],
        unique: bool,
        length_max: usize,
        ttl: Duration,
    ) -> Result<(), Error>;

    /// The items of a list, newest first.
    async fn read_recent(&self, at: Place<'_>, count: usize) -> Result<Vec<Vec<u8>>, Error>;

    /// Takes an item out of a list, wherever it is. Returns how many there were.
    async fn remove_recent(&self, at: Place<'_>, item: &[u8]) -> Result<u64, Error>;
}
