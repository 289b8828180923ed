//! The protocol, by exhausting the states of a model of it.

use std::time::Instant;

use protocol_model::{Claim, Floor, Outcome, Rule, Rules, explore};

/// Runs the search, and prints what it took.
fn searched(name: &str, rules: &Rules) -> Outcome {
    let start = Instant::now();
    let outcome = explore(rules);
    println!("{name}: {outcome} ({:.1} s)", start.elapsed().as_secs_f64());
    outcome
}

#[track_caller]
fn assert_sound(name: &str, rules: &Rules) {
    let outcome = searched(name, rules);
    assert!(outcome.counterexample.is_none(), "{name}: {outcome}");
    assert!(outcome.complete, "{name}: states_max = {} did not suffice", rules.states_max);
    assert!(outcome.states > 100_000, "{name}: so small a search proves nothing: {outcome}");
}

/// Searches the protocol without `rule`; returns the claim that breaks.
#[track_caller]
fn broken_without(rule: Rule) -> Claim {
    let name = format!("without {rule:?}");
    let outcome = searched(&name, &Rules::without(rule));
    let Some((claim, steps)) = outcome.counterexample else { panic!("{name}: no counterexample in {outcome}") };
    assert!(steps.len() <= 12, "{name}: breadth-first search finds a short way: {steps:?}");
    claim
}

#[test]
fn no_read_is_stale_under_three_faults() {
    assert_sound("three faults, one request in the air", &Rules::protocol());
}

#[test]
fn no_read_is_stale_with_two_requests_in_the_air() {
    let rules = Rules { faults_max: 1, loads_max: 2, ..Rules::protocol() };
    assert_sound("one fault, two requests in the air", &rules);
}

#[test]
fn no_read_is_stale_with_both_writers_on_one_node() {
    let rules = Rules { home: [0, 0], faults_max: 2, rollbacks: false, ..Rules::protocol() };
    assert_sound("two faults, both writers on one node", &rules);
}

#[test]
fn no_read_is_stale_after_the_remote_tier_lost_everything_unless_a_writer_dies_as_well() {
    let rules = Rules { floor: Floor::Finished, faults_max: 2, wipes_max: 1, rollbacks: false, ..Rules::protocol() };
    assert_sound("two faults, one of them a loss of everything", &rules);
}

#[test]
fn without_an_intent_a_crash_loses_an_invalidation() {
    broken_without(Rule::Intent);
}

#[test]
fn without_a_publish_at_begin_a_local_hit_is_stale_though_no_message_is_in_flight() {
    let claim = broken_without(Rule::Publish);
    assert!(matches!(claim, Claim::BoundedLocal | Claim::BoundedJoin), "{claim:?}");
}

#[test]
fn without_the_sequence_check_a_late_reply_revives_an_entry() {
    broken_without(Rule::Sequence);
}

#[test]
fn a_flight_that_can_be_joined_across_an_invalidation_answers_a_strict_read_with_an_old_value() {
    let claim = broken_without(Rule::JoinCheck);
    assert!(matches!(claim, Claim::StrictJoin | Claim::BoundedJoin | Claim::OwnWrites), "{claim:?}");
}

#[test]
fn a_write_through_of_a_contested_intent_stores_an_old_value() {
    let claim = broken_without(Rule::Contest);
    assert!(matches!(claim, Claim::StrictRemote | Claim::StrictLocal), "{claim:?}");
}

#[test]
fn a_commit_after_the_lease_has_run_out_can_be_lost() {
    broken_without(Rule::LeaseGuard);
}

#[test]
fn a_write_through_of_an_intent_with_a_gap_stores_an_old_value() {
    broken_without(Rule::Gap);
}

#[test]
fn a_lease_granted_again_before_the_walk_makes_old_cells_valid() {
    broken_without(Rule::Walk);
}

#[test]
fn a_capture_that_does_not_look_for_intents_falls_for_an_evicted_tag() {
    broken_without(Rule::CaptureSeesIntents);
}

#[test]
fn an_evicted_tag_with_a_living_intent_counts_as_contested() {
    broken_without(Rule::LostMarkerIsContested);
}

#[test]
fn without_pins_a_node_misses_its_own_deferred_write() {
    let claim = broken_without(Rule::Pins);
    assert_eq!(claim, Claim::OwnWrites);
}
