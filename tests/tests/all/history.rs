//! Nodes under faults: what they read against what they wrote.

use std::time::Duration;

use harness::history::{Fault, Findings, Orders, Plan, Program, Report, Rule, Step, run, write_until_dead};
use tokio::sync::Mutex;

/// A protocol without one of its rules is caught within this time.
const CATCH_MAX: Duration = Duration::from_secs(240);

/// How this test binary is started as a writer's process.
fn writer() -> Program {
    Program::this(&["history::a_writers_process_writes_until_it_dies", "--exact", "--nocapture"])
}

/// Each run keeps both cores busy, and its deadlines are short.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

async fn carried_out(length: Duration, rule: Option<Rule>, faults: Option<Vec<Fault>>) -> Report {
    let _turn = ONE_AT_A_TIME.lock().await;
    let seed = rand::random_range(0..1_000_000);
    println!("seed {seed}, without {rule:?}");
    let report = run(Plan { seed, length, rule, faults, writer: writer(), stop_when_found: true }, |_| ()).await;
    println!("{}", report.to_json());
    report
}

/// What is found of a protocol without `rule`.
async fn found_without(rule: Rule, faults: &[Fault]) -> Findings {
    let report = carried_out(CATCH_MAX, Some(rule), Some(faults.to_vec())).await;
    assert!(!report.findings.is_clean(), "the checker does not catch {rule}: {}", report.to_json());
    report.findings
}

/// Does nothing, unless the process was started by the tests below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writers_process_writes_until_it_dies() {
    if let Some(orders) = Orders::of_this_process() {
        write_until_dead(orders).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_while_everything_fails_once() {
    let report = carried_out(Duration::ZERO, None, None).await;
    assert!(report.findings.is_clean(), "{:#?}", report.findings);
    assert_eq!(report.read_errors, 0, "a fault of the cache became an error of a read");
    assert!(report.hits_local > 100 && report.hits_remote > 100, "a cache that does not answer proves nothing");
    assert!(report.write_through > 0, "no writer has stored what it wrote");
    assert!(report.commits > 50, "too few commits to prove anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_intent_a_death_after_the_commit_is_caught() {
    let findings = found_without(Rule::NoIntent, &[Fault::Death(Step::AfterCommit)]).await;
    assert!(findings.lost_invalidations + findings.strict_stale > 0, "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_messages_bounded_reads_are_caught() {
    let findings = found_without(Rule::NoPublish, &[Fault::Calm, Fault::Calm]).await;
    assert!(findings.bounded_stale + findings.lost_invalidations > 0, "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_sequence_check_revived_entries_are_caught() {
    found_without(Rule::NoSequence, &[Fault::LateReplies; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_check_of_flights_a_missed_own_write_is_caught() {
    let findings = found_without(Rule::JoinableFlights, &[Fault::Calm]).await;
    assert!(findings.own_write_missed > 0, "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_after_its_lease_that_then_dies_is_caught() {
    let findings = found_without(Rule::CommitAfterLease, &[Fault::Death(Step::LateCommit)]).await;
    assert!(findings.lost_invalidations + findings.strict_stale > 0, "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_stored_by_a_writer_that_was_overtaken_is_caught() {
    let findings = found_without(Rule::WriteThroughContested, &[Fault::Contention]).await;
    assert!(findings.strict_stale + findings.bounded_stale + findings.lost_invalidations > 0, "{findings:#?}");
}
