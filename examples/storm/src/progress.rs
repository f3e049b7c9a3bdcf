//! How far each strategy is, live on a terminal. Elsewhere nothing is shown.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use load_test::{jobs::Work, tally::Tally};
use tower_heed::BoxError;

use super::strategies::Strategy;

/// A strategy's line.
#[derive(Clone, Debug)]
pub struct Bar(ProgressBar);

/// A line for each strategy. indicatif draws on standard error, and only if that is a terminal.
pub fn bars(work: Work) -> Result<Vec<(Strategy, Bar)>, BoxError> {
    let style =
        ProgressStyle::with_template("{prefix:<29} {bar:14.cyan/black} {pos:>3}/{len} {msg}")?;
    let all = MultiProgress::new();
    let jobs = u64::try_from(work.jobs).unwrap_or(u64::MAX);
    let bar = |strategy: Strategy| {
        let bar = all.add(ProgressBar::new(jobs).with_style(style.clone()));
        bar.set_prefix(strategy.name());
        bar.enable_steady_tick(Duration::from_millis(100));
        (strategy, Bar(bar))
    };
    Ok(Strategy::ALL.into_iter().map(bar).collect())
}

// === impl Bar ===

impl Bar {
    pub fn job_ended(&self, tally: &Tally) {
        self.0.inc(1);
        self.0.set_message(format!("{} sent, {} rejected", tally.attempts(), tally.rejected()));
    }

    pub fn finish(&self) {
        self.0.abandon();
    }
}
