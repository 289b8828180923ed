//! Connections to Redis: commands in, replies out, within the deadlines.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use redis::{
    Client, Cmd, Pipeline, RedisError, ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};

#[cfg(feature = "redis-cluster")]
use crate::redis::cluster::Cluster;
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    redis::{scripts, settings::RedisSettings},
};

/// After as many unanswered calls in a row the connection is replaced: it may be half open.
const UNANSWERED_MAX: u32 = 8;
/// Commands that may wait for being written; more callers than that wait for room.
const WRITE_QUEUE_MAX: usize = 1_024;

/// One command's result. The outer error of a call is that of the connection.
pub(super) type Reply = Result<Value, RedisError>;

/// The way to Redis.
pub(super) struct Link {
    clock: Clock,
    settings: RedisSettings,
    clients: Vec<Client>,
    kind: Kind,
}

enum Kind {
    Single(Single),
    #[cfg(feature = "redis-cluster")]
    Cluster(Cluster),
}

/// One server. The manager reconnects by itself after errors of the socket; after all else it is replaced.
struct Single {
    manager: Mutex<ConnectionManager>,
    unanswered: AtomicU32,
}

impl Link {
    /// Does not wait for Redis: connects when first asked.
    pub(super) fn new(settings: &RedisSettings, clock: &Clock) -> Result<Self, Error> {
        let clients = settings.clients()?;
        let first = clients.first().ok_or_else(|| Error::new(ErrorKind::Setting, "redis url: is missing"))?;
        let kind = match settings.is_cluster() {
            #[cfg(feature = "redis-cluster")]
            true => Kind::Cluster(Cluster::new(settings)?),
            _ => Kind::Single(Single { manager: Mutex::new(manager(first, settings)?), unanswered: AtomicU32::new(0) }),
        };
        Ok(Self { clock: clock.clone(), settings: settings.clone(), clients, kind })
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn settings(&self) -> &RedisSettings {
        &self.settings
    }

    /// Where a subscription may be made: any server of a cluster receives what any other publishes.
    pub(super) fn clients(&self) -> &[Client] {
        &self.clients
    }

    #[cfg(feature = "redis-cluster")]
    pub(super) fn cluster(&self) -> Option<&Cluster> {
        match &self.kind {
            Kind::Single(_) => None,
            Kind::Cluster(cluster) => Some(cluster),
        }
    }

    /// Whether one server answers everything, and a publication's count is that of all subscribers.
    pub(super) fn is_single(&self) -> bool {
        self.single().is_some()
    }

    fn single(&self) -> Option<&Single> {
        match &self.kind {
            Kind::Single(single) => Some(single),
            #[cfg(feature = "redis-cluster")]
            Kind::Cluster(_) => None,
        }
    }

    /// Sends commands in phases, in one round trip where one server has all keys. Commands of a phase may run in any order, but
    /// after those of the phases before. Any command's error fails the call.
    pub(super) async fn ask<const N: usize>(
        &self,
        action: &'static str,
        phases: [Vec<Cmd>; N],
    ) -> Result<Vec<Value>, Error> {
        let replies = self.ask_each(action, phases).await?;
        replies.into_iter().map(|reply| reply.map_err(|error| refused(action, error))).collect()
    }

    /// As [`ask`](Self::ask), and leaves each command's error to the caller.
    pub(super) async fn ask_each<const N: usize>(
        &self,
        action: &'static str,
        phases: [Vec<Cmd>; N],
    ) -> Result<Vec<Reply>, Error> {
        self.within_deadline(action, async {
            let mut replies = Vec::with_capacity(phases.iter().map(Vec::len).sum());
            for phase in self.steps(phases) {
                let got = self.send(&phase).await?;
                replies.extend(self.with_scripts(&phase, got).await?);
            }
            Ok(replies)
        })
        .await
    }

    /// Runs `work` for at most the total deadline, with its error mapped.
    pub(super) async fn within_deadline<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Error> {
        match self.clock.timeout(self.settings.total_deadline, work).await {
            Some(Ok(done)) => {
                self.heard(true);
                Ok(done)
            }
            Some(Err(error)) => {
                self.heard(!error.is_timeout());
                self.replace_unless_self_healing(&error);
                Err(broken(action, error))
            }
            None => {
                self.heard(false);
                Err(Error::new(ErrorKind::Timeout, format!("redis did not answer in time: cannot {action}")))
            }
        }
    }

    /// One server runs a pipeline in order; several need a round trip for each phase.
    fn steps<const N: usize>(&self, phases: [Vec<Cmd>; N]) -> Vec<Vec<Cmd>> {
        let phases = phases.into_iter().filter(|phase| !phase.is_empty());
        if self.is_single() {
            let all: Vec<Cmd> = phases.flatten().collect();
            if all.is_empty() { Vec::new() } else { vec![all] }
        } else {
            phases.collect()
        }
    }

    /// Loads the scripts and repeats the calls of unknown ones. A script that is not known has had no effect.
    async fn with_scripts(&self, commands: &[Cmd], mut replies: Vec<Reply>) -> Result<Vec<Reply>, RedisError> {
        let unknown: Vec<usize> =
            replies.iter().enumerate().filter(|(_, reply)| is_unknown_script(reply)).map(|(at, _)| at).collect();
        if unknown.is_empty() {
            return Ok(replies);
        }
        let mut again = scripts::load();
        let loads = again.len();
        if !self.is_single() {
            self.send(&again).await?;
            again.clear();
        }
        again.extend(unknown.iter().filter_map(|at| commands.get(*at).cloned()));
        let skipped = if self.is_single() { loads } else { 0 };
        let repeated = self.send(&again).await?.into_iter().skip(skipped);
        for (at, reply) in unknown.into_iter().zip(repeated) {
            if let Some(old) = replies.get_mut(at) {
                *old = reply;
            }
        }
        Ok(replies)
    }

    async fn send(&self, commands: &[Cmd]) -> Result<Vec<Reply>, RedisError> {
        match &self.kind {
            Kind::Single(single) => {
                let mut manager = single.lock().clone();
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                let values = manager.req_packed_commands(&pipeline, 0, commands.len()).await?;
                Ok(values.into_iter().map(reply).collect())
            }
            #[cfg(feature = "redis-cluster")]
            Kind::Cluster(cluster) => cluster.send(commands).await,
        }
    }

    fn heard(&self, answered: bool) {
        let Some(single) = self.single() else { return };
        if answered {
            single.unanswered.store(0, Ordering::Relaxed);
        } else if single.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= UNANSWERED_MAX {
            single.unanswered.store(0, Ordering::Relaxed);
            self.replace(single);
        }
    }

    /// The manager keeps the result of a failed login for ever, and all else that is not an error of the socket.
    fn replace_unless_self_healing(&self, error: &RedisError) {
        if let Some(single) = self.single()
            && !error.is_io_error()
        {
            self.replace(single);
        }
    }

    fn replace(&self, single: &Single) {
        let fresh = self.clients.first().and_then(|client| manager(client, &self.settings).ok());
        if let Some(fresh) = fresh {
            *single.lock() = fresh;
        }
    }
}

impl Single {
    fn lock(&self) -> MutexGuard<'_, ConnectionManager> {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn manager(client: &Client, settings: &RedisSettings) -> Result<ConnectionManager, Error> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(settings.connect_deadline))
        .set_response_timeout(Some(settings.response_deadline))
        .set_pipeline_buffer_size(WRITE_QUEUE_MAX)
        // A caller has a deadline and the engine a breaker: one attempt for each call, and no waiting between.
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
        .map_err(|source| Error::with_source(ErrorKind::Setting, "redis url: cannot be used", source))
}

pub(super) fn reply(value: Value) -> Reply {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

fn is_unknown_script(reply: &Reply) -> bool {
    reply.as_ref().is_err_and(|error| error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript))
}

/// An error of the connection.
fn broken(action: &'static str, error: RedisError) -> Error {
    let kind = match error.kind() {
        redis::ErrorKind::AuthenticationFailed | redis::ErrorKind::Server(_) => return refused(action, error),
        _ if error.is_timeout() => ErrorKind::Timeout,
        _ => ErrorKind::Unreachable,
    };
    Error::with_source(kind, format!("redis cannot be reached: cannot {action}"), error)
}

/// An error that the server answered with.
pub(super) fn refused(action: &'static str, error: RedisError) -> Error {
    let kind = match error.kind() {
        // The server is not (yet, or any more) one that could do it; nothing is wrong with the request.
        redis::ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask,
        )
        | redis::ErrorKind::Io
        | redis::ErrorKind::ClusterConnectionNotFound => ErrorKind::Unreachable,
        _ => ErrorKind::Refused,
    };
    Error::with_source(kind, format!("redis refused: cannot {action}"), error)
}
