//! Leaderboards.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm_cache::{
    Cache,
    toolkit::{Leaderboard, LeaderboardBuilder, Period, Ranked, Window},
};

use super::World;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn builder(cache: &Cache) -> LeaderboardBuilder<'_> {
    Leaderboard::builder(cache, "board").merge_ttl(Duration::from_millis(1))
}

fn board(cache: &Cache) -> Leaderboard {
    builder(cache).build().expect("the settings are good")
}

fn lines(rows: Vec<Ranked>) -> Vec<(u64, u64, String, f64)> {
    rows.into_iter().map(|row| (row.rank, row.position, row.member, row.score)).collect()
}

fn line(rank: u64, position: u64, member: &str, score: f64) -> (u64, u64, String, f64) {
    (rank, position, member.to_owned(), score)
}

pub(super) async fn scores_are_set_added_to_and_raised(world: &World) {
    let (own, other) = (board(&world.cache), board(&world.other));
    own.set("joe", 10.5).await.expect("a score can be set");
    assert_eq!(other.add("joe", 2.0).await.expect("it can be added to"), 12.5);
    assert_eq!(other.add("ann", -1.0).await.expect("it can be added to"), -1.0);
    assert_eq!(own.raise("joe", 3.0).await.expect("it can be raised"), 12.5, "it is higher already");
    assert_eq!(own.raise("joe", 20.0).await.expect("it can be raised"), 20.0);
    assert_eq!(own.raise("new", -5.0).await.expect("it can be raised"), -5.0);
    own.set("joe", 1.0).await.expect("a score can be set");
    assert_eq!(other.score("joe").await.expect("a score can be read"), Some(1.0));
    assert_eq!(other.score("nobody").await.expect("a score can be read"), None);
    assert!(own.remove("joe").await.expect("a member can be removed"));
    assert!(!own.remove("joe").await.expect("twice is no error"));
    assert_eq!(lines(other.top(10).await.expect("it can be read")), [line(1, 1, "ann", -1.0), line(2, 2, "new", -5.0)]);
    assert!(own.set("joe", f64::NAN).await.is_err());
}

pub(super) async fn equal_scores_have_equal_rank_and_a_stable_order(world: &World) {
    let own = board(&world.cache);
    own.set_all(&[("a", 3.0), ("b", 2.0), ("c", 2.0), ("d", 2.0), ("e", 1.0), ("f", 1.0)])
        .await
        .expect("they can be set");
    let all = [
        line(1, 1, "a", 3.0),
        line(2, 2, "d", 2.0),
        line(2, 3, "c", 2.0),
        line(2, 4, "b", 2.0),
        line(5, 5, "f", 1.0),
        line(5, 6, "e", 1.0),
    ];
    assert_eq!(lines(own.top(10).await.expect("it can be read")), all);
    // A page in the middle of a tie knows the rank as well.
    assert_eq!(lines(own.page_in(Period::Current, 2, 3).await.expect("it can be read")), all[2..5]);
    assert_eq!(lines(own.page_in(Period::Current, 6, 3).await.expect("it can be read")), []);
    assert_eq!(own.rank("b").await.expect("it can be read").map(|row| (row.rank, row.position)), Some((2, 4)));
    assert_eq!(own.len_in(Period::Current).await.expect("it can be read"), 6);
}

pub(super) async fn neighbours_are_those_around_a_member(world: &World) {
    let own = board(&world.cache);
    let names: Vec<String> = (0..9).map(|at| format!("m{at}")).collect();
    let scores: Vec<(&str, f64)> = names.iter().zip(0..).map(|(name, at)| (name.as_str(), f64::from(at))).collect();
    own.set_all(&scores).await.expect("they can be set");
    let around = async |member: &str, span| {
        let rows = own.around_in(Period::Current, member, span).await.expect("it can be read");
        rows.into_iter().map(|row| (row.rank, row.member)).collect::<Vec<_>>()
    };
    let expect = |rows: &[(u64, &str)]| rows.iter().map(|(rank, name)| (*rank, (*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(around("m4", 1).await, expect(&[(4, "m5"), (5, "m4"), (6, "m3")]));
    assert_eq!(around("m8", 2).await, expect(&[(1, "m8"), (2, "m7"), (3, "m6")]));
    assert_eq!(around("m0", 1).await, expect(&[(8, "m1"), (9, "m0")]));
    assert_eq!(around("nobody", 3).await, []);
}

pub(super) async fn a_board_keeps_its_highest(world: &World) {
    let own = builder(&world.cache).members_max(3).build().expect("the settings are good");
    for (member, score) in [("a", 1.0), ("b", 5.0), ("c", 3.0), ("d", 4.0), ("e", 0.5)] {
        own.set(member, score).await.expect("a score can be set");
    }
    assert_eq!(
        lines(own.top(10).await.expect("it can be read")),
        [line(1, 1, "b", 5.0), line(2, 2, "d", 4.0), line(3, 3, "c", 3.0)]
    );
}

pub(super) async fn each_day_has_its_board_and_a_week_is_their_sum(world: &World) {
    let daily = |sum| {
        let builder = Leaderboard::builder(&world.cache, if sum { "sum" } else { "max" }).window(Window::Daily).keep(7);
        builder.sum(sum).merge_ttl(Duration::from_millis(1)).build().expect("the settings are good")
    };
    let (sums, highest) = (daily(true), daily(false));
    for (joe, ann) in [(1.0, 5.0), (3.0, 4.0), (10.0, 0.0)] {
        for board in [&sums, &highest] {
            board.add("joe", joe).await.expect("it can be added to");
            if ann > 0.0 {
                board.add("ann", ann).await.expect("it can be added to");
            }
        }
        world.move_clocks(DAY);
    }
    let top = async |board: &Leaderboard, period| {
        let rows = board.top_in(period, 5).await.expect("it can be read");
        rows.into_iter().map(|row| (row.member, row.score)).collect::<Vec<_>>()
    };
    let expect =
        |rows: &[(&str, f64)]| rows.iter().map(|(name, score)| ((*name).to_owned(), *score)).collect::<Vec<_>>();
    assert_eq!(top(&sums, Period::Current).await, [], "a new day");
    assert_eq!(top(&sums, Period::Ago(1)).await, expect(&[("joe", 10.0)]));
    assert_eq!(top(&sums, Period::Ago(2)).await, expect(&[("ann", 4.0), ("joe", 3.0)]));
    assert_eq!(top(&sums, Period::Last(3)).await, expect(&[("joe", 13.0), ("ann", 4.0)]));
    assert_eq!(top(&sums, Period::Last(7)).await, expect(&[("joe", 14.0), ("ann", 9.0)]));
    assert_eq!(top(&highest, Period::Last(7)).await, expect(&[("joe", 10.0), ("ann", 5.0)]));
    let ann = sums.rank_in(Period::Last(7), "ann").await.expect("it can be read");
    assert_eq!(ann.map(|row| row.rank), Some(2));
}

pub(super) async fn many_additions_at_once_are_all_counted(world: &World) {
    let (own, other) = (board(&world.cache), board(&world.other));
    let adding = (0..50).map(|at| {
        let board = if at % 2 == 0 { &own } else { &other };
        async move { board.add(["a", "b"][at % 5 / 3], 1.0).await.expect("it can be added to") }
    });
    join_all(adding).await;
    assert_eq!(own.score("a").await.expect("it can be read"), Some(30.0));
    assert_eq!(own.score("b").await.expect("it can be read"), Some(20.0));
}
