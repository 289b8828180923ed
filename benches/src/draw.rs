//! Draws rows of which few are very popular.

use rand::Rng;

/// The Zipf distribution over the ids `1..=rows`, the popular ones scattered over the table.
///
/// Source: G. K. Zipf, *Human Behavior and the Principle of Least Effort*, 1949. Drawn by inverting the cumulated weights.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    /// The row of rank `k` comes up in proportion to `1 / k^exponent`; `rows` of 0 is taken as 1.
    pub(crate) fn new(rows: u32, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulated = (1..=rows.max(1)).map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        });
        Self { cumulated: cumulated.collect() }
    }

    /// One id.
    pub(crate) fn draw(&self, random: &mut impl Rng) -> i64 {
        let rows = self.cumulated.len();
        let at = random.random_range(0.0..self.cumulated[rows - 1]);
        self.id(self.cumulated.partition_point(|sum| *sum <= at).min(rows - 1))
    }

    /// The ids of the most popular rows, the most popular first.
    pub(crate) fn top(&self, rows: usize) -> impl Iterator<Item = i64> {
        (0..rows.min(self.cumulated.len())).map(|rank| self.id(rank))
    }

    fn id(&self, rank: usize) -> i64 {
        // A prime that divides no table size used here: another rank is another row.
        1 + (rank * 7_919 % self.cumulated.len()) as i64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    #[test]
    fn the_most_popular_row_is_drawn_as_often_as_its_weight_says() {
        let (zipf, mut random) = (Zipf::new(100, 1.0), SmallRng::seed_from_u64(1));
        let mut times: HashMap<i64, u32> = HashMap::new();
        for _ in 0..20_000 {
            *times.entry(zipf.draw(&mut random)).or_default() += 1;
        }
        // 1 / H(100) = 0.1928
        assert!((3_600..4_100).contains(&times.values().copied().max().unwrap_or(0)), "{times:?}");
        let most = times.iter().max_by_key(|(_, times)| **times).map(|(id, _)| *id);
        assert_eq!(zipf.top(1).next(), most);
        assert_eq!(times.len(), 100, "every row comes up");
        assert!(times.keys().all(|id| (1..=100).contains(id)));
    }
}
