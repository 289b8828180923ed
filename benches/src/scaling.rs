//! How cost grows with nodes, tags and entries: a simulation of up to 100 nodes over a remote tier in this process, and what Redis itself can deliver.

mod meter;

use std::{
    fs,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use harness::RedisServer;
use sea_orm_cache::{__testing::MemoryStore, Cache, Clock, Tag};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};

use self::meter::{Counts, Meter, MeteredBus};
use crate::report::{Lines, Output, Report, Table, bytes, count, nanos};

/// Messages, bytes and processor time as nodes, tags and entries grow.
#[derive(Args, Debug)]
pub(crate) struct Scaling {
    /// The largest number of nodes.
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// Invalidations per run with the largest number of nodes; runs with fewer nodes have more of them.
    #[arg(long, default_value_t = 1_000)]
    writes: i64,
    #[command(flatten)]
    output: Output,
}

/// One run of the simulation.
#[derive(Clone, Copy)]
struct Run {
    nodes: usize,
    tags_at_once: i64,
    entries_per_node: i64,
}

/// Per invalidation.
struct Cost {
    requests: f64,
    request_bytes: f64,
    messages: f64,
    message_bytes: f64,
    /// Nanoseconds of processor time, of all nodes and the simulated Redis together.
    time: f64,
    /// Requests that a read after the write makes, on all nodes together.
    rereads: f64,
}

impl Scaling {
    pub(crate) async fn run(self) -> ExitCode {
        let mut report = Report::new("scaling", &self.output);
        let base = Run { nodes: self.nodes, tags_at_once: 1, entries_per_node: 1_000 };
        let by_nodes = [1, 10, 30, self.nodes].map(|nodes| Run { nodes, ..base });
        let by_tags = [1, 8, 64].map(|tags_at_once| Run { tags_at_once, ..base });
        let by_entries = [0, 100, 1_000, 5_000].map(|entries_per_node| Run { entries_per_node, ..base });
        let mut lines = Vec::new();
        for (head, runs) in [("nodes", &by_nodes[..]), ("tags at once", &by_tags), ("entries per node", &by_entries)] {
            let mut table = Table::new(&[
                head,
                "requests/invalidation",
                "bytes sent",
                "messages",
                "bytes delivered",
                "time/message",
                "requests/re-read",
            ]);
            let mut points = Vec::new();
            for run in runs {
                let cost = self.simulate(*run).await;
                let size = match head {
                    "nodes" => run.nodes as f64,
                    "tags at once" => run.tags_at_once as f64,
                    _ => run.entries_per_node as f64,
                };
                table.row([
                    count(size),
                    format!("{:.1}", cost.requests),
                    bytes(cost.request_bytes),
                    count(cost.messages),
                    bytes(cost.message_bytes),
                    nanos(cost.time / cost.messages),
                    format!("{:.2}", cost.rereads),
                ]);
                points.push((size, cost.messages));
                if head == "nodes" && run.nodes == self.nodes {
                    report.figure("nodes", size);
                    report.figure("messages_per_invalidation", cost.messages);
                    report.figure("requests_per_invalidation", cost.requests);
                    report.figure("bytes_per_message", cost.message_bytes / cost.messages);
                    report.figure("us_per_message", cost.time / cost.messages / 1e3);
                    report.must(
                        (cost.messages - size).abs() < 0.5,
                        "an invalidation sends each node one message per tag",
                    );
                }
            }
            lines.push((head.to_owned(), points));
            report.note(&format!("By {head}:\n"));
            report.table(&table);
        }
        report.lines(&Lines { title: "Messages per invalidation", x: "nodes, tags, entries", y: "messages", lines });
        self.redis(&mut report).await;
        report.finish()
    }

    /// Nodes with entries, one that writes, and all that read what was written.
    async fn simulate(&self, run: Run) -> Cost {
        let store = MemoryStore::shared(Clock::system());
        let counts = Arc::new(Counts::default());
        let mut nodes = Vec::new();
        for _ in 0..run.nodes {
            let node = store.node();
            let tier = Arc::new(Meter::new(node.tier(), Arc::clone(&counts)));
            let bus = Arc::new(MeteredBus::new(node.bus(), Arc::clone(&counts)));
            let cache =
                Cache::builder().ports(tier, bus).lease(Duration::from_secs(60)).ttl(Duration::from_secs(3_600));
            nodes.push(cache.build().await.expect("the settings are good"));
        }
        for node in &nodes {
            for id in 0..run.entries_per_node {
                read(node, id).await;
            }
        }
        // Rows that some node holds, one after the other.
        let rows = run.entries_per_node.max(1);
        let writes = self.writes * (self.nodes / run.nodes).max(1) as i64 / run.tags_at_once;
        let writes = writes.max(20);
        let (before, begun) = (counts.snapshot(), processor_time());
        for write in 0..writes {
            let tags = (0..run.tags_at_once).map(|at| row((write * run.tags_at_once + at) % rows));
            assert!(nodes[0].invalidate(tags).await.is_done(), "the tier was told");
        }
        let (after, time) = (counts.snapshot(), processor_time() - begun);
        let sample = writes.min(rows).min(100);
        for node in &nodes {
            for id in 0..sample {
                read(node, id).await;
            }
        }
        let reread = counts.snapshot();
        let per_write = |figure: fn(&meter::Snapshot) -> u64| (figure(&after) - figure(&before)) as f64 / writes as f64;
        Cost {
            requests: per_write(|counts| counts.requests),
            request_bytes: per_write(|counts| counts.request_bytes),
            messages: per_write(|counts| counts.messages),
            message_bytes: per_write(|counts| counts.message_bytes),
            time: time / writes as f64,
            rereads: (reread.requests - after.requests) as f64 / sample as f64 / run.nodes as f64,
        }
    }

    /// What one Redis delivers: subscribers that read what they are sent, and one that publishes as fast as it can.
    async fn redis(&self, report: &mut Report) {
        let mut table = Table::new(&["subscribers of one Redis", "messages/s", "deliveries/s"]);
        for subscribers in [1, 10, self.nodes] {
            let redis = RedisServer::start();
            let messages = (200_000 / subscribers).max(2_000);
            let readers: Vec<_> =
                (0..subscribers).map(|_| tokio::spawn(subscriber(redis.address(), messages))).collect();
            while published_to(&redis) < subscribers as i64 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let begun = Instant::now();
            let client = redis::Client::open(redis.url()).expect("the server's URL is good");
            let mut connection = client.get_multiplexed_async_connection().await.expect("the server can be reached");
            for _ in 0..messages / 100 {
                let mut pipe = redis::pipe();
                for _ in 0..100 {
                    pipe.cmd("PUBLISH").arg("bench").arg("article:1234567").ignore();
                }
                let (): () = pipe.query_async(&mut connection).await.expect("Redis publishes");
            }
            for reader in readers {
                reader.await.expect("no reader panics");
            }
            let rate = (messages / 100 * 100) as f64 / begun.elapsed().as_secs_f64();
            table.row([subscribers.to_string(), count(rate), count(rate * subscribers as f64)]);
            report.figure(&format!("redis_messages_per_second_{subscribers}"), rate.round());
        }
        report.note("What one Redis delivers on this machine, which its subscribers share:\n");
        report.table(&table);
    }
}

fn row(id: i64) -> Tag {
    Tag::row("article", &[id.to_string()])
}

async fn read(cache: &Cache, id: i64) {
    let load = || async { Ok::<_, std::convert::Infallible>(id) };
    cache.get_or_load(&id.to_string(), [row(id)], load).await.expect("it cannot fail");
}

/// A subscription that reads until it has had `messages`, and understands as little of it as it can.
async fn subscriber(address: std::net::SocketAddr, messages: usize) {
    let mut stream = TcpStream::connect(address).await.expect("the server can be reached");
    stream.write_all(b"SUBSCRIBE bench\r\n").await.expect("the server listens");
    let one = b"*3\r\n$7\r\nmessage\r\n$5\r\nbench\r\n$15\r\narticle:1234567\r\n".len();
    let welcome = b"*3\r\n$9\r\nsubscribe\r\n$5\r\nbench\r\n:1\r\n".len();
    let (mut left, mut buffer) = (welcome + one * (messages / 100 * 100), vec![0; 1 << 16]);
    while left > 0 {
        let read = stream.read(&mut buffer).await.expect("the server sends");
        assert!(read > 0, "the server keeps the connection");
        left = left.saturating_sub(read);
    }
}

fn published_to(redis: &RedisServer) -> i64 {
    let reply = redis.command(&["PUBSUB", "NUMSUB", "bench"]);
    let (_, subscribers): (String, i64) = redis::from_redis_value(reply).expect("Redis counts subscribers");
    subscribers
}

/// Nanoseconds that all threads of this process have run.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux says what a process uses");
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<f64> = after_name.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
    // utime and stime, in ticks of 10 ms: proc(5).
    (fields[11] + fields[12]) * 1e7
}
