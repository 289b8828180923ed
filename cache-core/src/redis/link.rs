//! The way to Redis: commands in, replies out, within the deadlines.

use redis::{Client, Cmd, RedisError, ServerErrorKind, Value};

#[cfg(feature = "redis-cluster")]
use crate::redis::cluster::Cluster;
use crate::{
    clock::Clock,
    error::{Error, ErrorKind},
    redis::{
        settings::RedisSettings,
        single::{Ended, Single},
    },
};

/// One command's result. The outer error of a call is that of the connection.
pub(super) type Reply = Result<Value, RedisError>;

/// One server or a cluster, with the deadlines.
pub(super) struct Link {
    clock: Clock,
    settings: RedisSettings,
    clients: Vec<Client>,
    kind: Kind,
}

enum Kind {
    Single(Box<Single>),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<Cluster>),
}

impl Link {
    /// Does not wait for Redis: connects when first asked.
    pub(super) fn new(settings: &RedisSettings, clock: &Clock) -> Result<Self, Error> {
        let clients = settings.clients()?;
        let first = clients.first().ok_or_else(|| Error::new(ErrorKind::Setting, "redis url: is missing"))?;
        let kind = match settings.is_cluster() {
            #[cfg(feature = "redis-cluster")]
            true => Kind::Cluster(Box::new(Cluster::new(settings)?)),
            _ => Kind::Single(Box::new(Single::new(first, settings)?)),
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
            Kind::Cluster(cluster) => Some(cluster.as_ref()),
        }
    }

    /// Whether one server answers everything, and a publication's count is that of all subscribers.
    pub(super) fn is_single(&self) -> bool {
        self.single().is_some()
    }

    /// Sends commands in phases, in one round trip where one server has all keys. Commands of a phase may run in any order, but
    /// after those of the phases before. Any command's error fails the call.
    pub(super) async fn ask<const N: usize>(
        &self,
        action: &'static str,
        phases: [Vec<Cmd>; N],
    ) -> Result<Vec<Value>, Error> {
        let replies = self.ask_each(action, phases).await?;
        replies.into_iter().map(|reply| reply.map_err(|error| failed(action, error))).collect()
    }

    /// As [`ask`](Self::ask), and leaves each command's error to the caller.
    pub(super) async fn ask_each<const N: usize>(
        &self,
        action: &'static str,
        phases: [Vec<Cmd>; N],
    ) -> Result<Vec<Reply>, Error> {
        let asking = async {
            match &self.kind {
                Kind::Single(single) => single.replies(phases.into_iter().flatten()).await,
                #[cfg(feature = "redis-cluster")]
                Kind::Cluster(cluster) => Ok(cluster.replies(phases).await),
            }
        };
        self.within_deadline(action, asking).await
    }

    /// Runs `work` for at most the total deadline, with its error mapped.
    pub(super) async fn within_deadline<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Error> {
        match self.clock.timeout(self.settings.total_deadline, work).await {
            Some(Ok(done)) => {
                self.note(Ended::Answered);
                Ok(done)
            }
            Some(Err(error)) => {
                self.note(if error.is_timeout() { Ended::Unanswered } else { Ended::Broken(&error) });
                Err(failed(action, error))
            }
            None => {
                self.note(Ended::Unanswered);
                Err(Error::new(ErrorKind::Timeout, format!("redis did not answer in time: cannot {action}")))
            }
        }
    }

    fn note(&self, ended: Ended<'_>) {
        if let Some(single) = self.single() {
            single.note(ended, self.clock.now());
        }
    }

    fn single(&self) -> Option<&Single> {
        match &self.kind {
            Kind::Single(single) => Some(single),
            #[cfg(feature = "redis-cluster")]
            Kind::Cluster(_) => None,
        }
    }
}

pub(super) fn reply(value: Value) -> Reply {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// An error of the connection, or one that the server answered with.
pub(super) fn failed(action: &'static str, error: RedisError) -> Error {
    let (kind, what) = match error.kind() {
        _ if error.is_timeout() => (ErrorKind::Timeout, "did not answer in time"),
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
        | redis::ErrorKind::Parse
        | redis::ErrorKind::ClusterConnectionNotFound => (ErrorKind::Unreachable, "cannot be reached"),
        _ => (ErrorKind::Refused, "refused"),
    };
    Error::with_source(kind, format!("redis {what}: cannot {action}"), error)
}
