//! The wrapped connection: what it lets through, and what it makes stale.

mod drop_in;
// SeaORM's macros make everything public.
#[allow(unreachable_pub)]
mod entities;
mod shop;
mod stale;
