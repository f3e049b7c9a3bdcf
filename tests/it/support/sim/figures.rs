//! The results of a scenario over many seeds.

use super::{Outcome, Scenario, ideal, run};

/// Times relative to a client that knows the limiter, and numbers of 429s, both sorted.
pub struct Figures {
    times: Vec<f64>,
    rate_limited: Vec<usize>,
}

/// The number of seeds: `SEEDS`, or else `usually`.
pub fn seeds(usually: u64) -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usually)
}

impl Figures {
    pub fn of(scenario: &Scenario, seeds: u64) -> Self {
        let one = |seed| {
            let Outcome { took, rate_limited, .. } = run(scenario, seed);
            (took as f64 / ideal(scenario, seed) as f64, rate_limited)
        };
        let (mut times, mut rate_limited): (Vec<_>, Vec<_>) = (0..seeds).map(one).unzip();
        times.sort_by(f64::total_cmp);
        rate_limited.sort_unstable();
        Self { times, rate_limited }
    }

    /// The quantile of the times.
    pub fn time(&self, part: f64) -> f64 {
        self.times[self.at(part)]
    }

    pub fn rate_limited(&self, part: f64) -> usize {
        self.rate_limited[self.at(part)]
    }

    /// The median, the 90th and the 95th percentile, the worst.
    pub fn line(&self) -> String {
        let parts = [0.5, 0.9, 0.95, 1.0];
        let times = parts.map(|part| format!("{:.3}", self.time(part))).join(" ");
        let rate_limited = parts.map(|part| format!("{:>2}", self.rate_limited(part))).join(" ");
        format!("{times} · {rate_limited}")
    }

    fn at(&self, part: f64) -> usize {
        ((self.times.len() as f64 * part).ceil() as usize).clamp(1, self.times.len()) - 1
    }
}
