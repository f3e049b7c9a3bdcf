//! A quota alone, without workers or a network.

use std::time::Duration;

use tokio::time::Instant;
use tower_heed::__internals::{Availability, Quota};

use super::{Headers, Limiter, Rule, SECOND, Server};

/// Asks a quota for permits all the time, in the server's time.
pub struct Driver {
    pub quota: Quota,
    pub server: Server,
    begun: Instant,
    pub now: Instant,
    pub permits: u64,
}

impl Driver {
    pub fn new(rule: Rule, headers: Headers) -> Self {
        let clock = 1_700_000_000 * SECOND + 3 * SECOND / 10;
        let begun = Instant::now();
        let server = Server { limiter: Limiter::new(rule), headers, clock };
        Self { quota: Quota::new(), server, begun, now: begun, permits: 0 }
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            match self.quota.acquire(self.now) {
                Availability::Now(permit) => {
                    self.permits += 1;
                    let at = self.now + Duration::from_micros(300);
                    let response = self.server.arrive((at - self.begun).as_nanos() as u64);
                    self.now += Duration::from_micros(600);
                    self.quota.on_response(permit, self.now, &response);
                }
                Availability::At(at) => self.now = at.min(end),
                other @ Availability::AfterResponse { .. } => panic!("{other:?}"),
            }
        }
    }

    pub fn bound(&self, after: Duration) -> Option<u64> {
        self.quota.max_permits_before(self.now + after, self.now)
    }
}
