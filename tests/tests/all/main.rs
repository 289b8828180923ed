//! The integration tests, in one binary: each binary would link every database driver again.
// A test says that something is wrong by panicking; helpers outside of `#[test]` functions do so as well.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
// SeaORM's derives want entities to be public.
#![allow(unreachable_pub)]

mod allocations;
mod contract;
mod documents;
mod harness_itself;
mod history;
mod key_types;
mod layering;
mod macros;
mod memory_adapter;
mod model;
mod orm;
mod query;
mod races;
mod redis_adapter;
mod refused;
mod through;
mod toolkit;
mod write_behind;
