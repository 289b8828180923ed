//! Redis Cluster: commands go to the server of their key, a scan from server to server.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{
    Cmd, RedisError, Value,
    aio::ConnectionLike,
    cluster::{ClusterClient, ClusterConfig},
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
    cmd, from_redis_value,
};

use crate::{
    error::{Error, ErrorKind},
    redis::{
        link::{Reply, reply},
        scripts,
        settings::{RedisSettings, tcp},
        single::is_unknown_script,
    },
};

/// A cluster. A shard is named by the lowest slot its server has.
pub(super) struct Cluster {
    client: ClusterClient,
    connection: ClusterConnection,
}

impl Cluster {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, Error> {
        let client = ClusterClient::builder(settings.infos()?)
            .tcp_settings(tcp())
            .retries(1)
            .build()
            .map_err(|source| Error::with_source(ErrorKind::Setting, "redis url: cannot be used", source))?;
        let config = ClusterConfig::new()
            .set_connection_timeout(settings.connect_deadline)
            .set_response_timeout(settings.response_deadline);
        let connection = client.get_pending_async_connection_with_config(config);
        Ok(Self { client, connection })
    }

    /// A connection of its own to each server.
    pub(super) async fn apart(&self, connect: Duration, response: Duration) -> Result<ClusterConnection, RedisError> {
        let config = ClusterConfig::new().set_connection_timeout(connect).set_response_timeout(response);
        self.client.get_async_connection_with_config(config).await
    }

    /// Runs phases one after the other, the commands of a phase all at once; the client pipelines them to each server.
    pub(super) async fn replies<const N: usize>(&self, phases: [Vec<Cmd>; N]) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(phases.iter().map(Vec::len).sum());
        for phase in &phases {
            let mut got = self.send(phase).await;
            let unknown: Vec<usize> =
                got.iter().enumerate().filter(|(_, reply)| is_unknown_script(reply)).map(|(at, _)| at).collect();
            if !unknown.is_empty() {
                // Each load goes to every primary. A script that is not known has had no effect.
                self.send(&scripts::load()).await;
                let again: Vec<Cmd> = unknown.iter().filter_map(|at| phase.get(*at).cloned()).collect();
                for (old, new) in got.iter_mut().filter(|reply| is_unknown_script(reply)).zip(self.send(&again).await) {
                    *old = new;
                }
            }
            replies.append(&mut got);
        }
        replies
    }

    async fn send(&self, commands: &[Cmd]) -> Vec<Reply> {
        let sending = commands.iter().map(|command| {
            let mut connection = self.connection.clone();
            async move { connection.req_packed_command(command).await.and_then(reply) }
        });
        join_all(sending).await
    }

    pub(super) async fn ask_shard(&self, shard: u32, command: Cmd) -> Result<Value, RedisError> {
        let slot = u16::try_from(shard).unwrap_or(u16::MAX);
        let route = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
        self.connection.clone().route_command(command, RoutingInfo::SingleNode(route)).await
    }

    /// The shard after this one.
    pub(super) async fn next_shard(&self, shard: u32) -> Result<Option<u32>, RedisError> {
        let mut ask = cmd("CLUSTER");
        ask.arg("SLOTS");
        let random = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
        let slots = self.connection.clone().route_command(ask, random).await?;
        // Each range: first slot, last slot, primary, replicas. A primary: address, port, id.
        let ranges: Vec<Vec<Value>> = from_redis_value(slots)?;
        let mut lowest: Vec<(u32, Vec<u8>)> = Vec::new();
        for range in ranges {
            let mut fields = range.into_iter();
            let (Some(from), Some(primary)) = (fields.next(), fields.nth(1)) else { continue };
            let from: u32 = from_redis_value(from)?;
            let Some(Value::BulkString(id)) = from_redis_value::<Vec<Value>>(primary)?.into_iter().nth(2) else {
                continue;
            };
            match lowest.iter_mut().find(|(_, known)| *known == id) {
                Some((lowest, _)) => *lowest = from.min(*lowest),
                None => lowest.push((from, id)),
            }
        }
        Ok(lowest.into_iter().map(|(slot, _)| slot).filter(|slot| *slot > shard).min())
    }
}
