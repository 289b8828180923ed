//! Has a writer's process die, and finds out what it has committed.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{
    record::{Recorder, Seen},
    rows,
    writer::{ORDERS, Orders, Step, WHOLE_COMMITS},
};

/// The number that writers' processes have in the history. They do not read.
pub(super) const WRITER: usize = 1_000;

/// Tokens of one process.
pub(super) const TOKENS: i64 = 1_000;

/// How a process is started that becomes a writer by its environment.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Program {
    /// This process's own program.
    #[must_use]
    pub fn this(arguments: &[&str]) -> Self {
        let path = std::env::current_exe().expect("a running program has a file");
        Self { path, arguments: arguments.iter().map(|&argument| argument.to_owned()).collect() }
    }
}

/// Runs a writer to its death.
pub(super) async fn run(program: &Program, mut orders: Orders, recorder: &Recorder, database: &DatabaseConnection) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = format!("history-writer-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    orders.database_url = format!("{}?application_name={name}", orders.database_url);
    let step = orders.step;
    let mut process = Command::new(&program.path)
        .args(&program.arguments)
        .env(ORDERS, serde_json::to_string(&orders).expect("orders are plain data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program:?}: {error}"));
    let mut lines = BufReader::new(process.stdout.take().expect("the output is a pipe")).lines();
    let (mut tried, mut whole) = (None, 0);
    while let Some(line) = lines.next_line().await.expect("the output is text") {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["@try", row, token] => tried = Some((number(row) as i32, number(token))),
            ["@done", row, version, token, landed] => {
                let wrote = Seen { row: number(row) as i32, version: number(version), token: number(token) };
                recorder.committed(WRITER, "by a writer's process", &[wrote], landed == "true");
                tried = None;
                whole += 1;
            }
            ["@missed"] => panic!("a writer did not reach {step:?}"),
            _ => {}
        }
    }
    let status = process.wait().await.expect("a child can be waited for");
    // Where the kill races with the commit, the writer may still have heard of it.
    assert!(tried.is_some() || (whole > WHOLE_COMMITS && step == Step::CommitSent), "ended before {step:?}: {status}");
    let Some((row, token)) = tried else { return };
    disconnected(database, &name).await;
    // Committed, and nobody will ever say so: from its death on the commit counts as finished. If somebody has written the
    // row since then, his own commit counts.
    let rows = rows::truth(database).await.expect("the database is well");
    let wrote = rows.into_iter().find(|seen| seen.row == row && seen.token == token);
    recorder.committed(WRITER, "by a writer's process that died", wrote.as_slice(), true);
}

/// Waits until the database has noticed the death: a COMMIT on its way may still be carried out.
async fn disconnected(database: &DatabaseConnection, name: &str) {
    let sql = "SELECT 1 FROM pg_stat_activity WHERE application_name = $1";
    loop {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [name.into()]);
        if database.query_all_raw(statement).await.expect("the database is well").is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn number(word: &str) -> i64 {
    word.parse().unwrap_or_else(|error| panic!("{word}: {error}"))
}
