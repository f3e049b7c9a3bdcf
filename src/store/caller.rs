//! Calls of a store that end soon, and stop for a while when it fails.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use tower::util::{BoxCloneSyncService, ServiceExt};
use tower_service::Service;
use tracing::{info, warn};

use crate::{BoxError, clock::millis, error::Causes, jitter, metrics};

/// The events' target.
pub(crate) const TARGET: &str = "tower_heed::store";

/// How long one call may take: a store in the same region replies within a few milliseconds.
const CALL_LIMIT: Duration = Duration::from_millis(250);

/// The calls of one operation before the store counts as down. With one alone, a tenth of 1,000 processes that start at once
/// would go on without it.
const TRIES: u32 = 3;

/// The shortest pause before the next try, and how much jitter is added to it.
const PAUSE: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(120));

/// How long all tries of one operation take at most.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// How long a store that is down is not called.
const NOT_CALLED_FOR: Duration = Duration::from_secs(30);

/// The store did not reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoReply;

/// Calls one contract of a store.
pub(crate) struct Caller<Request, Reply> {
    contract: &'static str,
    service: BoxCloneSyncService<Request, Reply, BoxError>,
    /// Shared by all clones.
    breaker: Arc<Mutex<Breaker>>,
}

/// Whether a store is called: pure.
#[derive(Debug, Default, PartialEq, Eq)]
struct Breaker {
    /// Not called until then.
    until: Option<Instant>,
}

// === impl Caller ===

impl<Request, Reply> Caller<Request, Reply>
where
    Request: Clone + Send + 'static,
    Reply: Send + 'static,
{
    pub(crate) fn new<S>(contract: &'static str, service: S) -> Self
    where
        S: Service<Request, Response = Reply> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
    {
        let service = BoxCloneSyncService::new(service.map_err(Into::into));
        Self { contract, service, breaker: Arc::default() }
    }

    /// Calls the store until it replies, up to three times within a second.
    pub(crate) async fn call(&self, request: Request) -> Result<Reply, NoReply> {
        if !self.lock().admit(Instant::now()) {
            metrics::store_not_called(self.contract);
            return Err(NoReply);
        }
        let is_probe = self.lock().until.is_some();
        let mut tried = 1;
        loop {
            let error = match self.try_once(request.clone()).await {
                Ok(reply) => {
                    if self.lock().succeeded() {
                        info!(target: TARGET, contract = self.contract, "store replies again");
                    }
                    return Ok(reply);
                }
                Err(error) => error,
            };
            if tried == TRIES {
                self.give_up(tried, &*error);
                return Err(NoReply);
            }
            let (least, jitter) = PAUSE;
            sleep(least + jitter::share(jitter, jitter::draw())).await;
            if !is_probe && self.lock().until.is_some() {
                // Another operation has found it down meanwhile.
                return Err(NoReply);
            }
            tried += 1;
        }
    }

    /// Calls the store once, whether it is down or not.
    pub(crate) async fn call_once(&self, request: Request) -> Result<Reply, BoxError> {
        self.try_once(request).await
    }

    async fn try_once(&self, request: Request) -> Result<Reply, BoxError> {
        let begun = Instant::now();
        let mut service = self.service.clone();
        let call = async {
            service.ready().await?;
            service.call(request).await
        };
        let replied = timeout(CALL_LIMIT, call).await;
        let (outcome, reply) = match replied {
            Ok(Ok(reply)) => ("ok", Ok(reply)),
            Ok(Err(error)) => ("error", Err(error)),
            Err(elapsed) => ("timeout", Err(elapsed.into())),
        };
        let took = Instant::now().saturating_duration_since(begun);
        metrics::store_called(self.contract, outcome, took);
        reply
    }

    fn give_up(&self, failures: u32, error: &(dyn std::error::Error + 'static)) {
        if self.lock().failed(Instant::now()) {
            warn!(
                target: TARGET,
                contract = self.contract,
                failures,
                pause_ms = millis(NOT_CALLED_FOR),
                error = %Causes(error),
                "store is down, not called"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Request, Reply> Clone for Caller<Request, Reply> {
    fn clone(&self) -> Self {
        let (service, breaker) = (self.service.clone(), Arc::clone(&self.breaker));
        Self { contract: self.contract, service, breaker }
    }
}

impl<Request, Reply> fmt::Debug for Caller<Request, Reply> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("contract", &self.contract).finish_non_exhaustive()
    }
}

// === impl Breaker ===

impl Breaker {
    /// Whether an operation may begin. When the pause is over one tries, and for the time that it takes no other one. It tries as
    /// often as ever: a connection may notice only by a failure that it has to be made anew.
    fn admit(&mut self, now: Instant) -> bool {
        match &mut self.until {
            None => true,
            Some(until) if now < *until => false,
            Some(until) => {
                *until = now + PROBE_LIMIT;
                true
            }
        }
    }

    /// Whether this ends a pause.
    fn succeeded(&mut self) -> bool {
        self.until.take().is_some()
    }

    /// Whether this begins a pause, and does not lengthen one.
    fn failed(&mut self, now: Instant) -> bool {
        self.until.replace(now + NOT_CALLED_FOR).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::{pending, ready},
        io,
        sync::atomic::{AtomicU32, Ordering},
    };

    use tower::service_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rule_33_a_store_that_fails_three_times_is_not_called_for_thirty_seconds() {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let caller = Caller::new(
            "slots",
            service_fn(move |()| {
                counted.fetch_add(1, Ordering::Relaxed);
                ready(Err::<(), _>(io::Error::other("refused")))
            }),
        );
        let begun = Instant::now();
        assert_eq!(caller.call(()).await, Err(NoReply));
        let took = Instant::now().saturating_duration_since(begun);
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        assert_eq!(caller.clone().call(()).await, Err(NoReply));
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        sleep(NOT_CALLED_FOR).await;
        assert_eq!(caller.call(()).await, Err(NoReply));
        assert_eq!(calls.load(Ordering::Relaxed), 6);
        sleep(NOT_CALLED_FOR / 2).await;
        assert_eq!(caller.call(()).await, Err(NoReply));
        assert_eq!(calls.load(Ordering::Relaxed), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn rule_33_a_call_takes_250_milliseconds_and_an_operation_a_second_or_so() {
        let caller = Caller::new("slots", service_fn(|()| pending::<Result<(), Infallible>>()));
        let begun = Instant::now();
        assert_eq!(caller.call(()).await, Err(NoReply));
        let took = Instant::now().saturating_duration_since(begun);
        let expected = 3 * CALL_LIMIT + 2 * PAUSE.0..=3 * CALL_LIMIT + 2 * (PAUSE.0 + PAUSE.1);
        assert!(expected.contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_slow_reply_is_no_outage_and_a_success_ends_one() {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let caller = Caller::new(
            "slots",
            service_fn(move |()| {
                let call = counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    match call {
                        0 => pending().await,
                        2..=4 => Err(io::Error::other("refused")),
                        _ => Ok(()),
                    }
                }
            }),
        );
        assert_eq!(caller.call(()).await, Ok(()), "the second try");
        assert_eq!(caller.call(()).await, Err(NoReply));
        sleep(NOT_CALLED_FOR).await;
        assert_eq!(caller.call(()).await, Ok(()));
        assert_eq!(*caller.lock(), Breaker::default());
    }

    #[test]
    fn while_one_operation_tries_the_others_are_not_called() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert!(breaker.failed(now) && !breaker.failed(now));
        let later = now + NOT_CALLED_FOR;
        assert!(breaker.admit(later) && !breaker.admit(later));
        assert!(breaker.admit(later + PROBE_LIMIT), "the first was dropped");
    }
}
