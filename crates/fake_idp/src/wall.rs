//! The server's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall time that follows tokio's clock, paused or not, from one reading at the start.
///
/// Every `now` in this folder is the *true* time since the Unix epoch; what the server tells its
/// clients is [`shown`](Self::shown), which a wrong clock puts off.
#[derive(Debug)]
pub struct Wall {
    began: Instant,
    epoch: Duration,
    skew: i64,
    date_skew: i64,
}

// === impl Wall ===

impl Wall {
    #[allow(
        clippy::disallowed_methods,
        reason = "a server has a clock of its own, and this is its only reading"
    )]
    pub fn start(skew: i64, date_skew: i64) -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        Self { began: Instant::now(), epoch, skew, date_skew }
    }

    /// Time since the start.
    pub fn offset(&self) -> Duration {
        Instant::now().saturating_duration_since(self.began)
    }

    /// Time since the Unix epoch.
    pub fn now(&self) -> Duration {
        self.epoch + self.offset()
    }

    /// What the server's own clock says at the true time `at`.
    pub fn shown(&self, at: Duration) -> Duration {
        shifted(at, self.skew)
    }

    /// The value of the `Date` header at this moment.
    pub fn date(&self) -> String {
        let shown = shifted(self.shown(self.now()), self.date_skew);
        httpdate::fmt_http_date(UNIX_EPOCH + shown)
    }
}

fn shifted(at: Duration, seconds: i64) -> Duration {
    let by = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { at.saturating_sub(by) } else { at.saturating_add(by) }
}
