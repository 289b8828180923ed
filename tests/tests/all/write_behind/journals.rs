//! What every journal must do, shown on each of them.

use std::{sync::Arc, time::Duration};

use harness::{RedisServer, unique};
use sea_orm_cache::{
    __testing::{
        FileJournal, MemoryJournal, connect,
        journal::{Accepted, Appended, Burial, Change, Entry, Group, Journal, Position, Record, Revived},
    },
    Clock, ErrorKind, Fsync, RedisSettings,
};
use tempfile::TempDir;

const LEASE: Duration = Duration::from_secs(30);
const ALICE: u64 = 1;
const BOB: u64 = 2;

/// A journal of two shards.
pub(crate) struct Kept {
    journal: Arc<dyn Journal>,
    _place: Option<TempDir>,
}

impl Kept {
    fn memory() -> Self {
        Self { journal: Arc::new(MemoryJournal::new("kept", 2, &Clock::manual())), _place: None }
    }

    fn redis() -> Self {
        let patient = Duration::from_secs(10);
        let settings = RedisSettings::new(RedisServer::shared().url())
            .with_namespace(unique("journal"))
            .with_deadlines(patient, patient, patient);
        let (tier, _) = connect(&settings, &Clock::system()).unwrap();
        Self { journal: tier.journal("kept", 2).expect("Redis keeps journals"), _place: None }
    }

    fn file() -> Self {
        let place = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(place.path(), "kept", 2, Fsync::Always, &Clock::manual()).unwrap();
        Self { journal: Arc::new(journal), _place: Some(place) }
    }

    async fn append(&self, sequence: u64, entries: &[Entry]) -> Appended {
        let group = Group { owner: ALICE, sequence, entries, backlog_max: 100 };
        self.journal.append(0, group).await.unwrap()
    }

    async fn claim(&self, owner: u64, count: usize) -> Vec<Record> {
        self.journal.claim(0, owner, LEASE, count).await.unwrap().expect("nobody else flushes")
    }

    async fn acknowledge(&self, records: &[Record]) {
        self.journal.acknowledge(0, records).await.unwrap();
    }

    async fn bury(&self, owner: u64, position: Position) {
        let burial = Burial { position, error: "refused", dead_max: 10 };
        self.journal.bury(0, owner, burial).await.unwrap();
    }

    /// The base and the sums that wait for a key.
    async fn pending(&self, key: &str, written: Position) -> (Option<String>, Vec<(String, i64)>) {
        let pending = self.journal.pending(0, key.as_bytes(), written).await.unwrap();
        let base = pending.base.map(|bytes| String::from_utf8(bytes).unwrap());
        (base, pending.added.into_iter().filter(|(_, by)| *by != 0).collect())
    }
}

fn put(key: &str, value: &str) -> Entry {
    Entry { key: key.into(), change: Change::Absolute(value.into()) }
}

fn add(key: &str, column: &str, by: i64) -> Entry {
    Entry { key: key.into(), change: Change::Add { column: column.to_owned(), by } }
}

fn sums(sums: &[(&str, i64)]) -> Vec<(String, i64)> {
    sums.iter().map(|(column, by)| ((*column).to_owned(), *by)).collect()
}

macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod memory { $(#[tokio::test] async fn $case() { super::$case(super::Kept::memory()).await; })* }
        mod redis { $(#[tokio::test] async fn $case() { super::$case(super::Kept::redis()).await; })* }
        mod file { $(#[tokio::test] async fn $case() { super::$case(super::Kept::file()).await; })* }
    };
}

suite!(
    what_is_appended_is_claimed_in_its_order_until_it_is_acknowledged,
    any_bytes_come_back_as_they_were,
    a_group_that_is_sent_again_is_appended_once,
    a_full_shard_takes_what_it_has_room_for,
    a_sum_that_does_not_fit_is_refused_alone,
    what_is_pending_is_told_by_key,
    what_is_written_and_not_acknowledged_is_not_pending_twice,
    acknowledging_twice_counts_once,
    a_dead_letter_leaves_the_others_where_they_are,
    a_dead_letter_comes_back_as_the_newest_unless_it_is_superseded,
    a_dead_increment_survives_other_increments_but_no_put,
    too_many_dead_letters_are_refused,
    the_state_of_a_shard_is_told,
);

async fn what_is_appended_is_claimed_in_its_order_until_it_is_acknowledged(kept: Kept) {
    kept.journal.open().await.unwrap();
    kept.journal.open().await.unwrap();
    let entries = [put("a", "1"), add("a", "n", 2), put("b", "3"), put("a", "4")];
    let appended = kept.append(1, &entries).await;
    assert_eq!(appended, Appended { outcomes: vec![Accepted::Yes; 4], backlog: 4 });
    let claimed = kept.claim(ALICE, 3).await;
    assert_eq!(claimed.iter().map(|record| record.entry.clone()).collect::<Vec<_>>(), entries[..3]);
    assert!(claimed.windows(2).all(|pair| pair[0].position < pair[1].position) && claimed[0].position > 0);
    assert_eq!(kept.claim(ALICE, 3).await, claimed, "not acknowledged");
    kept.acknowledge(&claimed[..2]).await;
    let rest = kept.claim(ALICE, 10).await;
    assert_eq!(rest.iter().map(|record| record.entry.clone()).collect::<Vec<_>>(), entries[2..]);
    kept.acknowledge(&rest).await;
    assert_eq!(kept.claim(ALICE, 10).await, []);
    let other = kept.journal.claim(1, ALICE, LEASE, 10).await.unwrap();
    assert_eq!(other, Some(Vec::new()), "shards are apart");
    kept.append(2, &entries[..1]).await;
    let last = rest.last().unwrap().position;
    assert!(kept.claim(ALICE, 1).await[0].position > last, "positions grow");
}

async fn any_bytes_come_back_as_they_were(kept: Kept) {
    let bytes: Vec<u8> = (0..=255).collect();
    let entries = [
        Entry { key: bytes.clone(), change: Change::Absolute(bytes.clone()) },
        Entry { key: Vec::new(), change: Change::Absolute(Vec::new()) },
        Entry { key: bytes, change: Change::Add { column: "gr\u{f6}\u{df}e:1".to_owned(), by: -i64::MAX } },
    ];
    kept.append(1, &entries).await;
    let claimed = kept.claim(ALICE, 10).await;
    assert_eq!(claimed.into_iter().map(|record| record.entry).collect::<Vec<_>>(), entries);
}

async fn a_group_that_is_sent_again_is_appended_once(kept: Kept) {
    let entries = [add("a", "n", 1), add("a", "n", 2)];
    let first = kept.append(1, &entries).await;
    assert_eq!(kept.append(1, &entries).await, first);
    assert_eq!(kept.claim(ALICE, 10).await.len(), 2);
    assert_eq!(kept.append(2, &entries).await.backlog, 4);
    let bob = Group { owner: BOB, sequence: 1, entries: &entries, backlog_max: 100 };
    assert_eq!(kept.journal.append(0, bob).await.unwrap().backlog, 6, "another owner counts for itself");
    assert_eq!(kept.pending("a", 0).await, (None, sums(&[("n", 9)])));
}

async fn a_full_shard_takes_what_it_has_room_for(kept: Kept) {
    let entries = [put("a", "1"), put("b", "2"), put("c", "3")];
    let group = Group { owner: ALICE, sequence: 1, entries: &entries, backlog_max: 2 };
    let appended = kept.journal.append(0, group).await.unwrap();
    assert_eq!(appended.outcomes, [Accepted::Yes, Accepted::Yes, Accepted::Full]);
    assert_eq!(appended.backlog, 2);
    assert_eq!(kept.pending("c", 0).await, (None, Vec::new()));
    let claimed = kept.claim(ALICE, 10).await;
    kept.acknowledge(&claimed[..1]).await;
    let group = Group { owner: ALICE, sequence: 2, entries: &entries[2..], backlog_max: 2 };
    assert_eq!(kept.journal.append(0, group).await.unwrap().outcomes, [Accepted::Yes]);
}

async fn a_sum_that_does_not_fit_is_refused_alone(kept: Kept) {
    let entries = [add("a", "n", i64::MAX), add("a", "n", 1), add("a", "m", 1), add("a", "n", -1), add("a", "n", 1)];
    let outcomes = kept.append(1, &entries).await.outcomes;
    use Accepted::{Overflow, Yes};
    assert_eq!(outcomes, [Yes, Overflow, Yes, Yes, Yes]);
    assert_eq!(kept.pending("a", 0).await, (None, sums(&[("n", i64::MAX), ("m", 1)])));
}

async fn what_is_pending_is_told_by_key(kept: Kept) {
    assert_eq!(kept.pending("a", 0).await, (None, Vec::new()));
    kept.append(1, &[add("a", "n", 5), put("a", "x"), add("a", "n", 1), add("a", "m", 2), add("a", "n", 1)]).await;
    kept.append(2, &[add("b", "n", 7)]).await;
    assert_eq!(kept.pending("a", 0).await, (Some("x".to_owned()), sums(&[("n", 2), ("m", 2)])));
    assert_eq!(kept.pending("b", 0).await, (None, sums(&[("n", 7)])));
    let claimed = kept.claim(ALICE, 10).await;
    kept.acknowledge(&claimed[..1]).await;
    assert_eq!(kept.pending("a", 0).await, (Some("x".to_owned()), sums(&[("n", 2), ("m", 2)])));
    kept.acknowledge(&claimed[1..3]).await;
    assert_eq!(kept.pending("a", 0).await, (None, sums(&[("n", 1), ("m", 2)])));
    kept.append(3, &[put("a", "y")]).await;
    kept.acknowledge(&claimed[3..]).await;
    assert_eq!(kept.pending("a", 0).await, (Some("y".to_owned()), Vec::new()));
    assert_eq!(kept.pending("b", 0).await, (None, Vec::new()));
    let rest = kept.claim(ALICE, 10).await;
    kept.acknowledge(&rest).await;
    assert_eq!(kept.pending("a", 0).await, (None, Vec::new()));
    let acknowledged = kept.journal.pending(0, b"a", 0).await.unwrap().acknowledged;
    assert_eq!(acknowledged, rest[0].position);
}

async fn what_is_written_and_not_acknowledged_is_not_pending_twice(kept: Kept) {
    kept.append(1, &[add("a", "n", 1), put("b", "x"), add("b", "n", 2), add("a", "n", 4), add("b", "n", 8)]).await;
    let claimed = kept.claim(ALICE, 10).await;
    let at = |index: usize| claimed[index].position;
    assert_eq!(kept.pending("a", at(0)).await, (None, sums(&[("n", 4)])));
    assert_eq!(kept.pending("a", at(3)).await, (None, Vec::new()));
    assert_eq!(kept.pending("b", at(0)).await, (Some("x".to_owned()), sums(&[("n", 10)])));
    assert_eq!(kept.pending("b", at(1)).await, (None, sums(&[("n", 10)])), "the put is in the database");
    assert_eq!(kept.pending("b", at(2)).await, (None, sums(&[("n", 8)])));
}

async fn acknowledging_twice_counts_once(kept: Kept) {
    kept.append(1, &[add("a", "n", 1), add("a", "n", 2), add("a", "n", 4)]).await;
    let claimed = kept.claim(ALICE, 10).await;
    kept.acknowledge(&claimed[..1]).await;
    kept.acknowledge(&claimed[..2]).await;
    kept.acknowledge(&claimed[..2]).await;
    assert_eq!(kept.pending("a", 0).await, (None, sums(&[("n", 4)])));
}

async fn a_dead_letter_leaves_the_others_where_they_are(kept: Kept) {
    kept.append(1, &[add("a", "n", 1), put("b", "bad"), add("a", "n", 2)]).await;
    let claimed = kept.claim(ALICE, 10).await;
    kept.bury(ALICE, claimed[1].position).await;
    assert_eq!(kept.pending("b", 0).await, (None, Vec::new()));
    assert_eq!(kept.pending("a", 0).await, (None, sums(&[("n", 3)])));
    assert_eq!(kept.claim(ALICE, 10).await, [claimed[0].clone(), claimed[2].clone()]);
    let dead = kept.journal.dead(0, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0].record, dead[0].error.as_str(), dead[0].superseded), (&claimed[1], "refused", false));
    assert!(dead[0].died_unix_ms > 1_600_000_000_000);
    assert_eq!(kept.journal.dead(0, 0).await.unwrap(), []);
    assert!(kept.journal.forget(0, claimed[1].position).await.unwrap());
    assert!(!kept.journal.forget(0, claimed[1].position).await.unwrap());
}

async fn a_dead_letter_comes_back_as_the_newest_unless_it_is_superseded(kept: Kept) {
    kept.append(1, &[put("a", "bad"), put("b", "bad"), add("b", "n", 1), put("c", "bad")]).await;
    let claimed = kept.claim(ALICE, 10).await;
    for at in [0, 1, 3] {
        kept.bury(ALICE, claimed[at].position).await;
    }
    kept.append(2, &[put("c", "newer")]).await;
    let superseded: Vec<bool> = kept.journal.dead(0, 10).await.unwrap().iter().map(|dead| dead.superseded).collect();
    assert_eq!(superseded, [false, true, true]);
    assert_eq!(kept.journal.revive(0, claimed[3].position).await.unwrap(), Revived::Superseded);
    assert_eq!(kept.journal.revive(0, claimed[0].position).await.unwrap(), Revived::Yes);
    assert_eq!(kept.journal.revive(0, claimed[0].position).await.unwrap(), Revived::Unknown);
    assert_eq!(kept.pending("a", 0).await, (Some("bad".to_owned()), Vec::new()));
    let records = kept.claim(ALICE, 10).await;
    assert_eq!(records.last().unwrap().entry, put("a", "bad"));
    assert_eq!(kept.journal.dead(0, 10).await.unwrap().len(), 2);
}

async fn a_dead_increment_survives_other_increments_but_no_put(kept: Kept) {
    kept.append(1, &[add("a", "n", 1), add("b", "n", 1)]).await;
    let claimed = kept.claim(ALICE, 10).await;
    kept.bury(ALICE, claimed[0].position).await;
    kept.bury(ALICE, claimed[1].position).await;
    kept.append(2, &[add("a", "n", 2), put("b", "x")]).await;
    assert_eq!(kept.journal.revive(0, claimed[0].position).await.unwrap(), Revived::Yes);
    assert_eq!(kept.journal.revive(0, claimed[1].position).await.unwrap(), Revived::Superseded);
    assert_eq!(kept.pending("a", 0).await, (None, sums(&[("n", 3)])));
}

async fn too_many_dead_letters_are_refused(kept: Kept) {
    kept.append(1, &[put("a", "1"), put("b", "2")]).await;
    let claimed = kept.claim(ALICE, 10).await;
    kept.bury(ALICE, claimed[0].position).await;
    let burial = Burial { position: claimed[1].position, error: "refused", dead_max: 1 };
    let refused = kept.journal.bury(0, ALICE, burial).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Full, "{refused}");
    assert_eq!(kept.claim(ALICE, 10).await, claimed[1..], "it stays where it is");
}

async fn the_state_of_a_shard_is_told(kept: Kept) {
    let empty = kept.journal.look(0).await.unwrap();
    assert_eq!((empty.records, empty.oldest, empty.tail, empty.dead), (0, None, 0, 0));
    kept.append(1, &[put("a", "1"), put("b", "2")]).await;
    let claimed = kept.claim(ALICE, 10).await;
    let (first, last) = (claimed[0].position, claimed[1].position);
    kept.journal.demand(0, last).await.unwrap();
    kept.journal.demand(0, first).await.unwrap();
    let state = kept.journal.look(0).await.unwrap();
    assert_eq!((state.records, state.oldest, state.tail, state.demanded), (2, Some(first), last, last));
    kept.bury(ALICE, first).await;
    kept.acknowledge(&claimed[1..]).await;
    let state = kept.journal.look(0).await.unwrap();
    assert_eq!((state.records, state.oldest, state.tail, state.dead), (0, None, last, 1));
}

#[tokio::test]
async fn one_owner_at_a_time_flushes_a_shard_in_redis() {
    let kept = Kept::redis();
    kept.append(1, &[put("a", "1"), put("b", "2")]).await;
    let first = kept.claim(ALICE, 1).await;
    assert_eq!(kept.journal.claim(0, BOB, LEASE, 10).await.unwrap(), None, "the other's lease holds");
    let burial = Burial { position: first[0].position, error: "refused", dead_max: 10 };
    assert_eq!(kept.journal.bury(0, BOB, burial).await.unwrap_err().kind(), ErrorKind::Refused);
    kept.journal.release(0, BOB).await.unwrap();
    assert_eq!(kept.journal.claim(0, BOB, LEASE, 10).await.unwrap(), None, "only the holder releases");
    kept.journal.release(0, ALICE).await.unwrap();
    let taken_over = kept.claim(BOB, 10).await;
    assert_eq!((taken_over.len(), &taken_over[0]), (2, &first[0]), "what the other had claimed comes first");
    kept.acknowledge(&taken_over).await;
    assert_eq!(kept.claim(BOB, 10).await, []);
}

#[tokio::test]
async fn a_journal_in_redis_keeps_its_number_of_shards() {
    let settings = RedisSettings::new(RedisServer::shared().url()).with_namespace(unique("shards"));
    let (tier, _) = connect(&settings, &Clock::system()).unwrap();
    tier.journal("kept", 2).unwrap().open().await.unwrap();
    let error = tier.journal("kept", 3).unwrap().open().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Setting && error.to_string().starts_with("shards"), "{error}");
    tier.journal("other", 3).unwrap().open().await.unwrap();
}
