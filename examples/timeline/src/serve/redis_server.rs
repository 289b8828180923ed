//! A private redis-server that ends with this process.

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::UnixStream,
    process::{Child, ChildStdin, Command},
};

use super::Failed;

/// How long the server may take to start.
const START_MAX: Duration = Duration::from_secs(20);

/// Starts the server, says its process id, and ends it when the pipe from this process closes, in whatever way this process ends.
const LIFELINE: &str = r#"
trap : HUP INT TERM
"$@" </dev/null >/dev/null 2>&1 &
server=$!
echo $server
read -r _
kill -CONT $server 2>/dev/null
kill -KILL $server 2>/dev/null
wait $server
"#;

/// A redis-server on a socket in a directory of its own, without persistence.
pub struct RedisServer {
    pid: u32,
    folder: TempDir,
    _watchdog: Child,
    /// Closing it ends the server.
    _lifeline: Option<ChildStdin>,
}

impl RedisServer {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If redis-server is not installed; the message says what to do.
    pub async fn start() -> Result<Self, Failed> {
        let missing =
            "several nodes need a Redis: set REDIS_URL, or install redis-server (Debian: apt-get install redis-server)";
        let program = installed("redis-server").ok_or(missing)?;
        let folder = TempDir::with_prefix("timeline-redis-")?;
        let socket = folder.path().join("redis.sock");
        let mut watchdog = Command::new("sh")
            .args(["-c", LIFELINE, "lifeline"])
            .arg(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .args(["--maxmemory", "256mb", "--maxmemory-policy", "volatile-lfu", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lifeline = watchdog.stdin.take();
        let mut first_line = String::new();
        if let Some(out) = watchdog.stdout.take() {
            BufReader::new(out).read_line(&mut first_line).await?;
        }
        let pid = first_line.trim().parse().map_err(|_| "redis-server could not be started")?;
        let until = Instant::now() + START_MAX;
        while UnixStream::connect(&socket).await.is_err() {
            if Instant::now() > until {
                return Err("redis-server did not start in time".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { pid, folder, _watchdog: watchdog, _lifeline: lifeline })
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("redis.sock").display())
    }

    /// Sends a signal such as `STOP` to it.
    pub async fn signal(&self, signal: &str) -> Result<(), Failed> {
        let kill = ["-c", "kill -$1 $2", "kill", signal, &self.pid.to_string()].map(str::to_owned);
        let done = Command::new("sh").args(kill).status().await?;
        if done.success() { Ok(()) } else { Err("redis-server is gone".into()) }
    }

    /// Sends `CONT`, without waiting for it.
    pub fn resume(&self) {
        let kill = ["-c", "kill -CONT $1", "kill", &self.pid.to_string()].map(str::to_owned);
        _ = std::process::Command::new("sh").args(kill).status();
    }
}

fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|folder| folder.join(name)).find(|file| file.is_file())
}
