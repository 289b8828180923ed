//! Write-through: what a writer may store of what it has written, and what it may not.

mod functions;
mod races;
mod saves;
mod transactions;
mod world;
