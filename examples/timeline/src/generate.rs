//! Generates the social network.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    entities::{favourite, follow, member, tally, tweet},
    zipf::Zipf,
};

/// How large the network is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub members: u32,
    pub tweets: u32,
    pub favourites: u32,
    pub seed: u64,
}

/// All rows of the network. Members and tweets are numbered from 1 in the order they stand here.
pub struct Network {
    pub members: Vec<member::ActiveModel>,
    pub follows: Vec<follow::ActiveModel>,
    pub tweets: Vec<tweet::ActiveModel>,
    pub favourites: Vec<favourite::ActiveModel>,
    pub tallies: Vec<tally::ActiveModel>,
}

/// Nobody follows more members than this.
const FOLLOWS_MAX: u32 = 200;

/// The same size and seed always give the same network.
///
/// Popularity is by rank: member 1 has the most followers and writes the most. How many others a member follows has a power-law
/// tail (Pareto, shape 1.6, least 3), as in real networks: most follow a handful, a few follow hundreds.
pub fn generate(size: Size) -> Network {
    use sea_orm::ActiveValue::Set;

    let mut rng = StdRng::seed_from_u64(size.seed);
    let popular = Zipf::new(size.members, 0.9);
    let talkative = Zipf::new(size.members, 0.7);
    let liked = Zipf::new(size.tweets, 0.9);
    let ids = 1..=i32::try_from(size.members).unwrap_or(i32::MAX);

    let mut follows = BTreeSet::new();
    for follower in ids.clone() {
        let wanted = (3.0 * rng.random_range(f64::EPSILON..1.0).powf(-1.0 / 1.6)).min(f64::from(FOLLOWS_MAX));
        for _ in 0..wanted as u32 {
            let followee = popular.draw(&mut rng);
            if followee != follower {
                follows.insert((follower, followee));
            }
        }
    }

    let authors: Vec<i32> = (0..size.tweets).map(|_| talkative.draw(&mut rng)).collect();
    let mut written = vec![0; size.members as usize + 1];
    for author in &authors {
        if let Some(count) = written.get_mut(*author as usize) {
            *count += 1;
        }
    }

    let mut favourites = BTreeSet::new();
    if size.members > 0 && size.tweets > 0 {
        for _ in 0..size.favourites {
            favourites.insert((liked.draw(&mut rng), rng.random_range(ids.clone())));
        }
    }

    let mut likes = vec![0; size.tweets as usize];
    for (tweet, _) in &favourites {
        if let Some(count) = usize::try_from(*tweet - 1).ok().and_then(|at| likes.get_mut(at)) {
            *count += 1;
        }
    }

    Network {
        tallies: (1..)
            .zip(likes)
            .map(|(tweet, likes)| tally::ActiveModel { tweet_id: Set(tweet), likes: Set(likes) })
            .collect(),
        members: ids
            .map(|id| member::ActiveModel {
                handle: Set(format!("user{id}")),
                name: Set(full_name(&mut rng)),
                tweets: Set(written.get(id as usize).copied().unwrap_or(0)),
                ..Default::default()
            })
            .collect(),
        follows: follows
            .into_iter()
            .map(|(follower, followee)| follow::ActiveModel { follower_id: Set(follower), followee_id: Set(followee) })
            .collect(),
        tweets: authors
            .into_iter()
            .map(|author| tweet::ActiveModel {
                author_id: Set(author),
                body: Set(sentence(&mut rng)),
                edited: Set(false),
                ..Default::default()
            })
            .collect(),
        favourites: favourites
            .into_iter()
            .map(|(tweet, member)| favourite::ActiveModel { tweet_id: Set(tweet), member_id: Set(member) })
            .collect(),
    }
}

/// A sentence of four to fourteen words.
pub fn sentence(rng: &mut impl Rng) -> String {
    let count = rng.random_range(4..=14);
    let words: Vec<&str> = (0..count).filter_map(|_| WORDS.choose(rng).copied()).collect();
    words.join(" ")
}

/// A first and a last name.
pub fn full_name(rng: &mut impl Rng) -> String {
    format!("{} {}", FIRST.choose(rng).unwrap_or(&""), LAST.choose(rng).unwrap_or(&""))
}

const WORDS: &[&str] = &[
    "coffee",
    "rain",
    "again",
    "the",
    "a",
    "why",
    "does",
    "my",
    "cache",
    "never",
    "miss",
    "today",
    "train",
    "late",
    "good",
    "morning",
    "reading",
    "about",
    "databases",
    "and",
    "cats",
    "who",
    "else",
    "loves",
    "this",
    "song",
    "new",
    "bicycle",
    "day",
    "please",
    "tell",
    "me",
    "it",
    "works",
    "on",
    "your",
    "machine",
    "finally",
    "sunshine",
    "in",
    "november",
    "bread",
    "recipe",
];
const FIRST: &[&str] =
    &["Ada", "Alan", "Barbara", "Edgar", "Grace", "Jim", "Leslie", "Margaret", "Michael", "Radia", "Tony"];
const LAST: &[&str] =
    &["Brooks", "Codd", "Gray", "Hamilton", "Hopper", "Lamport", "Liskov", "Lovelace", "Perlman", "Stone"];

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { members: 300, tweets: 2_000, favourites: 500, seed: 7 };

    #[test]
    fn the_same_seed_gives_the_same_network_while_another_gives_a_different_one() {
        let (one, two) = (generate(SIZE), generate(SIZE));
        assert_eq!(one.follows, two.follows);
        assert_eq!(one.tweets, two.tweets);
        assert_ne!(one.tweets, generate(Size { seed: 8, ..SIZE }).tweets);
    }

    #[test]
    fn a_few_members_have_most_followers_while_nobody_follows_themselves() {
        let network = generate(SIZE);
        let mut followers = vec![0_usize; 301];
        for follow in &network.follows {
            let (follower, followee) = (*follow.follower_id.as_ref(), *follow.followee_id.as_ref());
            assert_ne!(follower, followee);
            followers[followee as usize] += 1;
        }
        let total: usize = followers.iter().sum();
        followers.sort_unstable_by(|a, b| b.cmp(a));
        let top: usize = followers.iter().take(30).sum();
        assert!(top * 2 > total, "the top tenth has {top} of {total} followers");
    }

    #[test]
    fn the_count_of_a_tweet_is_the_number_of_its_likes() {
        let network = generate(SIZE);
        let counted: i64 = network.tallies.iter().map(|tally| *tally.likes.as_ref()).sum();
        assert_eq!(counted, network.favourites.len() as i64);
        assert_eq!(network.tallies.len(), network.tweets.len());
        let first = network.favourites.iter().filter(|like| *like.tweet_id.as_ref() == 1).count();
        assert_eq!(*network.tallies[0].likes.as_ref(), first as i64);
    }

    #[test]
    fn a_network_without_tweets_is_possible() {
        assert!(generate(Size { tweets: 0, ..SIZE }).favourites.is_empty());
    }
}
