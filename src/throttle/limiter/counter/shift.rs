//! How the reset moves, to recognise a bucket.

use std::time::{Duration, SystemTime};

use crate::moment::Moment;

use super::{Reset, Sample};

/// Resets in whole seconds are no more exact than this; a smaller difference between two of them says nothing.
const COARSE: Duration = Duration::from_millis(1_500);

/// The same for resets with a fraction of a second.
const FINE: Duration = Duration::from_millis(50);

/// The shift of the reset since an earlier response.
///
/// The reset of a fixed window stands still, and that of a sliding one moves no faster than time. That of a bucket is when it is full
/// again, so each request puts it off.
#[derive(Debug, Default)]
pub(super) struct Shift(Option<Earlier>);

#[derive(Clone, Copy, Debug)]
struct Earlier {
    sent: Moment,
    received: Moment,
    left: u64,
    reset: Reset,
}

// === impl Shift ===

impl Shift {
    /// The rate of a bucket, if the reset moves away faster than time passes while `left` falls.
    pub(super) fn read(&mut self, sample: &Sample, reset: Reset) -> Option<f64> {
        let now =
            Earlier { sent: sample.sent, received: sample.received, left: sample.left, reset };
        let earlier = self.0.get_or_insert(now);
        let passed = sample.received.saturating_duration_since(earlier.sent);
        if passed > Duration::from_secs(1) || earlier.left < sample.left {
            *earlier = now;
            return None;
        }
        let (moved, is_coarse) = match (earlier.reset, reset) {
            (Reset::At(was), Reset::At(is)) if is == was => return None,
            (Reset::At(was), Reset::At(is)) => (
                is.duration_since(was).ok()?,
                is_whole(since_epoch(is)) && is_whole(since_epoch(was)),
            ),
            (Reset::In(was), Reset::In(is)) => {
                let since = sample.sent.saturating_duration_since(earlier.received);
                (is.checked_sub(was)?.saturating_add(since), is_whole(is) && is_whole(was))
            }
            _ => return None,
        };
        if moved <= passed.saturating_add(if is_coarse { COARSE } else { FINE }) {
            return None;
        }
        let full_in = match (reset, sample.date) {
            (Reset::In(wait), _) => wait,
            (Reset::At(at), Some(date)) => at.duration_since(date).ok()?,
            (Reset::At(_), None) => moved,
        };
        let taken = sample.limit.saturating_sub(sample.left);
        (taken > 0).then(|| taken as f64 / full_in.as_secs_f64().max(0.001))
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

const fn is_whole(span: Duration) -> bool {
    span.subsec_nanos() == 0
}
