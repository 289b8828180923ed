//! A private PostgreSQL.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::{
    process::{Process, address, directory, is_root, on_free_port, program, run},
    unique,
};

/// Whether a commit survives the death of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// No: fast, and right as long as only processes die.
    Off,
    /// As an application would run it.
    On,
}

/// A PostgreSQL of one's own. As root it runs as the user `postgres`, since it refuses to be root.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    // Ends the server when dropped.
    process: Mutex<Process>,
}

impl Postgres {
    /// Starts a server with an empty cluster of databases.
    #[must_use]
    pub fn start(durability: Durability) -> Self {
        on_free_port("postgres", |port| {
            launch(port, durability).map(|process| Self { port, process: Mutex::new(process) })
        })
    }

    /// The server that tests of this process share.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Durability::Off))
    }

    /// Ends the server at once, as a crash would; its data stay.
    pub fn stop(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).end();
    }

    /// Starts it again after [`stop`](Self::stop), on the same port.
    pub fn start_again(&self) {
        self.process.lock().unwrap_or_else(PoisonError::into_inner).begin(self.port);
        wait_until_ready(self.port);
    }

    /// Makes a new database; returns its URL.
    #[must_use]
    pub fn create_database(&self) -> String {
        let name = unique("test");
        let mut createdb = Command::new(program("createdb"));
        run(createdb.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", &name]));
        format!("postgres://postgres@{}/{name}", address(self.port))
    }
}

fn launch(port: u16, durability: Durability) -> Option<Process> {
    let directory = directory("postgres-");
    let data = directory.join("data");
    fs::create_dir(&data).expect("a directory can be made in one's own");
    if is_root() {
        let (user, group) = user_ids("postgres");
        for owned in [&data, &directory] {
            chown(owned, Some(user), Some(group)).expect("root may give directories away");
        }
    }
    let initdb = text(&program("initdb"));
    let initdb =
        [&initdb, "-D", &text(&data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
    let as_user = as_postgres(&initdb);
    run(Command::new(&as_user[0]).args(&as_user[1..]).current_dir(&directory));

    let postgres = [
        text(&program("postgres")),
        "-D".into(),
        text(&data),
        "-p".into(),
        port.to_string(),
        "-k".into(),
        text(&directory),
    ];
    let mut settings = vec!["listen_addresses=127.0.0.1", "max_connections=300", "shared_buffers=32MB"];
    if durability == Durability::Off {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
    }
    let settings = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]);
    let command = postgres.into_iter().chain(settings).collect::<Vec<_>>();
    let command = as_postgres(&command.iter().map(String::as_str).collect::<Vec<_>>());
    // QUIT is an immediate shutdown: it takes the child processes along.
    let process = Process::start(directory, "QUIT", &command.iter().map(String::as_str).collect::<Vec<_>>());
    if !process.is_up(port) {
        return None;
    }
    wait_until_ready(port);
    Some(process)
}

/// It listens before it lets anyone in.
fn wait_until_ready(port: u16) {
    let ready = program("pg_isready");
    while !Command::new(&ready)
        .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
        .status()
        .is_ok_and(|status| status.success())
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// `setpriv` replaces itself by the command, so that the process id is the server's.
fn as_postgres(command: &[&str]) -> Vec<String> {
    let prefix: &[&str] =
        if is_root() { &["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] } else { &[] };
    prefix.iter().chain(command).map(|&part| part.to_owned()).collect()
}

fn user_ids(name: &str) -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").expect("the list of users can be read");
    let mut fields = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == name)
        .unwrap_or_else(|| panic!("there is no user {name}"))
        .into_iter()
        .skip(2)
        .map(|id| id.parse().expect("ids are numbers"));
    (fields.next().expect("a user has an id"), fields.next().expect("a user has a group"))
}

fn text(path: &Path) -> String {
    PathBuf::from(path).to_string_lossy().into_owned()
}
