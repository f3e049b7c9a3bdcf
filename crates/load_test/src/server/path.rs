//! The way to the server and back.

use std::time::Duration;

use tokio::time::sleep;

/// How long a request is on the way to the server, and its response on the way back: anything between the two.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    pub least: Duration,
    pub most: Duration,
}

// === impl Path ===

impl Path {
    pub(super) async fn pass(self) {
        if !self.most.is_zero() {
            sleep(rand::random_range(self.least..=self.most)).await;
        }
    }

    pub(super) fn mean(self) -> Duration {
        (self.least + self.most) / 2
    }
}
