//! Draws ranks of which few are very popular.

use rand::Rng;

/// The Zipf distribution over `1..=n`: rank `k` comes up in proportion to `1 / k^exponent`.
///
/// Source: G. K. Zipf, *Human Behavior and the Principle of Least Effort*, 1949. Drawn by inverting the cumulated weights.
#[derive(Clone, Debug)]
pub struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    /// A distribution over `1..=n`; `n` of 0 is taken as 1.
    pub fn new(n: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulated = (1..=n.max(1))
            .map(|rank| {
                sum += f64::from(rank).powf(-exponent);
                sum
            })
            .collect();
        Self { cumulated }
    }

    /// One rank, from 1.
    pub fn draw(&self, rng: &mut impl Rng) -> i32 {
        let total = self.cumulated.last().copied().unwrap_or(1.0);
        let at = rng.random_range(0.0..total);
        let rank = self.cumulated.partition_point(|sum| *sum <= at) + 1;
        i32::try_from(rank.min(self.cumulated.len())).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn the_first_rank_is_drawn_as_often_as_its_weight_says() {
        let zipf = Zipf::new(100, 1.0);
        let mut rng = StdRng::seed_from_u64(1);
        let draws: Vec<i32> = (0..20_000).map(|_| zipf.draw(&mut rng)).collect();
        let first = draws.iter().filter(|rank| **rank == 1).count();
        // 1 / H(100) = 0.1928
        assert!((3_600..4_100).contains(&first), "{first} of 20,000");
        assert!(draws.iter().all(|rank| (1..=100).contains(rank)));
        assert!(draws.contains(&100));
    }
}
