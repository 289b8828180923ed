//! Keeps how long each read took.

use std::time::Duration;

/// Every latency of a run, not a sketch of them: some 60,000 of eight bytes are little.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The latency that `share` (0 to 1) of the reads did not exceed, by the nearest-rank method; zero without any.
    pub fn quantile(&mut self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let rank = (share * self.0.len() as f64).ceil() as usize;
        let at = rank.saturating_sub(1).min(last);
        if self.0.is_empty() { Duration::ZERO } else { *self.0.select_nth_unstable(at).1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_value_of_the_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), Duration::ZERO);
        for micros in (1..=100).rev() {
            latencies.push(Duration::from_micros(micros));
        }
        assert_eq!(latencies.quantile(0.5), Duration::from_micros(50));
        assert_eq!(latencies.quantile(0.99), Duration::from_micros(99));
        assert_eq!(latencies.quantile(1.0), Duration::from_micros(100));
    }
}
