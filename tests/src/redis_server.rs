//! A private redis-server.

use std::{
    net::SocketAddr,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use redis::{Client, Value};

use crate::process::{Process, address, directory, on_free_port, program};

/// A redis-server of one's own, without persistence.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    process: Mutex<Option<Process>>,
}

impl RedisServer {
    /// Starts a server.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more arguments, such as `["--maxmemory", "2mb"]`.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        on_free_port("redis-server", |port| {
            let process = launch(port, &arguments)?;
            Some(Self { port, arguments: arguments.clone(), process: Mutex::new(Some(process)) })
        })
    }

    /// The server that tests of this process share: for all that does no harm to others. Take a [`unique`](crate::unique) namespace.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        address(self.port)
    }

    /// Its URL, without a user.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&self) {
        drop(self.process().take());
    }

    /// Starts it again on the same port: it has forgotten everything.
    pub fn restart(&self) {
        self.kill();
        for _ in 0..50 {
            if let Some(process) = launch(self.port, &self.arguments) {
                *self.process() = Some(process);
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("redis-server did not start again on port {}", self.port);
    }

    /// Ends it at once (SIGKILL), and keeps what it has on the disk.
    pub fn stop(&self) {
        self.process().as_mut().expect("the server runs").end();
    }

    /// Starts it again after [`stop`](Self::stop), on the same port: it knows what it has kept.
    pub fn start_again(&self) {
        self.process().as_mut().expect("the server was stopped").begin(self.port);
    }

    /// Stops it (SIGSTOP): connections stand, nothing is answered.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Makes a user with these rules, such as `["~*", "&*", "+@all", "-publish"]`; returns the URL that logs in as that user.
    #[must_use]
    pub fn acl_user(&self, name: &str, rules: &[&str]) -> String {
        let mut arguments = vec!["ACL", "SETUSER", name, "reset", "on", ">secret"];
        arguments.extend(rules);
        self.command(&arguments);
        format!("redis://{name}:secret@{}", self.address())
    }

    /// Runs one command on a connection of its own.
    pub fn command(&self, arguments: &[&str]) -> Value {
        let client = Client::open(self.url()).expect("the server's URL is good");
        let mut connection = client.get_connection().expect("the server can be reached");
        let mut command = redis::cmd(arguments[0]);
        command.arg(&arguments[1..]);
        command.query(&mut connection).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// The names of the keys that have no TTL.
    pub fn endless_keys(&self) -> Vec<String> {
        let left = |key: &str| -> i64 {
            redis::from_redis_value(self.command(&["PTTL", key])).expect("PTTL answers with a number")
        };
        // -2: it has ended since.
        self.keys().into_iter().filter(|key| left(key) == -1).collect()
    }

    /// The names of all keys.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        redis::from_redis_value(self.command(&["KEYS", "*"])).expect("KEYS answers with names")
    }

    fn signal(&self, signal: &str) {
        self.process().as_ref().expect("the server runs").signal(signal);
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn launch(port: u16, arguments: &[String]) -> Option<Process> {
    let directory = directory("redis-");
    let (program, port_text) = (program("redis-server"), port.to_string());
    let (program, place) = (program.to_string_lossy().into_owned(), directory.to_string_lossy().into_owned());
    let mut command = vec![program.as_str(), "--port", &port_text, "--bind", "127.0.0.1", "--dir", &place];
    command.extend(["--save", "", "--appendonly", "no"]);
    command.extend(arguments.iter().map(String::as_str));
    let process = Process::start(directory, "KILL", &command);
    if !process.is_up(port) {
        return None;
    }
    // It accepts connections before it has opened its other sockets; it answers only after that.
    let mut connection = Client::open(url(port)).and_then(|client| client.get_connection()).ok()?;
    redis::cmd("PING").exec(&mut connection).is_ok().then_some(process)
}

fn url(port: u16) -> String {
    format!("redis://{}", address(port))
}
