//! Says what a write would make stale, before it runs.

use std::fmt;

use sea_orm::Statement;

use super::analysis::{StaleTag, analyze};
use crate::cache::Cache;

/// What [`Cache::explain_write`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteExplanation {
    /// Whether the statement writes at all.
    pub is_write: bool,
    /// Every tag that it makes stale, with the reason, if the rows are not looked at before.
    pub tags: Vec<StaleTag>,
    /// Whether the wrapped connection looks at the rows first, and makes stale only what depends on those.
    pub looks_first: bool,
    /// Whether nobody can tell what is written, so that everything becomes stale.
    pub unreadable: bool,
}

impl Cache {
    /// Lists the tags that a statement would make stale. Nothing is run.
    ///
    /// ```
    /// # use sea_orm::{DbBackend, Statement};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = sea_orm_cache::Cache::builder().build().await?;
    /// let statement = Statement::from_string(DbBackend::Postgres, "TRUNCATE TABLE post");
    /// let explanation = cache.explain_write(&statement);
    /// assert!(explanation.tags.iter().any(|stale| stale.tag.as_str() == "post:*"));
    /// println!("{explanation}");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn explain_write(&self, statement: &Statement) -> WriteExplanation {
        let analysis = analyze(statement.db_backend, &statement.sql);
        let values = statement.values.as_ref();
        let mut tags = analysis.explain_write(values);
        tags.sort_by(|one, two| one.tag.cmp(&two.tag));
        let written = analysis.write_tags(values);
        WriteExplanation {
            is_write: analysis.is_write(),
            tags,
            looks_first: written.preimage.is_some(),
            unreadable: written.unreadable,
        }
    }
}

impl fmt::Display for WriteExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_write {
            return f.write_str("makes nothing stale: it only reads");
        }
        f.write_str(if self.looks_first {
            "looks at the rows and makes stale what depends on them, or else:"
        } else {
            "makes stale:"
        })?;
        for stale in &self.tags {
            write!(f, "\n  {} ({})", stale.tag, stale.reason)?;
        }
        Ok(())
    }
}
