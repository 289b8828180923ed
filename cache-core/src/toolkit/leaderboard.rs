//! Leaderboards: who has the most.

use std::time::Duration;

use crate::{
    cache::Cache,
    error::Error,
    ports::toolkit::{
        Place,
        boards::{Board, BoardRule, Excerpt, Rows, Scoring},
    },
    toolkit::{
        board_window::{Period, Window},
        common::{Tool, check_count, check_id, check_span, refused, setting, takes_score},
    },
};

/// Members that one question or one write may be about.
const ROWS_MAX: u64 = 1_000;
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A ranking by score, high to low: all time, or by the hour, day or week.
///
/// # Ties
///
/// Members of equal score have equal rank, and the next rank is left out (1, 2, 2, 4: competition ranking). [`Ranked::position`] numbers without gaps
/// (1, 2, 3, 4), ties by the members' text, from high to low, so that pages are stable.
///
/// ```
/// # use sea_orm_cache::{Cache, toolkit::{Leaderboard, Period, Window}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build().await?;
/// let trending = Leaderboard::builder(&cache, "trending").window(Window::Daily).keep(7).build()?;
/// trending.add("#rust", 2.0).await?;
/// trending.add("#sql", 2.0).await?;
/// trending.add("#tea", 1.0).await?;
///
/// let ranks = trending.top(10).await?.into_iter().map(|row| (row.rank, row.member));
/// assert_eq!(ranks.collect::<Vec<_>>(), [(1, "#sql".into()), (1, "#rust".into()), (3, "#tea".into())]);
/// let week = trending.top_in(Period::Last(7), 1).await?;
/// assert_eq!(week[0].score, 2.0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Leaderboard {
    tool: Tool,
    window: Window,
    rule: BoardRule,
    sum: bool,
    merge_ttl: Duration,
}

/// Settings of a [`Leaderboard`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before build()"]
pub struct LeaderboardBuilder<'a> {
    cache: &'a Cache,
    name: String,
    window: Window,
    keep: Option<u32>,
    ttl: Duration,
    members_max: usize,
    sum: bool,
    merge_ttl: Duration,
}

/// One line of a leaderboard.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ranked {
    /// From 1; equal scores have equal ranks.
    pub rank: u64,
    /// From 1, without gaps.
    pub position: u64,
    /// Who.
    pub member: String,
    /// How much.
    pub score: f64,
}

impl Leaderboard {
    /// Begins with the defaults: all time. The name tells boards apart.
    pub fn builder(cache: &Cache, name: impl Into<String>) -> LeaderboardBuilder<'_> {
        LeaderboardBuilder {
            cache,
            name: name.into(),
            window: Window::AllTime,
            keep: None,
            ttl: DAY * 90,
            members_max: 100_000,
            sum: true,
            merge_ttl: Duration::from_secs(5),
        }
    }

    /// Sets a member's score in the current window.
    ///
    /// # Errors
    ///
    /// If the store fails, or the score is not between -1e300 and 1e300.
    pub async fn set(&self, member: &str, score: f64) -> Result<(), Error> {
        self.write("leaderboard.set", &[(member, score)], Scoring::Set).await.map(drop)
    }

    /// Sets the scores of up to 1,000 members in the current window, in one step.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_all(&self, scores: &[(&str, f64)]) -> Result<(), Error> {
        self.write("leaderboard.set", scores, Scoring::Set).await.map(drop)
    }

    /// Adds to a member's score in the current window (from 0); returns the sum.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn add(&self, member: &str, by: f64) -> Result<f64, Error> {
        Ok(self.write("leaderboard.add", &[(member, by)], Scoring::Add).await?.first().copied().unwrap_or(by))
    }

    /// Raises a member's score in the current window, unless it is higher already; returns what it is now.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn raise(&self, member: &str, score: f64) -> Result<f64, Error> {
        Ok(self.write("leaderboard.raise", &[(member, score)], Scoring::Raise).await?.first().copied().unwrap_or(score))
    }

    /// Removes a member from the current window. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn remove(&self, member: &str) -> Result<bool, Error> {
        check_id(member)?;
        let window = self.window.name(self.tool.clock().unix_ms(), 0);
        let removing = self.tool.store().remove_score(self.place(), &window, member);
        self.tool.run("leaderboard.remove", removing).await
    }

    /// The first `count` of the current window.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn top(&self, count: u64) -> Result<Vec<Ranked>, Error> {
        self.top_in(Period::Current, count).await
    }

    /// The first `count` of a period.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn top_in(&self, period: Period, count: u64) -> Result<Vec<Ranked>, Error> {
        self.page_in(period, 0, count).await
    }

    /// `count` lines of a period after the first `skip`; at most 1,000.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn page_in(&self, period: Period, skip: u64, count: u64) -> Result<Vec<Ranked>, Error> {
        check_count("count", count, 1, ROWS_MAX)?;
        let skip = skip.min(u64::from(u32::MAX));
        Ok(ranked(self.read("leaderboard.page", period, Excerpt::Page { from: skip, count }).await?))
    }

    /// A member's line in the current window; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn rank(&self, member: &str) -> Result<Option<Ranked>, Error> {
        self.rank_in(Period::Current, member).await
    }

    /// A member's line in a period; `None` if it is not there. It has the score as well.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn rank_in(&self, period: Period, member: &str) -> Result<Option<Ranked>, Error> {
        Ok(self.around_in(period, member, 0).await?.into_iter().next())
    }

    /// A member's score in the current window; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn score(&self, member: &str) -> Result<Option<f64>, Error> {
        Ok(self.rank(member).await?.map(|line| line.score))
    }

    /// A member's line in a period, with up to `span` lines before and after it; nothing if it is not there. At most 500 on each side.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn around_in(&self, period: Period, member: &str, span: u64) -> Result<Vec<Ranked>, Error> {
        check_id(member)?;
        check_count("span", span, 0, ROWS_MAX / 2)?;
        Ok(ranked(self.read("leaderboard.around", period, Excerpt::Around { member, span }).await?))
    }

    /// How many members a period has.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub async fn len_in(&self, period: Period) -> Result<u64, Error> {
        Ok(self.read("leaderboard.len", period, Excerpt::Page { from: 0, count: 1 }).await?.total)
    }

    async fn write(&self, operation: &'static str, scores: &[(&str, f64)], how: Scoring) -> Result<Vec<f64>, Error> {
        check_count("scores", scores.len() as u64, 1, ROWS_MAX)?;
        for (member, score) in scores {
            check_id(member)?;
            if !takes_score(*score) {
                return Err(refused(format!("a score of {score}: leaderboards take from -1e300 to 1e300")));
            }
        }
        let window = self.window.name(self.tool.clock().unix_ms(), 0);
        let writing = self.tool.store().write_scores(self.place(), &window, scores, how, self.rule);
        self.tool.run(operation, writing).await
    }

    async fn read(&self, operation: &'static str, period: Period, part: Excerpt<'_>) -> Result<Rows, Error> {
        if let Period::Last(windows) = period {
            check_count("windows", u64::from(windows), 1, 366)?;
        }
        let mut windows = self.window.names(period, self.tool.clock().unix_ms());
        let board = match (windows.len(), windows.pop()) {
            (1, Some(window)) => Board::One(window),
            (_, last) => {
                windows.extend(last);
                Board::Merged { windows, sum: self.sum, keep: self.merge_ttl }
            }
        };
        self.tool.run(operation, self.tool.store().read_board(self.place(), &board, part)).await
    }

    fn place(&self) -> Place<'_> {
        Place { name: self.tool.name(), id: "" }
    }
}

/// Gives each row its rank: that of the row before if the scores are equal, else its position.
fn ranked(rows: Rows) -> Vec<Ranked> {
    let mut lines: Vec<Ranked> = Vec::with_capacity(rows.rows.len());
    for (position, (member, score)) in (rows.from + 1..).zip(rows.rows) {
        let rank = match lines.last() {
            None => rows.above + 1,
            Some(before) if before.score.total_cmp(&score).is_eq() => before.rank,
            Some(_) => position,
        };
        lines.push(Ranked { rank, position, member, score });
    }
    lines
}

impl LeaderboardBuilder<'_> {
    /// Which windows there are. Default: [`Window::AllTime`].
    pub fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// How many windows before the current one are kept. Default: 7.
    pub fn keep(mut self, windows: u32) -> Self {
        self.keep = Some(windows);
        self
    }

    /// A board of all time ends this long after the last write. Default: 90 days.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Members per window; the lowest are dropped. Default: 100,000.
    pub fn members_max(mut self, members: usize) -> Self {
        self.members_max = members;
        self
    }

    /// Whether [`Period::Last`] adds a member's scores up; otherwise the highest counts. Default: yes.
    pub fn sum(mut self, sum: bool) -> Self {
        self.sum = sum;
        self
    }

    /// How old the answer about several windows may be: merging large boards takes Redis long. Default: 5 seconds.
    pub fn merge_ttl(mut self, ttl: Duration) -> Self {
        self.merge_ttl = ttl;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Setting`](crate::ErrorKind::Setting), naming the setting.
    pub fn build(self) -> Result<Leaderboard, Error> {
        check_span("ttl", self.ttl, Duration::from_millis(1))?;
        check_span("merge_ttl", self.merge_ttl, Duration::from_millis(1))?;
        check_count("members_max", self.members_max as u64, 1, 10_000_000)?;
        let ttl = match (self.window.length(), self.keep) {
            (Some(length), keep) => {
                let keep = keep.unwrap_or(7);
                check_count("keep", u64::from(keep), 0, 366)?;
                length * (keep + 1)
            }
            (None, None) => self.ttl,
            (None, Some(_)) => return Err(setting("keep", "is set, but there are no windows")),
        };
        Ok(Leaderboard {
            tool: Tool::new(self.cache, &self.name)?,
            window: self.window,
            rule: BoardRule { members_max: self.members_max, ttl },
            sum: self.sum,
            merge_ttl: self.merge_ttl,
        })
    }
}
