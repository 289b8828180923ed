//! Says why an entry is or is not valid.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::Moment,
    engine::{Engine, cells::Cell},
    envelope::Envelope,
    error::Error,
    event::Tier,
    ports::TagState,
    tag::Tag,
};

/// Why an entry is or is not valid, tier by tier. Its `Display` is a report for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The key asked about.
    pub key: String,
    /// The copy in each tier that has one.
    pub copies: Vec<CopyReport>,
    /// Whether local hits are served without asking: the bus delivers.
    pub lease_holds: bool,
}

/// One tier's copy of an entry.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CopyReport {
    /// Which tier.
    pub tier: Tier,
    /// The verdict over all tags and the TTL.
    pub validity: Validity,
    /// What is left of the TTL.
    pub ttl_left: Duration,
    /// How long ago the copy was made, as far as this node knows.
    pub age: Duration,
    /// Each tag the entry depends on.
    pub tags: Vec<TagReport>,
}

/// One tag of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagReport {
    /// The tag.
    pub tag: Tag,
    /// Whether the version recorded is the current one.
    pub validity: Validity,
    /// How long ago this node last heard that the tag changed, if it remembers.
    pub changed: Option<Duration>,
}

/// Whether something may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Validity {
    /// It may.
    Valid,
    /// A write made it stale.
    Stale,
    /// A write to it is in flight.
    Pending,
    /// Its TTL has ended.
    Expired,
    /// The bytes cannot be read.
    Unreadable,
}

impl Engine {
    /// Looks at both tiers and at the state of every tag involved, and changes nothing.
    pub(crate) async fn explain(&self, key: &str) -> Result<Explanation, Error> {
        let now = self.clock.now();
        let fetched = self.remote.fetch(&[key], &[]).await?;
        let mut copies = Vec::new();
        if let Some(entry) = self.local.get(key) {
            let (left, age) = (entry.meta.expires.since(now), now.since(entry.meta.created));
            copies.push(self.report(Tier::Local, left, age, entry.meta.tags()).await?);
        }
        if let Some(bytes) = fetched.entries.into_iter().next().flatten() {
            copies.push(match Envelope::parse(&bytes) {
                Ok(envelope) => {
                    let header = envelope.header();
                    let unix = self.clock.unix_ms();
                    let left = Duration::from_millis(header.expires_unix_ms.saturating_sub(unix));
                    let age = Duration::from_millis(unix.saturating_sub(header.created_unix_ms));
                    self.report(Tier::Remote, left, age, header.tags.to_vec()).await?
                }
                Err(_) => CopyReport {
                    tier: Tier::Remote,
                    validity: Validity::Unreadable,
                    ttl_left: Duration::ZERO,
                    age: Duration::ZERO,
                    tags: Vec::new(),
                },
            });
        }
        Ok(Explanation { key: key.to_owned(), copies, lease_holds: self.lease.holds(now) })
    }

    /// What is left of the TTL of an entry, in the tier that keeps it longest.
    pub(crate) async fn ttl(&self, key: &str) -> Result<Option<Duration>, Error> {
        let local = self.local.get(key).map(|entry| entry.meta.expires.since(self.clock.now()));
        let remote = if self.remote.is_shared() { self.remote.ttl(key).await? } else { None };
        Ok(local.max(remote).filter(|left| !left.is_zero()))
    }

    async fn report(
        &self,
        tier: Tier,
        ttl_left: Duration,
        age: Duration,
        recorded: Vec<(Tag, u64)>,
    ) -> Result<CopyReport, Error> {
        let now = self.clock.now();
        let tags: Vec<Tag> = recorded.iter().map(|(tag, _)| tag.clone()).collect();
        let states = self.remote.fetch(&[], &tags).await?.states;
        let tags: Vec<TagReport> = recorded
            .into_iter()
            .zip(states)
            .map(|((tag, version), state)| {
                let cell = self.cells.existing(tag.as_str());
                TagReport {
                    validity: verdict(cell.as_ref(), version, state),
                    changed: changed(cell.as_ref(), now),
                    tag,
                }
            })
            .collect();
        let worst = tags.iter().map(|tag| tag.validity).find(|validity| *validity != Validity::Valid);
        let validity = if ttl_left.is_zero() { Validity::Expired } else { worst.unwrap_or(Validity::Valid) };
        Ok(CopyReport { tier, validity, ttl_left, age, tags })
    }
}

fn verdict(cell: Option<&Arc<Cell>>, version: u64, state: TagState) -> Validity {
    match state {
        _ if cell.is_some_and(|cell| cell.is_pinned()) => Validity::Pending,
        TagState::Version(current) if current == version => Validity::Valid,
        TagState::Pending => Validity::Pending,
        TagState::Version(_) | TagState::Absent => Validity::Stale,
    }
}

fn changed(cell: Option<&Arc<Cell>>, now: Moment) -> Option<Duration> {
    Some(now.since(cell?.touched()?))
}

impl Explanation {
    /// Whether some tier can serve the entry.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.copies.iter().any(|copy| copy.validity == Validity::Valid)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.key)?;
        if self.copies.is_empty() {
            writeln!(f, "  in no tier")?;
        }
        for copy in &self.copies {
            writeln!(
                f,
                "  {:?}: {:?}, {:?} old, {:?} of its TTL left",
                copy.tier, copy.validity, copy.age, copy.ttl_left
            )?;
            for tag in &copy.tags {
                write!(f, "    {}: {:?}", tag.tag, tag.validity)?;
                match tag.changed {
                    Some(ago) => writeln!(f, " (changed {ago:?} ago)")?,
                    None => writeln!(f)?,
                }
            }
        }
        if !self.lease_holds {
            writeln!(f, "  the bus is not heard: every read asks the remote tier")?;
        }
        Ok(())
    }
}
