//! Servers and browsers that end with the test process.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a page may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What the servers are told.
pub const POSTS_PER_MINUTE: u32 = 5;

/// Runs a program until the pipe from the test process closes; then ends its whole process group, browsers included.
const LIFELINE: &str = r#"
trap : HUP INT TERM
exec 3<&0
setsid "$@" </dev/null &
program=$!
read -r _ <&3
kill -s TERM -- -$program 2>/dev/null
wait $program
"#;

/// A program that ends with this process.
struct Program {
    _watchdog: Child,
    _lifeline: Option<ChildStdin>,
    out: BufReader<ChildStdout>,
}

impl Program {
    fn start(command: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut watchdog = Command::new("sh")
            .args(["-c", LIFELINE, "lifeline"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .envs(environment.iter().copied())
            // Not the test's own: whoever reads that waits until all its writers have ended.
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let lifeline = watchdog.stdin.take();
        let out = BufReader::new(watchdog.stdout.take().expect("it was piped"));
        Self { _watchdog: watchdog, _lifeline: lifeline, out }
    }

    /// The rest of the first line that has `mark`.
    fn says(&mut self, mark: &str) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let length = self.out.read_line(&mut line).expect("it writes text");
            assert!(length > 0, "ended before {mark:?}: {said}");
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.trim().trim_end_matches('.').to_owned();
            }
            said += &line;
        }
    }
}

/// A running server.
pub struct Server {
    /// The addresses of its nodes.
    pub nodes: Vec<String>,
    _program: Program,
}

impl Server {
    /// So many nodes on free ports, with an SQLite file of their own.
    pub fn start(nodes: u8) -> Self {
        Self::start_with(nodes, &[])
    }

    /// As [`start`](Self::start), with `DATABASE_URL`, `REDIS_URL` or both.
    pub fn start_with(nodes: u8, environment: &[(&str, &str)]) -> Self {
        let limit = format!("--posts-per-minute={POSTS_PER_MINUTE}");
        let count = format!("--nodes={nodes}");
        let command = ["serve", "--port=0", "--users=60", "--tweets=400", "--large-above=10", &limit, &count];
        let mut program = Program::start(&[&[env!("CARGO_BIN_EXE_timeline")][..], &command].concat(), environment);
        let nodes = (1..=nodes).map(|number| program.says(&format!("node {number}: "))).collect();
        Self { nodes, _program: program }
    }
}

/// What the load from a second process says of itself, after three seconds.
pub fn load(server: &Server) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_timeline"))
        .args(["load", "--seconds=3", "--visitors=6", "--writes-percent=30", "--json"])
        .args(&server.nodes)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Three nodes and a chromedriver.
pub struct Stage {
    server: Server,
    driver: String,
    folder: TempDir,
    _chromedriver: Program,
}

/// How large a browser's window is.
#[derive(Clone, Copy)]
pub enum Screen {
    Desktop,
    /// 390 points wide.
    Phone,
}

impl Stage {
    /// The one that tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Stage> = OnceLock::new();
        SHARED.get_or_init(Self::own)
    }

    /// A new one.
    pub fn own() -> Self {
        let mut driver = Program::start(&[&program("chromedriver", "chromium-driver"), "--port=0"], &[]);
        let port = driver.says("started successfully on port ");
        Self {
            server: Server::start(3),
            driver: format!("http://127.0.0.1:{port}"),
            folder: TempDir::with_prefix("timeline-browser-").expect("a temporary directory can be made"),
            _chromedriver: driver,
        }
    }

    /// The address of a node.
    pub fn node(&self, index: usize) -> &str {
        &self.server.nodes[index]
    }

    /// A browser of its own, at a node.
    pub async fn open(&self, node: usize, screen: Screen) -> Client {
        let profile = tempfile::Builder::new().prefix("profile-").tempdir_in(&self.folder).unwrap().keep();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-breakpad".to_owned(),
            "--no-first-run".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--window-size=1200,1000".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        if is_root() {
            // Chromium's sandbox does not work for root; only pages of our own are opened.
            arguments.push("--no-sandbox".to_owned());
        }
        let mut options = json!({ "args": arguments, "binary": program("chromium", "chromium") });
        if matches!(screen, Screen::Phone) {
            let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let capabilities = json!({ "goog:chromeOptions": options });
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&self.driver)
            .await
            .expect("chromedriver opens a browser");
        client.goto(self.node(node)).await.unwrap();
        client
    }

    /// A browser in which somebody has signed in.
    pub async fn visit(&self, name: &str, node: usize, screen: Screen) -> Client {
        let client = self.open(node, screen).await;
        self.sign_in(&client, name).await;
        client
    }

    pub async fn sign_in(&self, client: &Client, name: &str) {
        client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css("#handle"))
            .await
            .unwrap()
            .send_keys(name)
            .await
            .unwrap();
        client.find(Locator::Css("#enter")).await.unwrap().click().await.unwrap();
        client.wait().at_most(PATIENCE).for_element(Locator::Css("#me")).await.unwrap();
    }

    /// Keeps a picture, if pictures are wanted.
    pub async fn keep(&self, client: &Client, name: &str) {
        if let Some(folder) = std::env::var_os("TIMELINE_SCREENSHOTS") {
            let picture = client.screenshot().await.unwrap();
            std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), picture).unwrap();
        }
    }

    /// Closes browsers.
    pub async fn leave<const N: usize>(&self, clients: [Client; N]) {
        for client in clients {
            client.close().await.unwrap();
        }
    }
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// Where a program is.
fn program(name: &str, package: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let file = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    let file = file.unwrap_or_else(|| panic!("{name} is not installed: scripts/test installs it (Debian: {package})"));
    file.display().to_string()
}
