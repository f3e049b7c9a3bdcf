//! The caller that began a fetch is dropped after each number of polls that its call takes: at each point at which it waits.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use tokio::{task::yield_now, time::advance};
use tokio_test::task::spawn;
use tower::{Layer, Service, ServiceExt};
use tower_heed::{
    BoxError, TokenCacheLayer,
    error::TokenErrorKind,
    token_cache::{FetchReason, TokenCache},
};

use crate::token_cache::support::{Api, Body, Source, YOUNG, get, settle, token_error};

const FOLLOWERS: usize = 20;

/// A service that is not ready at once, and whose response does not arrive at once: each takes some polls.
struct Slow<S> {
    inner: S,
    unready: u32,
}

const NOT_READY: u32 = 2;
const NO_RESPONSE: u32 = 3;

impl<S> Slow<S> {
    const fn new(inner: S) -> Self {
        Self { inner, unready: NOT_READY }
    }
}

impl<S: Clone> Clone for Slow<S> {
    /// A clone is not ready.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}

impl<R, S> Service<R> for Slow<S>
where
    S: Service<R, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.unready > 0 {
            self.unready -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        assert_eq!(self.unready, 0, "called without having been made ready");
        self.unready = NOT_READY;
        let response = self.inner.call(request);
        Box::pin(async move {
            for _ in 0..NO_RESPONSE {
                yield_now().await;
            }
            response.await
        })
    }
}

type Client = TokenCache<Slow<Api>>;
type Call = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

/// A cache in which everything takes a few polls.
fn slow() -> (Client, Api, Source) {
    let (api, source) = (Api::default(), Source::default());
    let layer = TokenCacheLayer::new(Slow::new(source.clone())).allow_any_https_origin();
    (layer.layer(Slow::new(api.clone())), api, source)
}

fn call(client: &Client) -> Call {
    Box::pin(client.clone().oneshot(get("/users")))
}

/// Polls a call `polls` times, each with a round of the other tasks, and drops it. True if it ended before that.
async fn dropped_after(polls: u32, client: &Client) -> bool {
    let mut leader = spawn(call(client));
    for _ in 0..polls {
        if leader.poll().is_ready() {
            return true;
        }
        yield_now().await;
    }
    false
}

/// What callers get that come while the first one is there, and after it.
async fn followed(polls: u32, client: &Client) -> (bool, Vec<u16>) {
    let follower = || {
        let client = client.clone();
        tokio::spawn(async move { call(&client).await.unwrap().status().as_u16() })
    };
    let mut followers: Vec<_> = (0..FOLLOWERS).map(|_| follower()).collect();
    let ended = dropped_after(polls, client).await;
    followers.extend((0..FOLLOWERS).map(|_| follower()));
    let mut statuses = Vec::new();
    for follower in followers {
        statuses.push(follower.await.unwrap());
    }
    (ended, statuses)
}

#[tokio::test(start_paused = true)]
async fn rule_11_the_first_caller_is_dropped_at_every_point_at_which_it_waits() {
    for polls in 0.. {
        let (client, _, source) = slow();
        // No other caller has come yet.
        let ended = dropped_after(polls, &client).await;
        let (_, statuses) = followed(0, &client).await;
        assert_eq!(statuses, [200; 2 * FOLLOWERS], "dropped after {polls} polls");
        assert_eq!(source.calls(), 1, "dropped after {polls} polls");
        if ended {
            assert!(polls > 10, "{polls} polls are too few for all of its waits");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn rule_11_other_waiters_are_served_when_one_of_them_is_dropped_at_any_point() {
    for polls in 0.. {
        let (client, _, source) = slow();
        let (ended, statuses) = followed(polls, &client).await;
        assert_eq!(statuses, [200; 2 * FOLLOWERS], "dropped after {polls} polls");
        assert_eq!(source.calls(), 1, "dropped after {polls} polls");
        if ended {
            break;
        }
    }
}

/// The same if the fetch fails: all get that failure, and none tries again.
#[tokio::test(start_paused = true)]
async fn rule_10_a_failure_is_shared_when_the_first_caller_is_dropped_at_any_point() {
    for polls in 0.. {
        let (client, api, source) = slow();
        source.fails(TokenErrorKind::Rejected);
        let ended = dropped_after(polls, &client).await;
        for _ in 0..FOLLOWERS {
            let error = call(&client).await.unwrap_err();
            let error = token_error(&error);
            assert_eq!(error.kind(), TokenErrorKind::Rejected, "dropped after {polls} polls");
        }
        assert_eq!((source.calls(), api.seen()), (1, 0), "dropped after {polls} polls");
        if ended {
            break;
        }
    }
}

/// The caller whose 401 began a fetch is dropped at each point: others get the next token from that fetch.
#[tokio::test(start_paused = true)]
async fn rule_18_the_first_caller_that_is_rejected_is_dropped_at_every_point_at_which_it_waits() {
    for polls in 0.. {
        let (client, api, source) = slow();
        assert_eq!(call(&client).await.unwrap().status(), 200);
        advance(YOUNG).await;
        api.accept(&["token-2"]);
        let ended = dropped_after(polls, &client).await;
        let (_, statuses) = followed(0, &client).await;
        assert_eq!(statuses, [200; 2 * FOLLOWERS], "dropped after {polls} polls");
        assert_eq!(
            source.reasons(),
            [FetchReason::Missing, FetchReason::Rejected],
            "dropped after {polls} polls"
        );
        if ended {
            assert!(polls > 10, "{polls} polls are too few for all of its waits");
            break;
        }
    }
}

/// The source is never dropped with its fetch: it runs to its end when all callers have left.
#[tokio::test(start_paused = true)]
async fn rule_11_the_token_is_kept_when_all_callers_leave_at_any_point_after_they_began_the_fetch()
{
    for polls in 1.. {
        let (client, api, source) = slow();
        let ended = dropped_after(polls, &client).await;
        let begun = polls > NOT_READY;
        settle().await;
        assert_eq!(source.calls(), usize::from(begun), "dropped after {polls} polls");
        assert_eq!(call(&client).await.unwrap().status(), 200);
        assert_eq!(source.calls(), 1, "dropped after {polls} polls");
        assert!(api.tokens().iter().all(|token| token == "token-1"));
        if ended {
            break;
        }
    }
}
