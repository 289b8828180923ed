//! A shop's products, over HTTP.

// Reached from the tests, and nobody's library.
#![allow(missing_docs)]

pub mod entities;
pub mod handlers;
pub mod repository;
pub mod schema;

pub use handlers::router;
