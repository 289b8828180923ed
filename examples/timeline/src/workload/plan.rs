//! Decides what each worker asks for.

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    generate::{full_name, sentence},
    pages::{Request, What},
    writes::Write,
    zipf::Zipf,
};

/// Of a hundred reads: this many timelines, half of them put together from the newest of each author and half kept by the writers, then profiles; the rest are
/// single tweets.
const TIMELINES: u32 = 65;
const HOMES: u32 = 33;
const PROFILES: u32 = 20;

/// Of a hundred writes.
const POSTS: u32 = 35;
const LIKES: u32 = 30;
const FOLLOWS: u32 = 12;
const UNFOLLOWS: u32 = 8;
const EDITS: u32 = 8;
const DELETES: u32 = 4;

/// What the requests are drawn from.
#[derive(Clone, Debug)]
pub struct Mix {
    pub seed: u64,
    /// From 0 to 1.
    pub share_of_writes: f64,
    members: u32,
    by_popularity: Zipf,
    tweets: Zipf,
}

/// One request of a worker.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Read(Request),
    Write(Write),
}

impl Mix {
    pub fn new(members: u32, tweets: u32, skew: f64, share_of_writes: f64, seed: u64) -> Self {
        Self {
            seed,
            share_of_writes,
            members,
            by_popularity: Zipf::new(members, skew),
            tweets: Zipf::new(tweets, skew),
        }
    }

    /// The endless requests of one worker. They depend on nothing but the mix and the worker's number, so that a second run gets the same.
    pub fn worker(&self, number: u32) -> Plan<'_> {
        // Far apart, so that workers of neighbouring seeds have nothing in common.
        let seed = self.seed ^ u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Plan { mix: self, rng: StdRng::seed_from_u64(seed) }
    }

    /// One page of every kind for each of the most popular members and tweets.
    pub fn sweep(&self, most: u32) -> impl Iterator<Item = Request> + '_ {
        (1..=most.min(self.members)).filter_map(|rank| i32::try_from(rank).ok()).flat_map(|id| {
            [What::Timeline, What::Home, What::Profile { member: id }, What::Tweet { tweet: id }]
                .map(|what| Request { viewer: id, what })
        })
    }
}

/// The requests of one worker.
pub struct Plan<'a> {
    mix: &'a Mix,
    rng: StdRng,
}

impl Iterator for Plan<'_> {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        let write = self.rng.random_bool(self.mix.share_of_writes);
        Some(if write { Action::Write(self.write()) } else { Action::Read(self.read()) })
    }
}

impl Plan<'_> {
    fn read(&mut self) -> Request {
        let what = match self.rng.random_range(0..100) {
            kind if kind < HOMES => What::Home,
            kind if kind < TIMELINES => What::Timeline,
            kind if kind < TIMELINES + PROFILES => What::Profile { member: self.popular() },
            _ => What::Tweet { tweet: self.tweet() },
        };
        Request { viewer: self.popular(), what }
    }

    fn write(&mut self) -> Write {
        let mut kind = self.rng.random_range(0..100);
        let mut is = |share: u32| {
            let chosen = kind < share;
            kind = kind.saturating_sub(share);
            chosen
        };
        if is(POSTS) {
            Write::Post { author: self.popular(), body: sentence(&mut self.rng) }
        } else if is(LIKES) {
            Write::Like { member: self.anybody(), tweet: self.tweet() }
        } else if is(FOLLOWS) {
            Write::Follow { follower: self.popular(), followee: self.anybody() }
        } else if is(UNFOLLOWS) {
            // Members of low rank are followed by almost everybody, so that there is something to end.
            Write::Unfollow { follower: self.popular(), followee: self.popular() }
        } else if is(EDITS) {
            Write::Edit { tweet: self.tweet(), body: sentence(&mut self.rng) }
        } else if is(DELETES) {
            Write::Delete { tweet: self.tweet() }
        } else {
            Write::Rename { member: self.popular(), name: full_name(&mut self.rng) }
        }
    }

    fn popular(&mut self) -> i32 {
        self.mix.by_popularity.draw(&mut self.rng)
    }

    fn anybody(&mut self) -> i32 {
        i32::try_from(self.rng.random_range(1..=self.mix.members)).unwrap_or(1)
    }

    fn tweet(&mut self) -> i32 {
        self.mix.tweets.draw(&mut self.rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_asks_the_same_in_a_second_run_while_another_worker_asks_otherwise() {
        let mix = Mix::new(100, 1_000, 1.0, 0.1, 5);
        let take = |number| mix.worker(number).take(200).collect::<Vec<_>>();
        assert_eq!(take(0), take(0));
        assert_ne!(take(0), take(1));
    }

    #[test]
    fn every_kind_of_request_comes_up() {
        let mix = Mix::new(100, 1_000, 1.0, 0.5, 5);
        let kinds: std::collections::BTreeSet<String> = mix
            .worker(0)
            .take(2_000)
            .map(|action| {
                let kind = match action {
                    Action::Read(request) => format!("Read {:?}", request.what),
                    Action::Write(write) => format!("Write {write:?}"),
                };
                kind.split(" {").next().unwrap_or_default().to_owned()
            })
            .collect();
        let expected = "Read Home, Read Profile, Read Timeline, Read Tweet, Write Delete, Write Edit, Write Follow, Write Like, Write Post, \
                        Write Rename, Write Unfollow";
        assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(", "), expected);
    }
}
