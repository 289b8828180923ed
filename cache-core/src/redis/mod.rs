//! Redis (6.2 or later) or Valkey as the remote tier, with its pub/sub as the bus.

mod advice;
mod bus;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod link;
mod names;
mod scripts;
mod settings;
mod single;
mod tier;

use std::sync::Arc;

pub use settings::RedisSettings;

use crate::{
    clock::Clock,
    error::Error,
    ports::{Bus, RemoteTier},
    redis::{bus::RedisBus, link::Link, names::Names, tier::RedisTier},
};

/// What [`connect`] makes.
pub type Connected = (Arc<dyn RemoteTier>, Arc<dyn Bus>);

/// The tier and the bus of one Redis. Must run within a Tokio runtime; does not wait for Redis, which may come up later.
///
/// # Errors
///
/// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
pub fn connect(settings: &RedisSettings, clock: &Clock) -> Result<Connected, Error> {
    let names = Names::new(&settings.namespace)?;
    let link = Arc::new(Link::new(settings, clock)?);
    let bus = RedisBus::new(Arc::clone(&link), names.clone());
    Ok((Arc::new(RedisTier { link, names }), Arc::new(bus)))
}
