//! A quota by itself, without workers and a network.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Quota};

use super::{Headers, Limiter, Rule, SECOND, Server};

/// A quota that is asked all the time, in the server's time.
pub struct Asked {
    pub quota: Quota,
    pub server: Server,
    begun: Instant,
    pub now: Instant,
    pub turns: u64,
}

impl Asked {
    pub fn new(rule: Rule, headers: Headers) -> Self {
        let clock = 1_700_000_000 * SECOND + 3 * SECOND / 10;
        let begun = Instant::now();
        let server = Server { limiter: Limiter::new(rule), headers, clock };
        Self { quota: Quota::new(), server, begun, now: begun, turns: 0 }
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            match self.quota.acquire(self.now) {
                Availability::Now(permit) => {
                    self.turns += 1;
                    let at = self.now + Duration::from_micros(300);
                    let answer = self.server.arrive((at - self.begun).as_nanos() as u64);
                    self.now += Duration::from_micros(600);
                    self.quota.on_response(permit, self.now, &answer);
                }
                Availability::At(at) => self.now = at.min(end),
                turn => panic!("{turn:?}"),
            }
        }
    }

    pub fn bound(&self, after: Duration) -> Option<u64> {
        self.quota.max_permits_before(self.now + after, self.now)
    }
}
