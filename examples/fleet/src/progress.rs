//! How each fleet does, live on a terminal. Elsewhere nothing is shown.

use std::time::Duration;

use fake_idp::Seen;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tower_heed::BoxError;

use super::args::Run;

/// A fleet's line.
#[derive(Clone, Debug)]
pub struct Line(ProgressBar);

/// A line for each fleet. indicatif draws on standard error, and only if that is a terminal.
pub fn lines(run: &Run) -> Result<[Line; 2], BoxError> {
    let style =
        ProgressStyle::with_template("{prefix:<16} {bar:14.cyan/black} {pos:>3}/{len} s {msg}")?;
    let all = MultiProgress::new();
    Ok(["with a store", "without a store"].map(|name| {
        let bar = all.add(ProgressBar::new(run.time.as_secs()).with_style(style.clone()));
        bar.set_prefix(name);
        bar.enable_steady_tick(Duration::from_millis(100));
        Line(bar)
    }))
}

// === impl Line ===

impl Line {
    pub fn show(&self, passed: Duration, seen: &Seen, is_down: bool) {
        self.0.set_position(passed.as_secs());
        let (accepted, rejected) = (seen.status(200) - seen.tokens_granted, seen.rate_limited());
        let fetches = seen.tokens_granted;
        let down = if is_down { ", the store is down" } else { "" };
        self.0.set_message(format!(
            "{accepted} accepted, {rejected} rejected, {fetches} token fetches{down}"
        ));
    }

    pub fn end(&self) {
        self.0.abandon();
    }
}
