//! An exhaustive search of the protocol's states.
//!
//! The model has one tag, one entry that depends on it, one row whose value is the number of commits, two writers, and two nodes with
//! a local tier each. Everything that is in the air (replies, loads, messages, stores) is part of the state, and lands in any order.
//! Time is not modelled: whatever may happen at some time may happen at any, except that a writer's own doubt about its lease comes
//! before the lease's end in the remote tier.
//!
//! A read is a claim about a state, not a step: since every reachable state is visited, "no read that begins now is stale" is checked
//! for each of them. [`Claim`] lists what is claimed, [`Rules`] what is switched off, how many faults there may be, and the bounds of
//! the search.

// Writers, nodes and loads are arrays of a fixed length, indexed by numbers below it.
#![allow(clippy::indexing_slicing)]

mod claims;
mod faults;
mod node;
mod packed;
mod rules;
mod search;
mod state;
mod tag_state;
mod writer;

pub use claims::Claim;
pub use rules::{Floor, Rule, Rules};
pub use search::{Outcome, explore};
