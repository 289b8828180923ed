//! Feeds: what the people I follow wrote, newest first.

use std::time::Duration;

use crate::{
    cache::Cache,
    error::Error,
    ports::toolkit::{
        Place,
        feeds::{FeedRule, FeedSlice, LoadTurn, Reach, Removal, Scored},
    },
    toolkit::{
        common::{Tool, check_count},
        feed_builder::FeedBuilder,
        feed_item::{FeedCursor, FeedItem, FeedPage, Published, member},
    },
};

/// How often a reader looks whether another has loaded the feed.
const LOOK: Duration = Duration::from_millis(20);
/// Lists that are read in one round trip.
const LISTS_PER_READ: usize = 100;
/// Items per page.
const PAGE_MAX: u64 = 1_000;

/// Timelines by fan-out on write: each item is put into the feed of each follower, which is then read in one round trip.
///
/// - Feeds are capped, and end when nobody reads them; an item is put only into feeds that are there. A feed that is not (*cold*) is loaded from the database by
///   the caller's loader, by one process at a time; what is published or deleted during the load is not lost.
/// - Authors with very many followers (*large*) are not fanned out. Each author has a list of recent items anyhow, and those of the large ones are
///   merged in when a feed is read.
/// - Every operation may be repeated without harm: an item is in a feed once.
/// - Pages follow a cursor (score, author and id), so that items that arrive or go meanwhile neither repeat nor hide others.
/// - If Redis does not answer, [`page`](Feed::page) asks the loader.
///
/// Items hold ids only; load what they stand for with a batch function, and skip what the database no longer has.
///
/// ```
/// # use sea_orm_cache::{Cache, toolkit::{Feed, FeedItem}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let home = Feed::builder(&cache, "home").build()?;
/// let from_database = async || Ok::<_, std::io::Error>(vec![FeedItem::new("1", "joe", 1_000.0)]);
///
/// let page = home.page("ann", &[] as &[&str], None, 20, from_database).await?;      // cold: loads, and stores
/// assert_eq!(page.items.len(), 1);
///
/// home.publish(&FeedItem::new("2", "joe", 2_000.0), &["ann", "bob"]).await?;        // after the commit
/// let page = home.page("ann", &[] as &[&str], None, 20, from_database).await?;
/// assert_eq!(page.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["2", "1"]);
///
/// home.unfollow("ann", "joe").await?;
/// assert!(home.page("ann", &[] as &[&str], None, 20, from_database).await?.items.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Feed {
    pub(super) tool: Tool,
    pub(super) rule: FeedRule,
    pub(super) large: u64,
    pub(super) batch: usize,
    pub(super) load_lease: Duration,
    pub(super) load_wait: Duration,
}

impl Feed {
    /// Begins with the defaults. The name tells feeds apart.
    pub fn builder(cache: &Cache, name: impl Into<String>) -> FeedBuilder<'_> {
        FeedBuilder::new(cache, name.into())
    }

    /// Whether an author with so many followers is large. The application remembers who is: an author who was large once stays so for as long as
    /// feeds live, since items of that time are in no feed.
    #[must_use]
    pub fn is_large(&self, followers: u64) -> bool {
        followers > self.large
    }

    /// Puts an item into the author's list and, unless the author is [large](Feed::is_large), into the feeds of the followers, in batches.
    /// Call it after the item is committed, so that a feed loaded at the same time misses nothing.
    ///
    /// # Errors
    ///
    /// If the store fails: some feeds may have the item already. Repeat it.
    pub async fn publish<S: AsRef<str>>(&self, item: &FeedItem, followers: &[S]) -> Result<Published, Error> {
        let scored = [item.scored()?];
        let is_large = self.is_large(followers.len() as u64);
        self.list(item, &scored).await?;
        let mut feeds = 0;
        for batch in followers.chunks(self.batch) {
            if is_large {
                break;
            }
            feeds += self.push(batch, &scored).await?;
        }
        Ok(Published { feeds, merged_at_read: is_large })
    }

    /// Puts an item of a large author into the author's list only: nobody need look up a million followers.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn publish_large(&self, item: &FeedItem) -> Result<Published, Error> {
        self.list(item, &[item.scored()?]).await?;
        Ok(Published { feeds: 0, merged_at_read: true })
    }

    /// Takes a deleted item out of the author's list and the feeds of the followers. For a large author, none need be named.
    /// Returns in how many lists it was.
    ///
    /// # Errors
    ///
    /// If the store fails. Repeat it.
    pub async fn delete<S: AsRef<str>>(&self, item: &FeedItem, followers: &[S]) -> Result<u64, Error> {
        let text = member(&item.author, &item.id);
        let list = list_of(&item.author);
        let mut removed = self.remove(&[self.tool.place(&list)?], Removal::Member(&text)).await?;
        for batch in followers.chunks(self.batch) {
            let feeds: Vec<String> = batch.iter().map(|reader| feed_of(reader.as_ref())).collect();
            removed += self.remove(&self.places(&feeds)?, Removal::Member(&text)).await?;
        }
        Ok(removed)
    }

    /// Takes an author's items out of a reader's feed. Returns how many.
    ///
    /// # Errors
    ///
    /// If the store fails. Repeat it.
    pub async fn unfollow(&self, reader: &str, author: &str) -> Result<u64, Error> {
        self.remove(&[self.tool.place(&feed_of(reader))?], Removal::Prefix(&member(author, ""))).await
    }

    /// Puts an author's recent items into a reader's feed, if that is in the store. Two round trips. Returns how many.
    ///
    /// # Errors
    ///
    /// If the store fails. Repeat it.
    pub async fn follow(&self, reader: &str, author: &str) -> Result<usize, Error> {
        let list = list_of(author);
        let places = [self.tool.place(&list)?];
        let reading = self.tool.store().read_feeds(&places, None, self.rule.capacity, self.rule.ttl);
        let slices = self.tool.run("feed.follow", reading).await?;
        let members: Vec<Scored> = slices.into_iter().flat_map(|slice| slice.members).collect();
        if members.is_empty() {
            return Ok(0);
        }
        let reached = self.push(&[reader], &members).await?;
        Ok(if reached == 0 { 0 } else { members.len() })
    }

    /// Puts items into one reader's feed, if that is in the store. Returns whether it is.
    ///
    /// # Errors
    ///
    /// If the store fails. Repeat it.
    pub async fn add(&self, reader: &str, items: &[FeedItem]) -> Result<bool, Error> {
        let members = items.iter().map(FeedItem::scored).collect::<Result<Vec<_>, _>>()?;
        Ok(self.push(&[reader], &members).await? > 0)
    }

    /// Drops a reader's feed: it is loaded anew when it is read.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn reset(&self, reader: &str) -> Result<(), Error> {
        let feed = feed_of(reader);
        self.tool.run("feed.reset", self.tool.store().drop_feed(self.tool.place(&feed)?)).await
    }

    /// One page of what is in the store: the reader's feed, merged with the lists of `large` authors that the reader follows.
    /// At most 1,000 items.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn read<S: AsRef<str>>(
        &self,
        reader: &str,
        large: &[S],
        after: Option<&FeedCursor>,
        count: usize,
    ) -> Result<FeedPage, Error> {
        check_count("count", count as u64, 1, PAGE_MAX)?;
        let names: Vec<String> =
            std::iter::once(feed_of(reader)).chain(large.iter().map(|author| list_of(author.as_ref()))).collect();
        let mut slices = Vec::with_capacity(names.len());
        let from = after.map(FeedCursor::after);
        for batch in names.chunks(LISTS_PER_READ) {
            let places = self.places(batch)?;
            let reading = self.tool.store().read_feeds(&places, from.as_ref(), count, self.rule.ttl);
            slices.extend(self.tool.run("feed.read", reading).await?);
        }
        Ok(merge(&slices, after, count))
    }

    /// One page of the reader's feed. A cold feed is loaded with `load`: the newest items, at least as many as the feed's capacity if there are, of everybody
    /// whom the reader follows, large authors included. Where the store does not answer, the loader's items are the answer.
    ///
    /// # Errors
    ///
    /// The loader's own, and nothing else.
    pub async fn page<S, E, L, Fut>(
        &self,
        reader: &str,
        large: &[S],
        after: Option<&FeedCursor>,
        count: usize,
        load: L,
    ) -> Result<FeedPage, E>
    where
        S: AsRef<str>,
        L: FnOnce() -> Fut,
        Fut: Future<Output = Result<Vec<FeedItem>, E>>,
    {
        let count = count.clamp(1, 1_000);
        match self.read(reader, large, after, count).await {
            Ok(page) if page.warm => return Ok(page),
            Ok(_) => {}
            Err(_) => return Ok(self.cut(load().await?, after, count)),
        }
        let token = rand::random();
        if !self.turn(reader, token).await
            && let Ok(page) = self.read(reader, large, after, count).await
            && page.warm
        {
            return Ok(page);
        }
        let mut items = load().await?;
        items.sort_by(FeedItem::order);
        if self.store(reader, token, &items).await.unwrap_or(false)
            && let Ok(page) = self.read(reader, large, after, count).await
            && page.warm
        {
            return Ok(page);
        }
        Ok(self.cut(items, after, count))
    }

    /// Whether it is this caller's turn to load. If it is another's, waits until that one is done or `load_wait` is over.
    async fn turn(&self, reader: &str, token: u64) -> bool {
        let begun = self.tool.clock().now();
        let feed = feed_of(reader);
        loop {
            let Ok(place) = self.tool.place(&feed) else { return false };
            let beginning = self.tool.store().begin_feed(place, token, self.load_lease);
            match self.tool.run("feed.load", beginning).await {
                Ok(LoadTurn::Mine) => return true,
                Ok(LoadTurn::Theirs) if self.tool.clock().now().since(begun) < self.load_wait => {
                    self.tool.sleep(LOOK).await;
                }
                Ok(LoadTurn::Theirs | LoadTurn::Warm) | Err(_) => return false,
            }
        }
    }

    async fn store(&self, reader: &str, token: u64, items: &[FeedItem]) -> Result<bool, Error> {
        let kept = items.iter().take(self.rule.capacity).map(FeedItem::scored);
        let members = kept.collect::<Result<Vec<_>, _>>()?;
        let feed = feed_of(reader);
        let storing = self.tool.store().finish_feed(self.tool.place(&feed)?, token, &members, self.rule);
        self.tool.run("feed.store", storing).await
    }

    /// A page of loaded items.
    fn cut(&self, mut items: Vec<FeedItem>, after: Option<&FeedCursor>, count: usize) -> FeedPage {
        items.sort_by(FeedItem::order);
        items.dedup_by(|one, other| one.order(other).is_eq());
        let is_cut = items.len() >= self.rule.capacity;
        items.retain(|item| after.is_none_or(|after| after.order(&item.cursor()).is_lt()));
        let more = items.len() > count;
        items.truncate(count);
        let last = items.last().map(FeedItem::cursor).or_else(|| after.cloned());
        let (next, beyond) = match (more, is_cut) {
            (true, _) => (last, None),
            (false, true) => (None, last),
            (false, false) => (None, None),
        };
        FeedPage { items, next, beyond, warm: false }
    }

    async fn list(&self, item: &FeedItem, scored: &[Scored]) -> Result<(), Error> {
        let list = list_of(&item.author);
        let places = [self.tool.place(&list)?];
        let pushing = self.tool.store().push_feeds(&places, scored, self.rule, Reach::Create);
        self.tool.run("feed.publish", pushing).await.map(drop)
    }

    async fn push<S: AsRef<str>>(&self, readers: &[S], members: &[Scored]) -> Result<u64, Error> {
        let feeds: Vec<String> = readers.iter().map(|reader| feed_of(reader.as_ref())).collect();
        let places = self.places(&feeds)?;
        let pushing = self.tool.store().push_feeds(&places, members, self.rule, Reach::Existing);
        self.tool.run("feed.push", pushing).await
    }

    async fn remove(&self, places: &[Place<'_>], removal: Removal<'_>) -> Result<u64, Error> {
        self.tool.run("feed.remove", self.tool.store().remove_from_feeds(places, removal)).await
    }

    fn places<'a>(&'a self, names: &'a [String]) -> Result<Vec<Place<'a>>, Error> {
        names.iter().map(|name| self.tool.place(name)).collect()
    }
}

fn feed_of(reader: &str) -> String {
    ["r:", reader].concat()
}

fn list_of(author: &str) -> String {
    ["a:", author].concat()
}

/// Merges slices that begin after the same cursor. The first is the reader's feed.
fn merge(slices: &[FeedSlice], after: Option<&FeedCursor>, count: usize) -> FeedPage {
    let items = slices.iter().flat_map(|slice| &slice.members).filter_map(FeedItem::of);
    let mut merged: Vec<(FeedCursor, FeedItem)> = items.map(|item| (item.cursor(), item)).collect();
    merged.sort_by(|(one, _), (other, _)| one.order(other));
    merged.dedup_by(|(one, _), (other, _)| one.order(other).is_eq());
    // Where a list ends for lack of room, nobody knows what it held below: the page ends there as well.
    let ends = slices.iter().filter(|slice| slice.trimmed && slice.members.len() < count);
    let ends = ends.map(|slice| slice.members.last().and_then(FeedItem::of).map(|item| item.cursor()));
    // A list that ended before the cursor (`None`) leaves nothing.
    let mut bar: Option<Option<FeedCursor>> = None;
    for end in ends {
        bar = Some(match (bar, end) {
            (None, end) => end,
            (Some(Some(bar)), Some(end)) => Some(if bar.order(&end).is_lt() { bar } else { end }),
            (Some(_), _) => None,
        });
    }
    let known = merged.len();
    match &bar {
        Some(Some(bar)) => merged.retain(|(cursor, _)| cursor.order(bar).is_le()),
        Some(None) => merged.clear(),
        None => {}
    }
    let is_barred = bar.is_some() && merged.len() <= count;
    let has_more = merged.len() > count || (known >= count && !is_barred);
    merged.truncate(count);
    let last = merged.last().map(|(cursor, _)| cursor.clone()).or_else(|| after.cloned());
    let (next, beyond) = match (has_more, is_barred) {
        (true, _) => (last, None),
        (false, true) => (None, last),
        (false, false) => (None, None),
    };
    let warm = slices.first().is_some_and(|slice| slice.warm);
    FeedPage { items: merged.into_iter().map(|(_, item)| item).collect(), next, beyond, warm }
}
