//! Measuring several things in turn, round after round, so that what else the machine does falls on all of them.

use futures_util::future::BoxFuture;

/// What one thing took in each round, in the same unit as the others.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    /// What was measured.
    pub(crate) name: String,
    values: Vec<f64>,
}

impl Samples {
    /// Samples taken elsewhere.
    pub(crate) fn of(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        Self { name: name.into(), values: values.into_iter().collect() }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value in the middle.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The value below which this share of the values lies, from 0 to 1; not a number without values.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
        sorted.get(at).copied().unwrap_or(f64::NAN)
    }

    /// How far the rounds lie apart: half of the distance between the quartiles, as a share of the median.
    pub(crate) fn spread(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / 2.0 / self.median()
    }

    /// The spread as text.
    pub(crate) fn spread_text(&self) -> String {
        format!("±{:.0} %", self.spread() * 100.0)
    }

    /// The median of this over that of `other`, round by round: what disturbs a round disturbs both.
    pub(crate) fn ratio_to(&self, other: &Self) -> f64 {
        let pairs = self.values.iter().zip(&other.values);
        Self::of("ratio", pairs.map(|(this, other)| this / other)).median()
    }
}

type Measure<'a> = Box<dyn FnMut() -> BoxFuture<'a, f64> + 'a>;

/// Things to be measured against each other.
#[derive(Default)]
pub(crate) struct Contest<'a> {
    entrants: Vec<(String, Measure<'a>)>,
}

impl<'a> Contest<'a> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self { entrants: Vec::new() }
    }

    /// Adds something that measures itself: each call is one round, and returns what it took.
    pub(crate) fn enter<F, Fut>(&mut self, name: impl Into<String>, mut measure: F)
    where
        F: FnMut() -> Fut + 'a,
        Fut: Future<Output = f64> + Send + 'a,
    {
        self.entrants.push((name.into(), Box::new(move || Box::pin(measure()))));
    }

    /// Runs one round that does not count, and then `rounds`, each beginning with the next entrant.
    pub(crate) async fn run(mut self, rounds: usize) -> Vec<Samples> {
        let mut samples: Vec<Samples> = self.entrants.iter().map(|(name, _)| Samples::of(name.clone(), [])).collect();
        for round in 0..=rounds {
            for turn in 0..samples.len() {
                let at = (round + turn) % samples.len();
                let took = (self.entrants[at].1)().await;
                if round > 0 {
                    samples[at].values.push(took);
                }
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_those_of_the_values() {
        let samples = Samples::of("x", [5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!((samples.median(), samples.spread()), (3.0, 1.0 / 3.0));
        assert_eq!(samples.ratio_to(&Samples::of("y", [5.0, 0.5, 2.0, 1.0, 1.5])), 2.0);
        assert!(Samples::of("none", []).median().is_nan());
    }

    #[tokio::test]
    async fn every_round_begins_with_another_entrant() {
        let order = std::sync::Mutex::new(String::new());
        let mut contest = Contest::new();
        for name in ["a", "b", "c"] {
            let order = &order;
            contest.enter(name, move || async move {
                order.lock().expect("no other panics").push_str(name);
                1.0
            });
        }
        let samples = contest.run(2).await;
        assert_eq!(*order.lock().expect("no other panics"), "abcbcacab");
        assert_eq!(samples.iter().map(|samples| samples.values.len()).collect::<Vec<_>>(), [2, 2, 2]);
    }
}
