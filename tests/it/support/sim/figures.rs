//! What a scenario comes to over many seeds.

use super::{Outcome, Scenario, ideal, run};

/// Times against those of a client that knows the limiter, and refusals, both sorted.
pub struct Figures {
    times: Vec<f64>,
    refused: Vec<usize>,
}

/// So many seeds, unless `SEEDS` says otherwise.
pub fn seeds(usually: u64) -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usually)
}

impl Figures {
    pub fn of(scenario: &Scenario, seeds: u64) -> Self {
        let one = |seed| {
            let Outcome { took, refused, .. } = run(scenario, seed);
            (took as f64 / ideal(scenario, seed) as f64, refused)
        };
        let (mut times, mut refused): (Vec<_>, Vec<_>) = (0..seeds).map(one).unzip();
        times.sort_by(f64::total_cmp);
        refused.sort_unstable();
        Self { times, refused }
    }

    /// What this part of the seeds does not exceed.
    pub fn time(&self, part: f64) -> f64 {
        self.times[self.at(part)]
    }

    pub fn refused(&self, part: f64) -> usize {
        self.refused[self.at(part)]
    }

    /// The middle, nine in ten, 19 of 20, the worst.
    pub fn line(&self) -> String {
        let parts = [0.5, 0.9, 0.95, 1.0];
        let times = parts.map(|part| format!("{:.3}", self.time(part))).join(" ");
        let refused = parts.map(|part| format!("{:>2}", self.refused(part))).join(" ");
        format!("{times} · {refused}")
    }

    fn at(&self, part: f64) -> usize {
        ((self.times.len() as f64 * part).ceil() as usize).clamp(1, self.times.len()) - 1
    }
}
