//! How often a member may post: `toolkit::RateLimiter`, counted on all nodes together.

use std::time::Duration;

use sea_orm_cache::{
    Cache, Error,
    toolkit::{Algorithm, RateLimiter},
};

/// The limits of all members.
pub struct Limits(RateLimiter);

impl Limits {
    /// So many posts in any minute.
    pub fn new(cache: &Cache, posts_per_minute: u32) -> Result<Self, Error> {
        let posting = RateLimiter::builder(cache, "posting")
            .algorithm(Algorithm::SlidingLog)
            .limit(posts_per_minute.into(), Duration::from_secs(60));
        Ok(Self(posting.build()?))
    }

    /// Counts a post. How long the member has to wait, if it may not be. While Redis does not answer, everybody may post.
    pub async fn post(&self, member: i32) -> Option<Duration> {
        let decision = self.0.decide(&member.to_string()).await;
        (!decision.allowed).then_some(decision.retry_after)
    }
}
