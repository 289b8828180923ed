//! Redis (6.2 or later) or Valkey as the remote tier, with its pub/sub as the bus.

mod advice;
mod apart;
mod bus;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod journal;
mod link;
mod names;
mod scripts;
mod settings;
mod single;
mod tier;
mod toolkit;

use std::sync::Arc;

pub use settings::RedisSettings;

use crate::{
    clock::Clock,
    error::Error,
    ports::{Bus, RemoteTier, toolkit::ToolStore},
    redis::{bus::RedisBus, link::Link, names::Names, tier::RedisTier, toolkit::RedisTools},
};

/// What [`connect`] makes.
pub type Connected = (Arc<dyn RemoteTier>, Arc<dyn Bus>);

/// What [`open`] makes: everything on one connection, but for the bus, which has its own.
pub struct Opened {
    /// The remote tier.
    pub remote: Arc<dyn RemoteTier>,
    /// Its bus.
    pub bus: Arc<dyn Bus>,
    /// The store of the toolkit.
    pub tools: Arc<dyn ToolStore>,
}

/// The tier, the bus and the toolkit's store of one Redis. Must run within a Tokio runtime; does not wait for Redis, which may come
/// up later.
///
/// # Errors
///
/// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
pub fn open(settings: &RedisSettings, clock: &Clock) -> Result<Opened, Error> {
    let names = Names::new(&settings.namespace)?;
    let link = Arc::new(Link::new(settings, clock)?);
    let bus = Arc::new(RedisBus::new(Arc::clone(&link), names.clone()));
    let tools = Arc::new(RedisTools::new(Arc::clone(&link), names.clone()));
    Ok(Opened { remote: Arc::new(RedisTier { link, names }), bus, tools })
}

/// The tier and the bus of one Redis, as [`open`] makes them.
///
/// # Errors
///
/// As [`open`].
pub fn connect(settings: &RedisSettings, clock: &Clock) -> Result<Connected, Error> {
    let opened = open(settings, clock)?;
    Ok((opened.remote, opened.bus))
}
