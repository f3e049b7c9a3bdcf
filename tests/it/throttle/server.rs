//! A server with a model limiter, in tokio's time.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::Service;

use crate::support::{
    probe::Body,
    sim::{Headers, Limiter, Rule, SECOND},
};

/// A server with a model limiter. Each way takes a millisecond, and an accepted request five more.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

struct Shared {
    limiter: Mutex<Limiter>,
    headers: Headers,
    /// The server's time at the start, which is not the client's.
    clock: u64,
    begun: Instant,
    counted: Mutex<Counted>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    pub accepted: usize,
    pub rate_limited: usize,
}

// === impl Server ===

impl Server {
    /// The clock starts three tenths of a second into a second.
    pub fn new(rule: Rule, headers: Headers) -> Self {
        Self(Arc::new(Shared {
            limiter: Mutex::new(Limiter::new(rule)),
            headers,
            clock: 1_700_000_000 * SECOND + 3 * SECOND / 10,
            begun: Instant::now(),
            counted: Mutex::default(),
        }))
    }

    pub fn counted(&self) -> Counted {
        *self.0.counted.lock().unwrap()
    }
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            sleep(Duration::from_millis(1)).await;
            let (response, is_accepted) = shared.arrive();
            sleep(Duration::from_millis(if is_accepted { 6 } else { 1 })).await;
            Ok(response)
        })
    }
}

// === impl Shared ===

impl Shared {
    fn arrive(&self) -> (Response<Body>, bool) {
        let passed = (Instant::now() - self.begun).as_nanos() as u64;
        let now = self.clock + passed;
        let left = self.limiter.lock().unwrap().arrive(now);
        let mut counted = self.counted.lock().unwrap();
        let mut response = Response::builder();
        if left.accepted {
            counted.accepted += 1;
        } else {
            counted.rate_limited += 1;
            response = response.status(429);
        }
        if self.headers != Headers::Bare {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(now / SECOND);
            response = response.header("date", httpdate::fmt_http_date(date));
        }
        response = match self.headers {
            Headers::Epoch => response
                .header("x-ratelimit-limit", left.limit)
                .header("x-ratelimit-remaining", left.remaining)
                .header("x-ratelimit-reset", left.reset.div_ceil(SECOND)),
            Headers::RetryAfter if !left.accepted => {
                response.header("retry-after", (left.next - now).div_ceil(SECOND))
            }
            _ => response,
        };
        (response.body(Body::default()).unwrap(), left.accepted)
    }
}
