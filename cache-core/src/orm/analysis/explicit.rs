//! What an invalidation makes stale that names rows instead of writing them.

use sea_orm::DbBackend;

use super::{
    effects::{Image, Writer},
    facts::ChangeKind,
    writes::untagged,
};
use crate::{
    orm::registry::{ColumnInfo, EntityInfo, Registry},
    tag::Tag,
};

/// Only texts are read differently by each database, and there is none.
const ANY_BACKEND: DbBackend = DbBackend::Sqlite;

/// All that writes of any kind to rows of the table make stale.
pub(crate) fn table_written(registry: &Registry, table: &str) -> Vec<Tag> {
    tags(registry, |writer| writer.unknown(table, &ChangeKind::Any, WHY))
}

/// All that inserting, changing or deleting the row with this key makes stale; its key stays what it is.
pub(crate) fn row_written(registry: &Registry, info: &EntityInfo, key: &[String]) -> Vec<Tag> {
    let before = |column: &ColumnInfo| {
        let at = info.key.iter().position(|part| part.is(&column.name))?;
        key.get(at).map(|value| vec![value.clone()])
    };
    let image = Image { keys: Some(vec![key.to_vec()]), before: &before };
    tags(registry, |writer| writer.changed(info, &image, &ChangeKind::Any, None))
}

/// What hangs on rows with this value of an index column: entries of that value, those of the whole table, dependents. Row
/// entries of the table itself do not, since they are named by their keys.
pub(crate) fn index_written(registry: &Registry, info: &EntityInfo, column: &ColumnInfo, value: &str) -> Vec<Tag> {
    tags(registry, |writer| writer.indexed(info, column, value, WHY))
}

const WHY: &str = "invalidated by name";

fn tags(registry: &Registry, write: impl FnOnce(&mut Writer<'_>)) -> Vec<Tag> {
    let mut writer = Writer::new(registry, ANY_BACKEND);
    write(&mut writer);
    untagged(writer.stale.into_tags())
}
