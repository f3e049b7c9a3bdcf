//! A wall clock that a test sets.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crate::clock::Clock;

/// A wall clock that follows tokio's time and can be set, as an operator or a time server sets the machine's.
///
/// For a clock that is right there is [`Clock::starting_at`]. Clones are the same clock.
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
/// tokio::time::sleep(Duration::from_secs(60)).await; // takes no time, since tokio's is paused
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
    /// A clock that shows `start` now and goes on with tokio's time.
    #[must_use]
    pub fn starting_at(start: SystemTime) -> Self {
        Self { following: Arc::new(Mutex::new(Clock::starting_at(start))) }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.following.lock().unwrap_or_else(PoisonError::into_inner).system_time()
    }

    /// Sets it, forwards or back. From there it goes on with tokio's time, which is not moved: nothing that sleeps is woken.
    pub fn set(&self, time: SystemTime) {
        *self.following.lock().unwrap_or_else(PoisonError::into_inner) = Clock::starting_at(time);
    }

    /// Sets it that far forwards, as a machine finds its clock that was asleep.
    pub fn skip(&self, time: Duration) {
        if let Some(then) = self.now().checked_add(time) {
            self.set(then);
        }
    }

    /// The clock to give to a layer.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let wall = self.clone();
        Clock::from_system_time(move || wall.now())
    }
}
