//! A connection for commands that block.

use std::time::Duration;

use redis::{
    Cmd, RedisError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    redis::{
        link::{Link, failed, reply},
        settings::RedisSettings,
    },
};

/// A connection of its own beside the one that everything else shares. It ends when it is dropped, and with it what blocks on it.
pub(super) struct Apart {
    clock: Clock,
    wait: Duration,
    deadline: Duration,
    connection: Connection,
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    #[cfg(feature = "redis-cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Apart {
    pub(super) async fn connect(link: &Link, action: &'static str) -> Result<Self, Error> {
        let settings = link.settings();
        let connecting = Connection::open(link, settings);
        let connection = match link.clock().timeout(settings.connect_deadline, connecting).await {
            Some(done) => done.map_err(|error| failed(action, error))?,
            None => return Err(late(action)),
        };
        let deadline = deadline(settings);
        Ok(Self { clock: link.clock().clone(), wait: settings.silence_max, deadline, connection })
    }

    /// How long a command may block. A connection that is silent for much longer is taken to be dead.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// Runs one command.
    pub(super) async fn ask(&self, action: &'static str, command: Cmd) -> Result<Value, Error> {
        let mut connection = self.connection.clone();
        let asking = async {
            match &mut connection {
                Connection::Single(single) => single.req_packed_command(&command).await,
                #[cfg(feature = "redis-cluster")]
                Connection::Cluster(cluster) => cluster.req_packed_command(&command).await,
            }
        };
        match self.clock.timeout(self.deadline, asking).await {
            Some(done) => done.and_then(reply).map_err(|error| failed(action, error)),
            None => Err(late(action)),
        }
    }
}

impl Connection {
    async fn open(link: &Link, settings: &RedisSettings) -> Result<Self, RedisError> {
        #[cfg(feature = "redis-cluster")]
        if let Some(cluster) = link.cluster() {
            return cluster.apart(settings.connect_deadline, deadline(settings)).await.map(Self::Cluster);
        }
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_deadline))
            .set_response_timeout(Some(deadline(settings)));
        let client = link.clients().first().ok_or((redis::ErrorKind::InvalidClientConfig, "no server"))?;
        client.get_multiplexed_async_connection_with_config(&config).await.map(Self::Single)
    }
}

fn deadline(settings: &RedisSettings) -> Duration {
    settings.silence_max.saturating_add(settings.total_deadline)
}

fn late(action: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, format!("redis did not answer in time: cannot {action}"))
}
