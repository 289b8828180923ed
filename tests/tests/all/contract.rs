//! What every remote tier and bus must do, shown on each of them.

mod bus;
mod entries;
mod intents;
mod versions;
mod world;

pub(crate) use world::{Heard, Listening, World};

/// Runs every case on one kind of world.
macro_rules! suite {
    ($name:ident, $make:expr, [$($group:ident :: {$($case:ident),* $(,)?}),* $(,)?]) => {
        mod $name {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$group::$case(&$make.await).await;
                }
            )*)*
        }
    };
}

macro_rules! suites {
    ($cases:tt) => {
        suite!(memory, async { super::World::memory() }, $cases);
        suite!(redis, async { super::World::redis("") }, $cases);
        suite!(redis_resp3, async { super::World::redis("?protocol=resp3") }, $cases);
        suite!(redis_cluster, async { super::World::redis_cluster() }, $cases);
    };
}

suites!([
    entries::{
        what_is_stored_is_fetched_in_the_order_asked_for,
        any_bytes_and_any_key_come_back_as_they_were,
        an_entry_ends_with_its_ttl,
        the_remaining_ttl_is_told,
        removed_entries_are_gone_and_counted,
        one_of_many_wins_a_lock,
        a_lock_is_given_back_by_its_holder_only,
        a_lock_is_given_back_with_the_entry,
        a_lock_ends_by_itself,
        a_lock_lasts_longer_for_its_holder_only,
        a_scan_finds_every_entry_and_nothing_else,
        a_scan_matches_its_pattern,
        calls_about_nothing_work,
    },
    versions::{
        an_absent_tag_gets_a_version_and_keeps_it,
        each_tag_has_its_own_version,
        many_captures_at_once_agree,
        a_version_lives_as_long_as_the_longest_capture,
        a_pending_tag_is_captured_as_pending,
    },
    intents::{
        a_write_makes_the_version_before_it_unreachable,
        an_abandoned_intent_ends_with_its_lease,
        renewing_extends_the_lease_and_contests_nothing,
        an_uncontested_end_may_set_a_version,
        two_intents_contest_each_other,
        an_intent_is_contested_even_by_one_that_ended_first,
        one_intent_after_the_other_is_not_contested,
        a_shorter_lease_does_not_cut_a_longer_one,
        an_expired_intent_kills_what_was_captured_since,
        an_expired_intent_leaves_another_pending_but_contested,
        an_intent_never_begun_ends_as_expired,
        each_tag_of_an_intent_ends_on_its_own,
        an_evicted_tag_is_pending_as_long_as_its_intent,
        an_evicted_tag_does_not_hide_that_two_overlapped,
        a_renewal_does_not_make_up_for_what_an_evicted_tag_knew,
        evicted_intents_leave_the_tag_pending,
        ending_twice_is_harmless,
    },
    bus::{
        the_beginning_of_an_intent_is_heard_by_every_node,
        the_end_is_heard_only_if_the_intent_had_expired,
        messages_come_in_the_order_of_the_calls,
        a_removal_is_heard_by_every_node,
        a_ping_is_heard_by_its_own_node_only,
        a_dropped_subscription_hears_no_more,
    },
]);
