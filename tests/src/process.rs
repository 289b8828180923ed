//! A server process that cannot outlive the test process.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a server may take to start, on a machine that is busy compiling.
const START_MAX: Duration = Duration::from_secs(60);

/// Starts the server, says its process id, and ends it or starts it again as it is told, until the pipe from the test process closes (which
/// the kernel does when that process ends in whatever way); then it ends the server and removes its directory.
const WATCHDOG: &str = r#"
dir=$1; signal=$2; shift 2
trap : HUP INT TERM
begin() {
  "$@" </dev/null >>"$dir/log" 2>&1 &
  child=$!
}
end() {
  [ -n "$child" ] || return 0
  kill -CONT $child 2>/dev/null
  kill -$signal $child 2>/dev/null
  wait $child
  child=
}
begin "$@"
echo $child
while read -r order; do
  case $order in
    end) end ;;
    begin) begin "$@" ;;
  esac
  echo $child
done
end
rm -rf "$dir"
"#;

/// A server with its directory. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Process {
    watchdog: Child,
    /// Closing it ends the server.
    lifeline: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: u32,
    directory: PathBuf,
}

impl Process {
    /// Runs `command` (a program with its arguments); `signal` (such as `KILL`) ends it.
    pub(crate) fn start(directory: PathBuf, signal: &str, command: &[&str]) -> Self {
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&directory)
            .arg(signal)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not the test's own: whoever reads that waits until all its writers have ended.
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let lifeline = watchdog.stdin.take();
        let mut answers = BufReader::new(watchdog.stdout.take().expect("the output is a pipe"));
        let pid = answer(&mut answers).parse();
        let pid = pid.unwrap_or_else(|error| panic!("the watchdog of {command:?}: {error}"));
        Self { watchdog, lifeline, answers, pid, directory }
    }

    /// Ends the server and keeps its directory.
    pub(crate) fn end(&mut self) {
        self.order("end");
    }

    /// Starts the server again, with what it has left in its directory, on the port that it had.
    pub(crate) fn begin(&mut self, port: u16) {
        for _ in 0..50 {
            self.pid = self.order("begin").parse().expect("the watchdog says the process id");
            if self.is_up(port) {
                return;
            }
            // Somebody who tried to connect may hold the port.
            self.end();
            thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not start again: {}", self.log());
    }

    /// Returns when it is done.
    fn order(&mut self, order: &str) -> String {
        let lifeline = self.lifeline.as_mut().expect("the pipe is open until the end");
        writeln!(lifeline, "{order}").expect("the watchdog listens");
        answer(&mut self.answers)
    }

    /// Waits until the server listens; `false` if it has ended instead, which a taken port makes it do.
    pub(crate) fn is_up(&self, port: u16) -> bool {
        let until = Instant::now() + START_MAX;
        while self.is_alive() {
            if TcpStream::connect(address(port)).is_ok() {
                return true;
            }
            assert!(Instant::now() < until, "the server takes too long to start: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Sends a signal such as `STOP` to the server itself.
    pub(crate) fn signal(&self, signal: &str) {
        run(Command::new("sh").args(["-c", "kill -$1 $2", "kill", signal, &self.pid.to_string()]));
    }

    /// What the server has written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn is_alive(&self) -> bool {
        // A zombie is dead: the watchdog collects it only at the end.
        fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // A failure here means that the watchdog is gone already; a panic in a drop would hide the test's own.
        let _ = self.watchdog.wait();
    }
}

fn answer(answers: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the watchdog answers in text");
    line.trim().to_owned()
}

/// A new directory, readable to other users, since PostgreSQL refuses to run as root.
pub(crate) fn directory(prefix: &str) -> PathBuf {
    let made = tempfile::Builder::new().prefix(prefix).tempdir().expect("a temporary directory can be made");
    let path = made.keep();
    let open: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&path, open).expect("one's own directory can be changed");
    path
}

/// A port that was free a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be bound");
    listener.local_addr().expect("a bound port has a number").port()
}

pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Tries a start on one free port after another, since another process may take a port first.
pub(crate) fn on_free_port<T>(name: &str, mut start: impl FnMut(u16) -> Option<T>) -> T {
    for _ in 0..5 {
        if let Some(started) = start(free_port()) {
            return started;
        }
    }
    panic!("{name} did not start on any of five ports");
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?} failed: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Where a program is: in `PATH`, or in the last of the directories that Debian puts versioned servers in.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versioned =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|dir| dir.path().join("bin"));
    let mut places: Vec<PathBuf> = versioned.collect();
    places.sort();
    places.reverse();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .chain(places)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: run scripts/test, which installs what the tests need"))
}
