use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crate::clock::Clock;

/// A wall clock that follows tokio's time and can be set, as an operator or a time server sets the machine's.
///
/// Use [`Clock::starting_at`] for a clock that is never set. Clones are the same clock.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_heed::{ThrottleLayer, test_util::ManualClock};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let newyear = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
/// let wall = ManualClock::starting_at(newyear);
/// let throttle = ThrottleLayer::new().clock(wall.clock());
///
/// tokio::time::sleep(Duration::from_secs(60)).await; // returns at once, because tokio's time is paused
/// assert_eq!(wall.now(), newyear + Duration::from_secs(60));
///
/// wall.set(newyear - Duration::from_secs(3600)); // an hour slow
/// assert_eq!(wall.clock().system_time(), newyear - Duration::from_secs(3600));
/// # drop(throttle);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    following: Arc<Mutex<Clock>>,
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that shows `start` now.
    #[must_use]
    pub fn starting_at(start: SystemTime) -> Self {
        Self { following: Arc::new(Mutex::new(Clock::starting_at(start))) }
    }

    /// The time that it shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.following.lock().unwrap_or_else(PoisonError::into_inner).system_time()
    }

    /// Sets the time, forwards or back. Tokio's time does not move, so nothing that sleeps wakes up.
    pub fn set(&self, time: SystemTime) {
        *self.following.lock().unwrap_or_else(PoisonError::into_inner) = Clock::starting_at(time);
    }

    /// Sets the time forwards, as on a machine that was suspended.
    pub fn skip(&self, time: Duration) {
        if let Some(then) = self.now().checked_add(time) {
            self.set(then);
        }
    }

    /// The clock for a layer.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let wall = self.clone();
        Clock::from_system_time(move || wall.now())
    }
}
