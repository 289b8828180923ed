//! Redis as the store of the toolkit.

mod boards;
mod events;
mod feeds;
mod limits;
mod scripts;
mod sessions;
mod values;

use std::sync::Arc;

use redis::{Cmd, FromRedisValue, Value};

pub(super) use self::scripts::SOURCES;
use crate::{
    error::Error,
    ports::toolkit::{Place, ToolStore},
    redis::{link::Link, names::Names, tier::read},
};

/// The store of the toolkit in one Redis, on the connection of the remote tier.
pub(super) struct RedisTools {
    link: Arc<Link>,
    names: Names,
}

impl RedisTools {
    pub(super) fn new(link: Arc<Link>, names: Names) -> Self {
        Self { link, names }
    }

    /// All keys of one place share a hash slot, whatever their kinds and parts.
    fn key(&self, kind: &str, at: Place<'_>, part: &str) -> String {
        self.names.tool(kind, &at.text(), part)
    }

    /// Runs one command.
    async fn one<T: FromRedisValue>(&self, action: &'static str, command: Cmd) -> Result<T, Error> {
        let mut replies = self.link.ask(action, [vec![command]]).await?;
        read(action, replies.pop().unwrap_or(Value::Nil))
    }

    /// Runs one command on each of many keys, in one pipeline.
    async fn many<T: FromRedisValue>(&self, action: &'static str, commands: Vec<Cmd>) -> Result<Vec<T>, Error> {
        let replies = self.link.ask(action, [commands]).await?;
        replies.into_iter().map(|reply| read(action, reply)).collect()
    }
}

impl ToolStore for RedisTools {}
