//! A cold key that everybody wants at once, in several processes: how often it is loaded, how long callers wait.

use std::{
    env,
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use harness::RedisServer;
use redis::AsyncCommands;
use sea_orm_cache::{Cache, PolicyOverride};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
};

use crate::report::{Output, Report, Samples, Table, count, nanos, ratio};

/// The subcommand of a process full of callers.
pub(crate) const CALLERS: &str = "stampede-callers";

/// What every caller waits for, whichever process it is in.
const KEY: &str = "front-page";

/// Counts the loads of all processes. The loader stands for a query: one that many processes send at once.
const LOADS: &str = "bench:loads";

/// Who loads: a list of process ids.
const LEADERS: &str = "bench:leaders";

/// 10,000 callers in each of four processes ask for one cold key.
#[derive(Args, Debug)]
pub(crate) struct Stampede {
    /// How many processes.
    #[arg(long, default_value_t = 4)]
    processes: usize,
    /// How many callers in each.
    #[arg(long, default_value_t = 10_000)]
    callers: usize,
    /// How long a load takes.
    #[arg(long, default_value_t = 200)]
    load_ms: u64,
    #[command(flatten)]
    output: Output,
}

/// A process of `stampede`.
#[derive(Args, Debug)]
pub(crate) struct Callers {
    redis: String,
    callers: usize,
    load_ms: u64,
}

struct Outcome {
    loads: u64,
    answers: usize,
    /// Nanoseconds, of the callers that lived.
    waits: Samples,
}

impl Stampede {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("stampede", &self.output);
        let calm = self.stampede(false).await;
        let killed = self.stampede(true).await;
        let mut table = Table::new(&["", "callers", "answered", "loads", "wait p50", "wait p99", "p99 / load"]);
        let load = self.load_ms as f64 * 1e6;
        for (name, outcome, processes) in
            [("one cold key", &calm, self.processes), ("the loading process is killed", &killed, self.processes - 1)]
        {
            let p99 = outcome.waits.quantile(0.99);
            table.row([
                name.to_owned(),
                count((processes * self.callers) as f64),
                count(outcome.answers as f64),
                outcome.loads.to_string(),
                nanos(outcome.waits.median()),
                nanos(p99),
                ratio(p99 / load),
            ]);
            report.must(outcome.answers == processes * self.callers, "a caller got no answer");
        }
        report.table(&table);
        report.figure("loads", calm.loads as f64);
        report.figure("loads_leader_killed", killed.loads as f64);
        report.figure("p99_wait_ratio", calm.waits.quantile(0.99) / load);
        report.figure("p99_wait_ratio_leader_killed", killed.waits.quantile(0.99) / load);
        report.must(calm.loads == 1, "a cold key was loaded more than once");
        report.must(killed.loads <= 2, "after the death of the loading process, more than one load followed");
        report.finish()
    }

    /// Starts the processes, lets all callers go at the same moment, and collects what they say.
    async fn stampede(&self, kill_leader: bool) -> Outcome {
        let redis = RedisServer::start();
        let mut children: Vec<(Child, BufReader<ChildStdout>)> = Vec::new();
        for _ in 0..self.processes {
            let mut child = Command::new(env::current_exe().expect("a running program knows its file"))
                .arg(CALLERS)
                .args([redis.url(), self.callers.to_string(), self.load_ms.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("one's own program can be started");
            let output = BufReader::new(child.stdout.take().expect("it is piped"));
            children.push((child, output));
        }
        for (_, output) in &mut children {
            assert_eq!(line(output).await.as_deref(), Some("ready"), "a process of callers did not start");
        }
        let client = redis::Client::open(redis.url()).expect("the server's URL is good");
        let mut connection = client.get_multiplexed_async_connection().await.expect("the server can be reached");
        for (child, _) in &mut children {
            child.stdin.as_mut().expect("it is piped").write_all(b"go\n").await.expect("the process listens");
        }
        if kill_leader {
            let leader: Option<(String, u32)> = connection.blpop(LEADERS, 30.0).await.unwrap_or(None);
            let leader = leader.expect("somebody loads").1;
            tokio::time::sleep(Duration::from_millis(self.load_ms / 2)).await;
            let at = children.iter().position(|(child, _)| child.id() == Some(leader)).expect("it is one of them");
            let (mut child, _) = children.swap_remove(at);
            child.kill().await.expect("one's own process can be killed");
        }
        let mut waits: Vec<f64> = Vec::new();
        for (mut child, mut output) in children {
            let said = line(&mut output).await.expect("a process of callers says what it saw");
            waits.extend(said.split(' ').filter_map(|wait| wait.parse::<f64>().ok()));
            let _ = child.wait().await;
        }
        let loads: Option<u64> = connection.get(LOADS).await.expect("the server answers");
        Outcome { loads: loads.unwrap_or(0), answers: waits.len(), waits: Samples::of("waits", waits) }
    }
}

impl Callers {
    pub(crate) async fn run(self) -> ExitCode {
        // Tens of thousands of tasks that wake at once keep two cores busy for longer than the default deadlines of Redis; a
        // process that cannot hear Redis would load by itself.
        let patience = Duration::from_secs(2);
        let cache = Cache::builder().redis(&self.redis).namespace("bench").deadlines(patience, patience, patience);
        let cache = cache.build().await.expect("the settings are good");
        let client = redis::Client::open(self.redis.clone()).expect("the server's URL is good");
        let connection = client.get_multiplexed_async_connection().await.expect("the server can be reached");
        println!("ready");
        let go = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
        let _ = go.await;
        let load = Duration::from_millis(self.load_ms);
        let mut callers = JoinSet::new();
        for _ in 0..self.callers {
            let (cache, mut connection) = (cache.clone(), connection.clone());
            callers.spawn(async move {
                let begun = Instant::now();
                let query = || async move {
                    let (): () = redis::pipe()
                        .incr(LOADS, 1)
                        .rpush(LEADERS, std::process::id())
                        .query_async(&mut connection)
                        .await?;
                    tokio::time::sleep(load).await;
                    Ok::<_, redis::RedisError>("what is on the front page".to_owned())
                };
                let answer = cache.get_or_load_with(KEY, ["front"], &PolicyOverride::NONE, query).await;
                answer.map(|_| begun.elapsed())
            });
        }
        let mut waits = Vec::new();
        while let Some(Ok(answer)) = callers.join_next().await {
            waits.extend(answer.ok().map(|wait| wait.as_nanos().to_string()));
        }
        println!("{}", waits.join(" "));
        ExitCode::SUCCESS
    }
}

async fn line(output: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut line = String::new();
    let read = tokio::time::timeout(Duration::from_secs(60), output.read_line(&mut line)).await;
    matches!(read, Ok(Ok(1..))).then(|| line.trim_end().to_owned())
}
