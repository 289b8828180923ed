//! SeaORM's side of the cache: connections, statements, entities.

pub(crate) mod analysis;
pub(crate) mod deps;
pub(crate) mod registry;
pub(crate) mod values;
