//! Queries and associations that are answered from the cache without an annotated function.

mod associations;
mod early;
mod forms;
mod keys;
mod places;
mod rows;
mod stale;
// SeaORM's macros make everything public.
#[allow(unreachable_pub)]
mod world;
