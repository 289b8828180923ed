//! Which hashtags are used most: `toolkit::Leaderboard`, a board for each day, the last seven of them added up.

use std::time::Duration;

use sea_orm_cache::{
    Cache, Error,
    toolkit::{Leaderboard, Period, Window},
};

/// How many are shown.
const SHOWN: u64 = 8;

/// How many of a tweet count.
const COUNTED_MAX: usize = 5;

/// The hashtags of the last seven days.
pub struct Trending(Leaderboard);

impl Trending {
    pub fn new(cache: &Cache) -> Result<Self, Error> {
        let board = Leaderboard::builder(cache, "trending").window(Window::Daily).keep(7);
        Ok(Self(board.merge_ttl(Duration::from_millis(500)).build()?))
    }

    /// Counts the hashtags of a new tweet. While Redis does not answer, they do not count.
    pub async fn posted(&self, body: &str) {
        for hashtag in hashtags(body) {
            _ = self.0.add(&hashtag, 1.0).await;
        }
    }

    /// Those that are used most, with how often; nothing while Redis does not answer.
    pub async fn top(&self) -> Vec<(String, u64)> {
        let rows = self.0.top_in(Period::Last(7), SHOWN).await.unwrap_or_default();
        rows.into_iter().map(|row| (row.member, row.score as u64)).collect()
    }
}
/// The hashtags of a text, in lower case, each once, without the `#`.
pub fn hashtags(body: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in body.split('#').skip(1) {
        let tag: String = word.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        let tag = tag.to_lowercase();
        if (2..=30).contains(&tag.chars().count()) && !found.contains(&tag) && found.len() < COUNTED_MAX {
            found.push(tag);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hashtag_ends_with_its_word_and_counts_once() {
        assert_eq!(hashtags("#Rust, #rust! and #sea_orm2 (no # and #x)"), ["rust", "sea_orm2"]);
    }
}
