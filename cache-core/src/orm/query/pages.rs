//! Pages of a query that the cache may answer.

use std::{any::type_name, fmt};

use sea_orm::{ConnectionTrait, DbErr, ItemsAndPagesNumber, Paginator, PaginatorTrait, SelectorTrait};

use super::{
    answer::{Kind, Question, Reach, Wishes},
    cached::{CachedQuery, Wires, number, number_again, presence_of_all, reach, rows, rows_again, unseen},
    spy::Spy,
};
use crate::engine::call::Presence;

/// Pages of rows, as SeaORM's [`Paginator`]. Made by [`CachedQuery::paginate`].
pub struct CachedPages<'db, C: ConnectionTrait, S: SelectorTrait<Item: 'static> + 'static> {
    db: &'db C,
    way: Way<'db, C, S>,
    wires: Wires<S::Item>,
    wishes: Wishes,
    page: u64,
    page_size: u64,
}

/// Who answers.
enum Way<'db, C: ConnectionTrait, S: SelectorTrait<Item: 'static> + 'static> {
    Database(Paginator<'db, C, S>),
    Cache(Reach, Paginator<'static, Spy, S>),
}

impl<'db, C, S> CachedPages<'db, C, S>
where
    C: ConnectionTrait,
    S: SelectorTrait + Send + Sync + 'static,
    S::Item: Clone + Send + Sync + 'static,
{
    pub(super) fn new(query: CachedQuery<S>, db: &'db C, page_size: u64) -> Self {
        let CachedQuery { selector, wires, wishes } = query;
        let way = match reach(db, Kind::ALL) {
            Some((reach, spy)) => Way::Cache(reach, selector.paginate(spy, page_size)),
            None => Way::Database(selector.paginate(db, page_size)),
        };
        Self { db, way, wires, wishes, page: 0, page_size }
    }

    /// One page, counted from 0. See [`Paginator::fetch_page`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn fetch_page(&self, page: u64) -> Result<Vec<S::Item>, DbErr> {
        let (reach, pages) = match &self.way {
            Way::Database(pages) => return pages.fetch_page(page).await,
            Way::Cache(reach, pages) => (reach, pages),
        };
        let Some(statement) = Spy::watch(pages.fetch_page(page)) else { return Err(unseen()) };
        let mut wishes = self.wishes.clone();
        if let Some(key) = &mut wishes.key {
            key.push_str(&format!("[{page}*{}]", self.page_size));
        }
        let question = Question { kind: Kind::ALL, result: type_name::<S>(), statement, wishes: &wishes };
        let load = async |statement| rows::<S, C>(self.db, statement).await;
        question.answer(self.db, reach, self.wires.all, presence_of_all, &rows_again::<S>, load).await
    }

    /// The current page. See [`Paginator::fetch`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn fetch(&self) -> Result<Vec<S::Item>, DbErr> {
        self.fetch_page(self.page).await
    }

    /// The number of rows on all pages. See [`Paginator::num_items`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn num_items(&self) -> Result<u64, DbErr> {
        let (reach, pages) = match &self.way {
            Way::Database(pages) => return pages.num_items().await,
            Way::Cache(reach, pages) => (reach, pages),
        };
        let Some(statement) = Spy::watch(pages.num_items()) else { return Err(unseen()) };
        let mut wishes = self.wishes.clone();
        if let Some(key) = &mut wishes.key {
            key.push_str("[items]");
        }
        let question = Question { kind: Kind::COUNT, result: "count", statement, wishes: &wishes };
        let load = async |statement| number(self.db, statement).await;
        question.answer(self.db, reach, self.wires.count, |_| Presence::Unknown, &number_again, load).await
    }

    /// The number of pages. See [`Paginator::num_pages`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn num_pages(&self) -> Result<u64, DbErr> {
        Ok(self.num_items().await?.div_ceil(self.page_size))
    }

    /// Both numbers, of one statement. See [`Paginator::num_items_and_pages`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn num_items_and_pages(&self) -> Result<ItemsAndPagesNumber, DbErr> {
        let number_of_items = self.num_items().await?;
        Ok(ItemsAndPagesNumber { number_of_items, number_of_pages: number_of_items.div_ceil(self.page_size) })
    }

    /// Goes to the next page. See [`Paginator::next`].
    pub fn next(&mut self) {
        self.page += 1;
    }

    /// The current page, counted from 0. See [`Paginator::cur_page`].
    #[must_use]
    pub fn cur_page(&self) -> u64 {
        self.page
    }

    /// Goes to a page, counted from 0. See [`Paginator::set_page`].
    pub fn set_page(&mut self, page: u64) {
        self.page = page;
    }

    /// The current page, then goes to the next; `None` behind the last. See [`Paginator::fetch_and_next`].
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn fetch_and_next(&mut self) -> Result<Option<Vec<S::Item>>, DbErr> {
        let rows = self.fetch().await?;
        self.next();
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }
}

impl<C: ConnectionTrait, S: SelectorTrait<Item: 'static> + 'static> fmt::Debug for CachedPages<'_, C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { page, page_size, wishes, .. } = self;
        f.debug_struct("CachedPages")
            .field("page", page)
            .field("page_size", page_size)
            .field("wishes", wishes)
            .finish_non_exhaustive()
    }
}
