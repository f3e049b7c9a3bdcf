//! Single flight: one fetch on its own task, whose outcome all waiters share.
//!
//! ```text
//! Running ── publish ──► Outcome ──► Waiter, Waiter, ...
//!    │  dropped early: Fetch::interrupted
//!    └─ the layer's fetch
//! ```
//!
//! A layer keeps a [`Waiter`] where other calls find it (a slot, a map), and removes it before the outcome is published. The fetch
//! belongs to no caller: dropping a waiter does not stop it. Whatever ends it, its waiters get an outcome.

use std::{fmt, future::Future, thread};

use tokio::{runtime::Handle, sync::watch, time::Instant};

/// A fetch that was dropped before its end, because the runtime that carried it is gone. It says nothing about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned;

/// What all waiters of a fetch get.
pub(crate) type Outcome<T> = Result<T, Abandoned>;

/// What the task of a fetch was doing when the fetch was dropped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    Panicked,
    /// Nothing: the task was dropped, or never spawned.
    Dropped,
}

/// The part of a fetch that its layer provides.
pub(crate) trait Fetch {
    type Output: Clone;

    /// Records that the fetch was interrupted, before any waiter learns of it, and gives the outcome for them.
    fn interrupted(
        &mut self,
        publisher: &Publisher<Self::Output>,
        by: Interruption,
    ) -> Outcome<Self::Output>;
}

/// A fetch, on its way or about to be spawned. Dropping it publishes an outcome as well.
pub(crate) struct Running<F: Fetch> {
    fetch: F,
    publisher: Publisher<F::Output>,
    is_ended: bool,
}

/// The end of a fetch from which its outcome comes.
pub(crate) struct Publisher<T>(watch::Sender<Option<Outcome<T>>>);

/// The end of a fetch at which its outcome is waited for.
pub(crate) struct Waiter<T> {
    outcome: watch::Receiver<Option<Outcome<T>>>,
    overdue: Option<Instant>,
}

// === impl Running ===

impl<F: Fetch> Running<F> {
    /// A fetch that has yet to be spawned. After `overdue` no call joins it,
    /// because its runtime has evidently stopped polling.
    pub(crate) fn new(fetch: F, overdue: Option<Instant>) -> (Self, Waiter<F::Output>) {
        let (sender, outcome) = watch::channel(None);
        let running = Self { fetch, publisher: Publisher(sender), is_ended: false };
        (running, Waiter { outcome, overdue })
    }

    /// Runs the fetch on its own task. Without a runtime, or within one that shuts down, it is dropped here: the caller
    /// must not hold the lock that [`Fetch::interrupted`] takes.
    pub(crate) fn spawn<R>(self, run: impl FnOnce(Self) -> R)
    where
        R: Future<Output = ()> + Send + 'static,
    {
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(run(self)));
        }
    }

    pub(crate) const fn fetch(&self) -> &F {
        &self.fetch
    }

    pub(crate) const fn fetch_mut(&mut self) -> &mut F {
        &mut self.fetch
    }

    pub(crate) const fn publisher(&self) -> &Publisher<F::Output> {
        &self.publisher
    }

    /// Ends the fetch: `complete` records the result, and its waiters get what it returns.
    ///
    /// If `complete` panics, nothing is published, and the waiters find the fetch abandoned.
    pub(crate) fn end(
        &mut self,
        complete: impl FnOnce(&mut F, &Publisher<F::Output>) -> Outcome<F::Output>,
    ) {
        self.is_ended = true;
        let outcome = complete(&mut self.fetch, &self.publisher);
        self.publisher.0.send_replace(Some(outcome));
    }
}

impl<F: Fetch> Drop for Running<F> {
    fn drop(&mut self) {
        if !self.is_ended {
            let by = match thread::panicking() {
                true => Interruption::Panicked,
                false => Interruption::Dropped,
            };
            self.end(|fetch, publisher| fetch.interrupted(publisher, by));
        }
    }
}

impl<F: Fetch + fmt::Debug> fmt::Debug for Running<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("fetch", &self.fetch).finish_non_exhaustive()
    }
}

// === impl Waiter ===

impl<T> Waiter<T> {
    /// Whether a call can join the fetch. One whose task ended without an outcome, by a panic while it recorded its result, will
    /// never publish one, and neither will one that is overdue.
    pub(crate) fn is_expected(&self, now: Instant) -> bool {
        self.outcome.has_changed().is_ok() && self.overdue.is_none_or(|overdue| now < overdue)
    }

    /// Whether this waiter's outcome comes from `publisher`, and not from an earlier or later fetch.
    pub(crate) fn is_of(&self, publisher: &Publisher<T>) -> bool {
        self.outcome.same_channel(&publisher.0.subscribe())
    }
}

impl<T: Clone> Waiter<T> {
    /// Waits for the outcome.
    pub(crate) async fn outcome(&mut self) -> Outcome<T> {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Abandoned)),
            Err(_) => Err(Abandoned),
        }
    }

    /// Waits for the outcome until `give_up`; none if it did not come by then.
    pub(crate) async fn outcome_until(&mut self, give_up: Instant) -> Option<Outcome<T>> {
        if Handle::try_current().is_err() {
            // Without tokio there is no timer, nor a task for the fetch.
            return Some(Err(Abandoned));
        }
        tokio::time::timeout_at(give_up, self.outcome()).await.ok()
    }
}

impl<T> Clone for Waiter<T> {
    fn clone(&self) -> Self {
        Self { outcome: self.outcome.clone(), overdue: self.overdue }
    }
}

impl<T> fmt::Debug for Waiter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("overdue", &self.overdue).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A fetch of a number, which notes how it was interrupted.
    #[derive(Default)]
    struct Number(Arc<Mutex<Vec<Interruption>>>);

    impl Fetch for Number {
        type Output = Result<u32, &'static str>;

        fn interrupted(
            &mut self,
            _: &Publisher<Self::Output>,
            by: Interruption,
        ) -> Outcome<Self::Output> {
            self.0.lock().unwrap().push(by);
            match by {
                Interruption::Panicked => Ok(Err("panicked")),
                Interruption::Dropped => Err(Abandoned),
            }
        }
    }

    fn begin() -> (Running<Number>, Waiter<Result<u32, &'static str>>) {
        Running::new(Number::default(), Instant::now().checked_add(10 * SECOND))
    }

    async fn run(mut running: Running<Number>, output: Result<u32, &'static str>) {
        sleep(SECOND).await;
        running.end(|_, _| Ok(output));
    }

    #[tokio::test(start_paused = true)]
    async fn all_waiters_share_one_outcome_and_a_failure_too() {
        for output in [Ok(7), Err("refused")] {
            let (running, waiter) = begin();
            running.spawn(|running| run(running, output));
            let waiters = [waiter.clone(), waiter.clone(), waiter];
            for mut waiter in waiters {
                assert_eq!(waiter.outcome().await, Ok(output));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_goes_on_when_its_waiters_have_given_up() {
        let (running, mut waiter) = begin();
        running.spawn(|running| run(running, Ok(7)));
        let late = waiter.clone();
        assert_eq!(waiter.outcome_until(Instant::now() + SECOND / 2).await, None);
        drop(waiter);
        assert_eq!(late.clone().outcome().await, Ok(Ok(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_an_outcome() {
        let (running, mut waiter) = begin();
        running.spawn(|running| async move {
            let _running = running;
            panic!("the source's own panic");
        });
        assert_eq!(waiter.outcome().await, Ok(Err("panicked")));
    }

    #[test]
    fn a_fetch_that_cannot_be_spawned_is_abandoned() {
        let (running, waiter) = begin();
        let interruptions = Arc::clone(&running.fetch().0);
        running.spawn(|running| run(running, Ok(7)));
        assert_eq!(*interruptions.lock().unwrap(), [Interruption::Dropped]);
        assert!(!waiter.is_expected(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_while_the_result_is_recorded_abandons_the_fetch_and_interrupts_nothing() {
        let (running, mut waiter) = begin();
        let interruptions = Arc::clone(&running.fetch().0);
        running.spawn(|mut running| async move { running.end(|_, _| panic!("a clock's panic")) });
        assert_eq!(waiter.outcome().await, Err(Abandoned));
        assert!(interruptions.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_overdue_fetch_is_not_joined_and_differs_from_the_next() {
        let (running, waiter) = begin();
        let (next, _) = begin();
        let now = Instant::now();
        assert!(waiter.is_expected(now) && !waiter.is_expected(now + 10 * SECOND));
        assert!(waiter.is_of(running.publisher()) && !waiter.is_of(next.publisher()));
    }
}
