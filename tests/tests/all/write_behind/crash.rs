//! Writers' processes that are killed.

use harness::{
    behind::{Orders, Plan, run, write_until_dead},
    history::Program,
};

/// Does nothing, unless the process was started by the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writers_process_writes_behind_until_it_is_killed() {
    if let Some(orders) = Orders::of_this_process() {
        write_until_dead(orders).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_writers_lose_reorder_resurrect_and_double_nothing() {
    let seed = rand::random_range(0..1_000_000);
    println!("seed {seed}");
    let writer = Program::this(&[
        "write_behind::crash::a_writers_process_writes_behind_until_it_is_killed",
        "--exact",
        "--nocapture",
    ]);
    let report = run(Plan { seed, kills: 8, writer }).await;
    println!("{}", report.to_json());
    assert!(report.findings.is_clean(), "seed {seed}: {:#?}", report.findings);
    assert_eq!(report.kills, 8);
    assert!(
        report.in_window > 0,
        "no writer was killed between a commit and its acknowledgement: {}",
        report.to_json()
    );
    assert!(report.replayed > 0, "nothing that was written was claimed again: {}", report.to_json());
    assert!(report.accepted > 500, "too few operations to prove anything: {}", report.accepted);
}
