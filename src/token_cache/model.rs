//! Single flight under every order in which threads can take its lock; `scripts/loom` runs it.
//!
//! The slot, the cache's decisions and the end of a fetch are the real code. tokio's `watch` and `arc-swap`, which their authors
//! test in the same way, are single steps between which threads change. A thread that waits endlessly is a deadlock, which `loom`
//! reports.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use http::HeaderMap;
use loom::{future::block_on, model, thread};
use tokio::time::Instant;
use tower::service_fn;

use super::{
    Token, TokenCacheLayer, TokenError, TokenRequest,
    cache::Cache,
    cached::time_pair,
    fetch::{Outcome, Running, TokenFetch, Waiter},
    lookup::{Join, Lookup},
    rejection::{RejectedAttempt, Rejection, SendAgain, Tried},
};
use crate::{error::TokenErrorKind, single_flight::Abandoned};

const HOUR: Duration = Duration::from_secs(3600);

/// How a fetch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Token,
    Failure,
    /// Dropped with its runtime.
    Dropped,
}

/// What one caller got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Got {
    Token(u64),
    Failure,
    Abandoned,
}

fn cache() -> Cache {
    fn source(_: TokenRequest) -> Ready<Result<Token, TokenError>> {
        ready(Token::bearer("never asked"))
    }
    TokenCacheLayer::new(service_fn(source)).cache()
}

fn rejected() -> RejectedAttempt {
    RejectedAttempt {
        generation: 1,
        endpoint: None,
        tried: Tried::default(),
        send_again: SendAgain::Until(Instant::now()),
        challenges: HeaderMap::new(),
    }
}

fn token() -> Result<Token, TokenError> {
    Ok(Token::bearer("token")?.expires_in(HOUR))
}

fn end(cache: &Cache, mut fetch: Running, end: End) {
    let now = time_pair(&cache.settings().clock);
    match end {
        End::Token => TokenFetch::complete(&mut fetch, now, token()),
        End::Failure => {
            TokenFetch::complete(&mut fetch, now, Err(TokenError::new(TokenErrorKind::Rejected)))
        }
        End::Dropped => drop(fetch),
    }
}

/// Waits for a fetch.
fn wait(cache: &Cache, mut waiter: Waiter) -> Outcome {
    cache.slot().sync_point().read();
    block_on(waiter.outcome())
}

/// A call without a token: looks one up, joins or runs a fetch, and waits.
///
/// Of two callers one waits at most: `watch` wakes several in a random order, which `loom` could not repeat.
fn call(cache: &Cache, how: End) -> (Got, u32) {
    match cache.lookup() {
        Lookup::Token(cached) => return (Got::Token(cached.generation()), 0),
        Lookup::Cooldown(_) => return (Got::Failure, 0),
        Lookup::Wait => {}
    }
    let (join, fetch) = cache.join_unspawned();
    let begun = u32::from(fetch.is_some());
    if let Some(fetch) = fetch {
        end(cache, fetch, how);
    }
    let got = match join {
        Join::Token(cached) => Got::Token(cached.generation()),
        Join::Cooldown(_) => Got::Failure,
        Join::Fetch(waiter, _) => match wait(cache, waiter) {
            Ok(Ok(cached)) => Got::Token(cached.generation()),
            Ok(Err(_)) => Got::Failure,
            Err(Abandoned) => Got::Abandoned,
        },
    };
    (got, begun)
}

fn two_calls(end: End) -> [(Got, u32); 2] {
    let cache = cache();
    let other = {
        let cache = cache.clone();
        thread::spawn(move || call(&cache, end))
    };
    let one = call(&cache, end);
    [one, other.join().unwrap()]
}

#[test]
fn rule_10_two_calls_on_a_cold_cache_share_one_fetch_in_every_order() {
    model(|| {
        let [one, other] = two_calls(End::Token);
        assert_eq!((one.0, other.0), (Got::Token(1), Got::Token(1)));
        assert_eq!(one.1 + other.1, 1, "no double fetch");
    });
}

#[test]
fn rule_10_two_calls_share_a_failure_in_every_order() {
    model(|| {
        let [one, other] = two_calls(End::Failure);
        assert_eq!((one.0, other.0), (Got::Failure, Got::Failure));
        assert_eq!(one.1 + other.1, 1, "the second one is in cooldown, if it comes later");
    });
}

#[test]
fn rule_13_no_caller_waits_for_a_fetch_that_is_gone_in_any_order() {
    model(|| {
        // Each may begin one: the other's is over. None hangs.
        for (got, begun) in two_calls(End::Dropped) {
            assert_eq!(got, Got::Abandoned);
            assert!(begun <= 1);
        }
    });
}

#[test]
fn rule_18_two_rejections_of_one_token_share_one_fetch_in_every_order() {
    model(|| {
        let cache = cache();
        call(&cache, End::Token);
        let reject = |cache: Cache| {
            move || {
                let (rejection, fetch) = cache.reject_unspawned(&mut rejected());
                let begun = u32::from(fetch.is_some());
                if let Some(fetch) = fetch {
                    end(&cache, fetch, End::Token);
                }
                let generation = match rejection {
                    Rejection::Replaced(cached) => cached.generation(),
                    Rejection::Fetch(waiter) => match wait(&cache, waiter) {
                        Ok(Ok(cached)) => cached.generation(),
                        outcome => panic!("{outcome:?}"),
                    },
                    Rejection::Again(pause) => panic!("tried again after {pause:?}"),
                    Rejection::Keep => panic!("the limit was reached"),
                };
                (generation, begun)
            }
        };
        let other = thread::spawn(reject(cache.clone()));
        let one = reject(cache)();
        let other = other.join().unwrap();
        assert_eq!((one.0, other.0), (2, 2), "both have the next one");
        assert_eq!(one.1 + other.1, 1, "no double fetch");
    });
}

#[test]
fn rule_36_a_token_requested_before_an_invalidation_is_not_kept_in_any_order() {
    model(|| {
        let cache = cache();
        let (_, fetch) = cache.join_unspawned();
        let forgets = {
            let cache = cache.clone();
            thread::spawn(move || cache.invalidate())
        };
        end(&cache, fetch.unwrap(), End::Token);
        forgets.join().unwrap();
        assert!(cache.usable().is_none());
        // And the next one is kept.
        assert_eq!(call(&cache, End::Token).0, Got::Token(2));
        assert!(cache.usable().is_some());
    });
}
