//! Hands the figures of write-behind to the `metrics` facade.

use super::{core::Core, entity::WriteBehindEntity, stats::WriteBehindStats};
use crate::telemetry::meter::{self, Kind, Published};

/// A metric, what it means, and where its value comes from.
type Metric = (&'static str, &'static str, fn(&WriteBehindStats) -> u64);

const COUNTERS: &[Metric] = &[
    ("sea_orm_cache_write_behind_accepted_total", "Operations accepted by this node.", |all| all.accepted),
    ("sea_orm_cache_write_behind_refused_total", "Operations refused by this node.", |all| all.refused),
    ("sea_orm_cache_write_behind_written_total", "Operations written by this node.", |all| all.written),
    ("sea_orm_cache_write_behind_rows_total", "Rows that these were after coalescing.", |all| all.rows),
    ("sea_orm_cache_write_behind_batches_total", "Transactions committed by this node.", |all| all.batches),
    ("sea_orm_cache_write_behind_retries_total", "Batches tried again, not through their rows.", |all| all.retries),
    ("sea_orm_cache_write_behind_splits_total", "Batches split to find a refused row.", |all| all.splits),
    ("sea_orm_cache_write_behind_buried_total", "Operations made dead letters by this node.", |all| all.buried),
    ("sea_orm_cache_write_behind_replayed_total", "Operations claimed that were written already.", |all| all.replayed),
    ("sea_orm_cache_write_behind_fenced_total", "Batches given up to another node.", |all| all.fenced),
];

const NOW: &[Metric] = &[
    ("sea_orm_cache_write_behind_backlog", "Operations that wait in the journal, of all nodes.", |all| all.backlog),
    ("sea_orm_cache_write_behind_dead_letters", "Dead letters in the journal, of all nodes.", |all| all.dead_letters),
];

const OLDEST: (&str, &str) =
    ("sea_orm_cache_write_behind_oldest_age_seconds", "How long the oldest operation in the journal has waited.");

impl<E: WriteBehindEntity> Published for Core<E> {
    fn publish(&self, cache: &str) {
        COUNTERS.iter().for_each(|(name, meaning, _)| meter::describe(name, Kind::Counter, meaning));
        NOW.iter().for_each(|(name, meaning, _)| meter::describe(name, Kind::Gauge, meaning));
        meter::describe(OLDEST.0, Kind::Age, OLDEST.1);
        meter::describe(meter::WRITE_BEHIND_BATCH_ROWS, Kind::Sizes, "Rows of a transaction.");
        meter::describe(meter::WRITE_BEHIND_FLUSH_SECONDS, Kind::Seconds, "What a transaction took.");
        let labels = [("cache", cache), ("journal", self.settings.name.as_str())];
        let stats = self.stats();
        for (name, _, value) in COUNTERS {
            meter::counter(name, &labels, value(&stats));
        }
        for (name, _, value) in NOW {
            meter::gauge(name, &labels, value(&stats));
        }
        meter::age(OLDEST.0, &labels, stats.oldest_age);
    }
}

/// A transaction was committed.
pub(super) fn committed<E: WriteBehindEntity>(core: &Core<E>, rows: u64, took: std::time::Duration) {
    let cache = &core.db.cache().engine().settings().namespace;
    let labels = [("cache", cache.as_str()), ("journal", core.settings.name.as_str())];
    meter::size(meter::WRITE_BEHIND_BATCH_ROWS, &labels, rows);
    meter::seconds(meter::WRITE_BEHIND_FLUSH_SECONDS, &labels, took);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sea_orm::{ConnectionTrait, Schema};

    use crate::{
        cache::Cache,
        clock::Clock,
        telemetry::recorded::{Found, Labels, recorded},
        write_behind::WriteBehind,
    };

    mod tally {
        use sea_orm::entity::prelude::*;
        use serde::{Deserialize, Serialize};

        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DeriveEntityModel)]
        #[sea_orm(table_name = "tally")]
        pub(crate) struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub(crate) id: i32,
            #[sea_orm(unique)]
            pub(crate) name: String,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub(crate) enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    }

    const LABELS: Labels = &[("journal", "tally")];

    fn row(id: i32, name: &str) -> tally::Model {
        tally::Model { id, name: name.to_owned() }
    }

    async fn tallies(clock: &Clock) -> (Cache, WriteBehind<tally::Entity>) {
        let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
        options.max_connections(1);
        let plain = sea_orm::Database::connect(options).await.unwrap();
        let schema = Schema::new(plain.get_database_backend());
        plain.execute(&schema.create_table_from_entity(tally::Entity)).await.unwrap();
        let cache = Cache::builder().clock(clock.clone()).build().await.unwrap();
        let tallies = WriteBehind::builder(&cache.wrap(plain)).shards(1).build().await.unwrap();
        (cache, tallies)
    }

    #[test]
    fn what_waits_is_handed_over_while_it_waits() {
        let found = Found::in_(&recorded(async || {
            let clock = Clock::manual();
            let (cache, tallies) = tallies(&clock).await;
            // Without the table nothing can be written.
            tallies.0.0.db.execute_unprepared("DROP TABLE tally").await.unwrap();
            tallies.upsert(row(1, "ann")).await.unwrap();
            tallies.upsert(row(2, "bob")).await.unwrap();
            clock.advance(Duration::from_secs(3));
            while tallies.stats().retries == 0 {
                tokio::task::yield_now().await;
            }
            cache.publish_metrics();
        }));
        assert_eq!(found.gauge("sea_orm_cache_write_behind_backlog", LABELS), 2.0);
        assert_eq!(found.gauge("sea_orm_cache_write_behind_oldest_age_seconds", LABELS), 3.0);
        assert_eq!(found.counter("sea_orm_cache_write_behind_accepted_total", LABELS), 2);
        assert_eq!(found.counter("sea_orm_cache_write_behind_retries_total", LABELS), 1);
        assert_eq!(found.counter("sea_orm_cache_write_behind_written_total", LABELS), 0);
    }

    #[test]
    fn what_was_written_refused_and_buried_is_handed_over_at_the_end() {
        let found = Found::in_(&recorded(async || {
            let (_cache, tallies) = tallies(&Clock::manual()).await;
            for model in [row(1, "ann"), row(1, "eve"), row(2, "bob"), row(3, "bob")] {
                tallies.upsert(model).await.unwrap();
            }
            tallies.close().await.unwrap();
            tallies.upsert(row(4, "late")).await.unwrap_err();
        }));
        let counter = |what| found.counter(&format!("sea_orm_cache_write_behind_{what}_total"), LABELS);
        assert_eq!((counter("accepted"), counter("written"), counter("rows"), counter("buried")), (4, 3, 2, 1));
        assert!(counter("splits") > 0);
        assert_eq!((counter("retries"), counter("replayed"), counter("fenced"), counter("refused")), (0, 0, 0, 0));
        assert_eq!(found.gauge("sea_orm_cache_write_behind_backlog", LABELS), 0.0);
        assert_eq!(found.gauge("sea_orm_cache_write_behind_dead_letters", LABELS), 1.0);
        let rows = found.histogram("sea_orm_cache_write_behind_batch_rows", LABELS);
        assert_eq!(rows.iter().sum::<f64>(), 2.0, "{rows:?}");
        assert_eq!(found.histogram("sea_orm_cache_write_behind_flush_seconds", LABELS).len(), rows.len());
    }
}
