//! A private MariaDB.

use std::{process::Command, sync::OnceLock};

use crate::{
    process::{Process, address, directory, on_free_port, program, run},
    unique,
};

/// A MariaDB of one's own.
#[derive(Debug)]
pub struct MariaDb {
    port: u16,
    process: Process,
}

impl MariaDb {
    /// Starts a server.
    #[must_use]
    pub fn start() -> Self {
        let server = on_free_port("mariadbd", |port| launch(port).map(|process| Self { port, process }));
        server.sql("CREATE USER test@'%'; GRANT ALL ON *.* TO test@'%'");
        server
    }

    /// The server that tests of this process share.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes a new database; returns its URL.
    #[must_use]
    pub fn create_database(&self) -> String {
        let name = unique("test");
        self.sql(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
        format!("mysql://test@{}/{name}", address(self.port))
    }

    fn sql(&self, statement: &str) {
        let socket = self.process.directory().join("socket");
        let mut client = Command::new(program("mariadb"));
        client.arg("--no-defaults").arg("--socket").arg(socket).args(["--user=root", "--execute", statement]);
        run(&mut client);
    }
}

fn launch(port: u16) -> Option<Process> {
    let directory = directory("mariadb-");
    let (data, socket) = (directory.join("data"), directory.join("socket"));
    let (data, socket) = (format!("--datadir={}", data.display()), format!("--socket={}", socket.display()));
    // For root, who has to say that it is meant; for anyone else the user one is.
    let user = format!("--user={}", whoami());
    let mut install = Command::new(program("mariadb-install-db"));
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &data, &user]);
    run(install.arg("--innodb-log-file-size=8M"));

    let program = program("mariadbd").to_string_lossy().into_owned();
    let port_option = format!("--port={port}");
    let command = [
        program.as_str(),
        "--no-defaults",
        &data,
        &socket,
        &user,
        &port_option,
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--performance-schema=off",
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=8M",
        "--innodb-flush-log-at-trx-commit=0",
        "--max-connections=300",
    ];
    let process = Process::start(directory, "KILL", &command);
    process.is_up(port).then_some(process)
}

fn whoami() -> String {
    run(Command::new("id").arg("-un")).trim().to_owned()
}
