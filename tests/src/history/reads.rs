//! Reads through the cache.

use std::time::Duration;

use rand::{Rng, rngs::StdRng};
use sea_orm::{DbErr, EntityTrait, QueryFilter, QueryOrder, entity::prelude::*};
use sea_orm_cache::{CacheQuery, Consistency, PolicyOverride, Tag};

use super::{
    node::Node,
    record::{Reading, Recorder, Seen},
    rows::{self, Column, Entity, ROWS, ROWS_OF_THE_DEAD, SHELVES},
};

/// The answer of the database takes at most this long to arrive, now and then: time for an invalidation to come between.
const SLOW_LOAD_MAX_MICROS: u64 = 30_000;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Row(i32),
    /// The row's own entry, which its writers store.
    Own(i32),
    Shelf(i32),
    All,
}

impl Target {
    pub(super) fn every() -> impl Iterator<Item = Self> {
        (1..=ROWS + ROWS_OF_THE_DEAD)
            .flat_map(|id| [Self::Row(id), Self::Own(id)])
            .chain((0..=SHELVES).map(Self::Shelf))
            .chain([Self::All])
    }

    fn random(rng: &mut StdRng) -> Self {
        match rng.random_range(0..20) {
            0 => Self::All,
            1..=3 => Self::Shelf(rng.random_range(0..=SHELVES)),
            4..=6 => Self::Row(rng.random_range(ROWS + 1..=ROWS + ROWS_OF_THE_DEAD)),
            7..=12 => Self::Own(rows::random(rng)),
            _ => Self::Row(rows::random(rng)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Row(_) => "a row",
            Self::Own(_) => "a row's own entry",
            Self::Shelf(_) => "a shelf",
            Self::All => "all",
        }
    }

    fn key(self) -> String {
        match self {
            Self::Row(id) | Self::Own(id) => format!("row:{id}"),
            Self::Shelf(shelf) => format!("shelf:{shelf}"),
            Self::All => "all".to_owned(),
        }
    }

    fn tags(self) -> Vec<Tag> {
        match self {
            Self::Row(id) | Self::Own(id) => vec![Tag::row("item", &[id.to_string()]), Tag::rows("item")],
            Self::Shelf(shelf) => {
                vec![Tag::index("item", "shelf", &shelf.to_string()), Tag::indexes("item"), Tag::rows("item")]
            }
            Self::All => vec![Tag::table("item")],
        }
    }
}

/// One read, written down; of `target`, else of something random.
pub(super) async fn read(node: &Node, recorder: &Recorder, target: Option<Target>, rng: &mut StdRng) {
    let target = target.unwrap_or_else(|| Target::random(rng));
    let strict = rng.random_bool(0.3);
    let slow = rng.random_bool(0.1).then(|| Duration::from_micros(rng.random_range(0..=SLOW_LOAD_MAX_MICROS)));
    let start = recorder.now();
    let seen = through_cache(node, target, strict, slow).await;
    recorder.note(|history| {
        history.ops += 1;
        match seen {
            Ok(rows) => history.readings.extend(rows.into_iter().map(|saw| Reading {
                node: node.id,
                how: target.name(),
                saw,
                start,
                strict,
            })),
            Err(_) => history.read_errors += 1,
        }
    });
}

/// Reads a target. A load takes `slow` longer than the database does.
pub(super) async fn through_cache(
    node: &Node,
    target: Target,
    strict: bool,
    slow: Option<Duration>,
) -> Result<Vec<Seen>, DbErr> {
    let consistency = if strict { Consistency::Strict } else { Consistency::Bounded };
    let policy = PolicyOverride { consistency: Some(consistency), ..PolicyOverride::NONE };
    if let Target::Own(id) = target {
        let row = Entity::find_by_id(id).cached(policy).one(&node.db).await?;
        return Ok(row.into_iter().map(Seen::from).collect());
    }
    let load = async || {
        let rows = Entity::find().order_by_asc(Column::Id);
        let rows = match target {
            Target::Row(id) | Target::Own(id) => rows.filter(Column::Id.eq(id)),
            Target::Shelf(shelf) => rows.filter(Column::Shelf.eq(shelf)),
            Target::All => rows,
        };
        let rows = rows.all(&node.db).await?;
        if let Some(slow) = slow {
            tokio::time::sleep(slow).await;
        }
        Ok::<_, DbErr>(rows.into_iter().map(|row| (row.id, row.version, row.token)).collect::<Vec<_>>())
    };
    let rows = node.cache.get_or_load_with(&target.key(), target.tags(), &policy, load).await?;
    Ok(rows.into_iter().map(|(row, version, token)| Seen { row, version, token }).collect())
}
