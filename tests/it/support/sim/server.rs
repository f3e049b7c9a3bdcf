//! A model server: a limiter, a clock of its own, and the headers that it sends.

use std::time::{Duration, SystemTime};

use limiter_sim::{Headers, Limiter, Nanos};
use tower_heed::{__internals::Observation, headers::RateLimit};

pub struct Server {
    pub limiter: Limiter,
    pub headers: Headers,
    /// The server's time at the start of the world.
    pub clock: Nanos,
}

impl Server {
    /// Counts a request at this moment of the world.
    pub fn arrive(&mut self, at: Nanos) -> Observation {
        let now = self.clock + at;
        let left = self.limiter.arrive(now);
        let headers = self.headers.fields(&left, now);
        // The client's own clock is an hour behind, which must not matter.
        let wall = SystemTime::UNIX_EPOCH + Duration::from_nanos(now) - Duration::from_secs(3_600);
        let limit = RateLimit::from_headers(&headers, wall);
        Observation::new(!left.accepted, &headers, limit.as_ref(), wall)
    }
}
