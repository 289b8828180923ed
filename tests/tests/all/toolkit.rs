//! What every type of the toolkit must do, shown in process memory, on Redis (both protocols) and on Redis Cluster.

mod boards;
mod events;
mod feeds;
mod limit_property;
mod limits;
mod sessions;
mod tower_layer;
mod values;
mod wiring;
mod world;

use world::World;

/// Runs every case on one kind of world, and looks afterwards whether all that is left has an end.
macro_rules! suite {
    ($name:ident, $make:expr, [$($group:ident :: {$($case:ident),* $(,)?}),* $(,)?]) => {
        mod $name {
            $(mod $group {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let world: super::super::World = $make.await;
                        super::super::$group::$case(&world).await;
                        world.assert_that_everything_ends();
                    }
                )*
            })*
        }
    };
}

macro_rules! suites {
    ($cases:tt) => {
        suite!(memory, async { super::super::World::memory().await }, $cases);
        suite!(redis, async { super::super::World::redis("").await }, $cases);
        suite!(redis_resp3, async { super::super::World::redis("?protocol=resp3").await }, $cases);
        suite!(redis_cluster, async { super::super::World::redis_cluster().await }, $cases);
    };
}

suites!([
    sessions::{
        a_session_is_what_was_put_into_it,
        a_field_is_set_and_taken_away_alone,
        ids_are_unguessable_and_not_stored,
        a_session_that_is_not_touched_ends,
        touching_prolongs,
        touching_does_not_prolong_past_the_absolute_end,
        a_destroyed_session_is_gone,
        all_sessions_of_a_user_end_at_once,
        all_but_this_one_end,
        one_session_too_many_ends_the_one_that_would_end_first,
        many_sign_ins_at_once_keep_the_bound,
        texts_that_are_no_ids_are_nobodys,
        users_whose_names_look_alike_do_not_meet,
    },
    limits::{
        no_more_than_the_limit_pass_however_many_call_at_once,
        a_refused_call_may_pass_after_the_time_it_was_told,
        remaining_and_reset_are_true,
        a_clock_that_is_behind_reopens_nothing,
        keys_and_names_are_apart,
        a_call_that_weighs_more_passes_whole_or_not_at_all,
        a_forgotten_key_begins_anew,
        a_fixed_window_begins_anew_at_its_border,
        a_burst_is_followed_by_a_steady_rate,
        the_stores_own_time_counts_as_well,
    },
    feeds::{
        an_item_is_once_in_each_feed_that_is_there,
        one_of_many_readers_loads_a_cold_feed,
        what_is_published_during_a_load_is_not_lost,
        what_is_deleted_during_a_load_does_not_come_back,
        a_load_that_took_too_long_stores_nothing,
        a_feed_keeps_its_newest_items,
        pages_through_ties_have_no_gap_and_no_duplicate,
        what_comes_and_goes_between_pages_hides_nothing_else,
        unfollowing_takes_one_authors_items_away,
        following_brings_an_authors_recent_items,
        large_authors_are_merged_when_read,
        a_merged_feed_ends_where_a_list_was_cut,
        a_deleted_item_is_gone_everywhere,
        a_feed_that_nobody_reads_ends,
        many_publishers_at_once_lose_nothing,
        a_fan_out_to_many_feeds_reaches_all_of_them,
    },
    boards::{
        scores_are_set_added_to_and_raised,
        equal_scores_have_equal_rank_and_a_stable_order,
        neighbours_are_those_around_a_member,
        a_board_keeps_its_highest,
        each_day_has_its_board_and_a_week_is_their_sum,
        many_additions_at_once_are_all_counted,
    },
    events::{
        events_are_read_in_order_from_any_of_them_on,
        a_stream_keeps_its_newest_events,
        consumers_of_a_group_share_the_events,
        what_is_not_acknowledged_in_time_is_given_to_another,
        a_new_group_begins_where_it_was_told,
        a_tail_has_every_event_once_however_slowly_it_is_read,
        tails_that_wait_hear_of_an_event_when_it_is_appended,
        many_writers_at_once_lose_nothing,
    },
    values::{
        one_of_many_has_the_lock,
        fencing_tokens_rise_whoever_holds_and_however_it_ended,
        a_lost_lock_is_not_given_back_by_its_old_holder,
        a_renewed_lock_is_held_longer,
        a_dropped_lock_is_given_back,
        what_a_lock_guards_is_done_by_one_at_a_time,
        a_register_changes_only_as_expected,
        a_version_does_not_come_back,
        many_increments_by_compare_and_set_are_all_there,
        a_register_ends,
        counters_count_whoever_adds,
        what_is_taken_is_counted_once,
        a_counter_ends,
        visitors_are_counted_once_within_two_percent,
        a_visitor_who_was_there_changes_nothing,
        a_list_has_its_newest_items,
        a_list_ends,
    },
]);
