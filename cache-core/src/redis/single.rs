//! The connection to one server.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, Cmd, Pipeline, RedisError, ServerErrorKind,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};

use crate::{
    clock::Moment,
    error::{Error, ErrorKind},
    redis::{
        link::{Reply, reply},
        scripts,
        settings::RedisSettings,
    },
};

/// When calls stay unanswered for as long, besides the time to connect, the connection is replaced: it may be half open.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// Commands that may wait for being written; more callers than that wait for room.
const WRITE_QUEUE_MAX: usize = 1_024;

/// One server. The manager reconnects by itself after errors of the socket; after all else it is replaced.
pub(super) struct Single {
    client: Client,
    config: ConnectionManagerConfig,
    manager: Mutex<ConnectionManager>,
    silence_max: Duration,
    /// When the first call ended unanswered after the last answer, in nanoseconds of the clock; 0 if none has.
    silent_since: AtomicU64,
}

impl Single {
    /// Connects when first asked.
    pub(super) fn new(client: &Client, settings: &RedisSettings) -> Result<Self, Error> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(settings.connect_deadline))
            .set_response_timeout(Some(settings.response_deadline))
            .set_pipeline_buffer_size(WRITE_QUEUE_MAX)
            // A caller has a deadline and the engine a breaker: one attempt for each call, and no waiting between.
            .set_number_of_retries(0);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())
            .map_err(|source| Error::with_source(ErrorKind::Setting, "redis url: cannot be used", source))?;
        Ok(Self {
            client: client.clone(),
            config,
            manager: Mutex::new(manager),
            silence_max: SILENCE_MAX + settings.connect_deadline,
            silent_since: AtomicU64::new(0),
        })
    }

    /// Runs commands in order, in one round trip; two if the server has forgotten the scripts.
    pub(super) async fn replies(&self, commands: impl Iterator<Item = Cmd>) -> Result<Vec<Reply>, RedisError> {
        let mut pipeline = Pipeline::new();
        for command in commands {
            pipeline.add_command(command);
        }
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut replies = self.send(&pipeline).await?;
        if replies.iter().any(is_unknown_script) {
            // A script that is not known has had no effect: it can be called again.
            let mut again = Pipeline::new();
            let loads = scripts::load();
            let skipped = loads.len();
            let unknown = pipeline.cmd_iter().zip(&replies).filter(|(_, reply)| is_unknown_script(reply));
            for command in loads.into_iter().chain(unknown.map(|(command, _)| command.clone())) {
                again.add_command(command);
            }
            let repeated = self.send(&again).await?.into_iter().skip(skipped);
            for (old, new) in replies.iter_mut().filter(|reply| is_unknown_script(reply)).zip(repeated) {
                *old = new;
            }
        }
        Ok(replies)
    }

    /// Takes note of how a call ended.
    pub(super) fn note(&self, ended: Ended<'_>, now: Moment) {
        match ended {
            Ended::Answered => self.silent_since.store(0, Ordering::Relaxed),
            Ended::Unanswered => {
                let begun = now.to_nanos().max(1);
                let before = self.silent_since.compare_exchange(0, begun, Ordering::Relaxed, Ordering::Relaxed);
                if before.is_err_and(|since| now.since(Moment::from_nanos(since)) >= self.silence_max) {
                    self.replace();
                }
            }
            // The manager keeps a failed login, and all else that is not an error of the socket, for ever.
            Ended::Broken(error) if !error.is_io_error() => self.replace(),
            Ended::Broken(_) => {}
        }
    }

    async fn send(&self, pipeline: &Pipeline) -> Result<Vec<Reply>, RedisError> {
        let mut manager = self.lock().clone();
        let values = manager.req_packed_commands(pipeline, 0, pipeline.len()).await?;
        Ok(values.into_iter().map(reply).collect())
    }

    fn replace(&self) {
        self.silent_since.store(0, Ordering::Relaxed);
        if let Ok(fresh) = ConnectionManager::new_lazy_with_config(self.client.clone(), self.config.clone()) {
            *self.lock() = fresh;
        }
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionManager> {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a call ended, as far as the connection is concerned.
#[derive(Clone, Copy)]
pub(super) enum Ended<'a> {
    Answered,
    Unanswered,
    Broken(&'a RedisError),
}

pub(super) fn is_unknown_script(reply: &Reply) -> bool {
    reply.as_ref().is_err_and(|error| error.kind() == redis::ErrorKind::Server(ServerErrorKind::NoScript))
}
