//! The harness: what it starts works, and ends with the test process.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use harness::{Backend, RedisServer};
use sea_orm::{ConnectionTrait, Statement};

/// Set for a test process that is meant to be killed while its server runs.
const HOLD: &str = "HARNESS_HOLD_A_SERVER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_backend_gives_fresh_databases() {
    for backend in Backend::ALL {
        let (one, two) = (backend.database(), backend.database());
        let (one_db, two_db) = (one.connect().await, two.connect().await);
        for db in [&one_db, &two_db] {
            // The same name in both: they are apart.
            db.execute_unprepared("CREATE TABLE t (id INT PRIMARY KEY)").await.expect("the database is empty");
        }
        one_db.execute_unprepared("INSERT INTO t VALUES (7)").await.expect("a row can be inserted");
        for (db, expected) in [(&one_db, 1), (&two_db, 0)] {
            let all = Statement::from_string(db.get_database_backend(), "SELECT id FROM t");
            let rows = db.query_all_raw(all).await.expect("the table can be read");
            assert_eq!(rows.len(), expected, "{backend:?}");
        }
    }
}

#[test]
fn a_server_ends_with_its_handle() {
    let server = RedisServer::start();
    let address = server.address();
    TcpStream::connect(address).expect("it listens");
    drop(server);
    TcpStream::connect(address).expect_err("it is gone");
}

#[test]
fn a_server_ends_with_a_test_process_that_is_killed() {
    let server = RedisServer::start();
    if std::env::var_os(HOLD).is_some() {
        println!("port {}", server.address().port());
        loop {
            std::thread::park();
        }
    }
    let mut process = Command::new(std::env::current_exe().expect("a process has a program"))
        .args(["--exact", "harness_itself::a_server_ends_with_a_test_process_that_is_killed", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test binary can be started");
    let lines = BufReader::new(process.stdout.take().expect("its output is a pipe")).lines();
    let port: u16 = lines
        .map_while(Result::ok)
        .find_map(|line| line.split("port ").nth(1)?.parse().ok())
        .expect("it tells its server's port");
    TcpStream::connect(("127.0.0.1", port)).expect("its server listens");
    process.kill().expect("one may kill one's child");
    process.wait().expect("a killed child ends");
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < until, "the server outlives its test process");
        std::thread::sleep(Duration::from_millis(10));
    }
}
