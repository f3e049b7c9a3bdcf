//! Tokens without a request: the handle.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{advance, sleep};
use tower::Layer;
use tower_heed::{
    error::{TokenError, TokenErrorKind},
    token_cache::{FetchReason, TokenCache, TokenCacheHandle, TokenKey, TokenState},
};

use crate::token_cache::support::{
    Api, HOUR, SECOND, Source, With, call, layer, no_token, settle, status, timed,
};

fn handled() -> (TokenCacheHandle, TokenCache<Api>, Api, Source) {
    let (source, api) = (Source::default(), Api::default());
    let layer = layer(&source);
    (layer.handle(), layer.layer(api.clone()), api, source)
}

fn limited() -> With {
    let error = TokenError::new(TokenErrorKind::RateLimited)
        .with_status(StatusCode::TOO_MANY_REQUESTS)
        .with_retry_after(HOUR);
    With::Error(error)
}

#[tokio::test(start_paused = true)]
async fn rule_36_a_token_without_a_request_is_the_one_that_requests_carry() {
    let (handle, client, api, source) = handled();
    source.gives(SECOND, With::Lifetime(HOUR));
    let (token, took) = timed(handle.token(handle.key())).await;
    assert_eq!((token.unwrap().header_value().to_str().unwrap(), took), ("Bearer token-1", SECOND));
    assert_eq!(timed(status(&client)).await, (200, Duration::ZERO));
    assert_eq!((api.tokens(), source.calls()), (vec!["token-1".to_owned()], 1));

    advance(HOUR).await;
    source.fails(TokenErrorKind::Rejected);
    let error = handle.token(handle.key()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Rejected);
    let (error, took) = timed(handle.token(handle.key())).await;
    assert!(error.unwrap_err().retry_after().is_some());
    assert_eq!((took, source.calls()), (Duration::ZERO, 2), "in cooldown");
}

/// A token of the handle can be the source of another cache: its lifetime is what is left of it.
#[tokio::test(start_paused = true)]
async fn rule_36_a_tokens_lifetime_is_what_is_left_of_it() {
    let (handle, ..) = handled();
    handle.token(handle.key()).await.unwrap();
    advance(600 * SECOND).await;
    let token = handle.token(handle.key()).await.unwrap();
    assert!(format!("{token:?}").contains("3000s"), "{token:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_36_warming_up_fetches_all_keys_at_once_and_tells_the_first_failure() {
    let (handle, client, _, source) = handled();
    let keys = ["", "a", "b", "c"].map(|name| match name {
        "" => TokenKey::new(),
        name => TokenKey::new().with_audience(name),
    });
    source
        .gives(3 * SECOND, With::Lifetime(HOUR))
        .gives(SECOND, limited())
        .gives(2 * SECOND, With::Error(TokenError::new(TokenErrorKind::Malformed)));
    let (outcome, took) = timed(handle.warm_up(keys.clone())).await;
    assert_eq!(outcome.unwrap_err().kind(), TokenErrorKind::RateLimited);
    assert_eq!((took, source.calls()), (3 * SECOND, 4), "all at the same time");
    assert_eq!(timed(status(&client)).await, (200, Duration::ZERO));

    let (again, took) = timed(handle.warm_up(keys[3..].to_vec())).await;
    assert!(again.is_ok());
    assert_eq!((took, source.calls()), (Duration::ZERO, 4), "there is one");
}

#[tokio::test(start_paused = true)]
async fn rule_12_warming_up_waits_once_however_many_keys_there_are() {
    let source = Source::default();
    let handle = layer(&source).fetch_timeout(600 * SECOND).handle();
    let keys: Vec<_> = (0..5).map(|n| TokenKey::new().with_audience(format!("a{n}"))).collect();
    for _ in &keys {
        source.gives(Duration::ZERO, With::Nothing);
    }
    let (outcome, took) = timed(handle.warm_up(keys)).await;
    assert_eq!(outcome.unwrap_err().kind(), TokenErrorKind::Timeout);
    assert_eq!((took, source.calls()), (15 * SECOND, 5));
}

#[tokio::test(start_paused = true)]
async fn rule_36_an_invalidated_token_is_never_sent_again() {
    let (handle, client, api, source) = handled();
    assert_eq!(status(&client).await, 200);
    handle.invalidate(handle.key());
    settle().await;
    assert_eq!(source.calls(), 1, "no caller has asked for another");
    assert_eq!(status(&client).await, 200);
    assert_eq!(api.tokens(), ["token-1", "token-2"]);

    // A token that was requested before is not kept either; its waiters get it.
    advance(3300 * SECOND).await;
    source.gives(5 * SECOND, With::Lifetime(HOUR));
    assert_eq!(status(&client).await, 200);
    settle().await;
    handle.invalidate(handle.key());
    let (_, took) = timed(status(&client)).await;
    assert_eq!((took, source.calls()), (5 * SECOND, 3), "one fetch at a time, all the same");
    assert_eq!(status(&client).await, 200);
    assert_eq!(api.tokens()[2..], ["token-2", "token-3", "token-4"]);
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.calls(), 4);

    handle.invalidate(&TokenKey::new().with_audience("unknown"));
    assert_eq!(handle.snapshot().len(), 1, "no slot is made to invalidate");
}

#[tokio::test(start_paused = true)]
async fn rule_36_invalidating_does_not_end_a_cooldown() {
    let (handle, client, _, source) = handled();
    source.gives(Duration::ZERO, limited());
    no_token(&client).await;
    handle.invalidate(handle.key());
    no_token(&client).await;
    assert_eq!(source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_24_a_forced_refresh_overrides_the_cooldown_and_nothing_else_does() {
    let (handle, client, api, source) = handled();
    source.gives(Duration::ZERO, limited());
    no_token(&client).await;
    no_token(&client).await;
    assert_eq!(source.calls(), 1);

    // Callers that come meanwhile join it.
    source.gives(2 * SECOND, With::Lifetime(HOUR));
    let forced = tokio::spawn({
        let handle = handle.clone();
        async move { handle.force_refresh(handle.key()).await }
    });
    settle().await;
    assert_eq!(timed(status(&client)).await, (200, 2 * SECOND));
    assert_eq!(forced.await.unwrap().unwrap().header_value(), "Bearer token-2");
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Forced]);
    assert_eq!((api.seen(), source.calls()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn rule_24_a_forced_refresh_that_fails_leaves_the_token_and_begins_a_cooldown() {
    let (handle, client, api, source) = handled();
    assert_eq!(status(&client).await, 200);
    source.gives(Duration::ZERO, limited());
    let error = handle.force_refresh(handle.key()).await.unwrap_err();
    assert!(error.retry_after().unwrap() >= HOUR);
    assert_eq!(timed(status(&client)).await, (200, Duration::ZERO));
    assert_eq!(api.tokens(), ["token-1"; 2]);
    advance(3300 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    settle().await;
    assert_eq!(source.calls(), 2, "due, and in cooldown");
}

#[tokio::test(start_paused = true)]
async fn rule_24_every_latch_ends_by_time() {
    for failure in [
        TokenErrorKind::RateLimited,
        TokenErrorKind::Unavailable,
        TokenErrorKind::Timeout,
        TokenErrorKind::Rejected,
        TokenErrorKind::Malformed,
    ] {
        let (_, client, _, source) = handled();
        for _ in 0..20 {
            source.gives(
                Duration::ZERO,
                With::Error(TokenError::new(failure).with_retry_after(Duration::MAX)),
            );
        }
        for _ in 0..20 {
            no_token(&client).await;
            // The longest of all: a day and 30 s, as a server can name it.
            advance(24 * HOUR + 30 * SECOND).await;
        }
        assert!(call(&client).await.is_ok(), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_10_a_forced_refresh_joins_the_fetch_under_way() {
    let (handle, client, _, source) = handled();
    source.gives(3 * SECOND, With::Lifetime(HOUR));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { status(&client).await }
    });
    sleep(SECOND).await;
    let forced = (0..10).map(|_| {
        let handle = handle.clone();
        tokio::spawn(async move { handle.force_refresh(handle.key()).await.is_ok() })
    });
    for forced in forced.collect::<Vec<_>>() {
        assert!(forced.await.unwrap());
    }
    assert_eq!((waiting.await.unwrap(), source.calls()), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn rule_36_a_snapshot_shows_every_state_and_no_token() {
    let (handle, client, _, source) = handled();
    let seen = || {
        let [snapshot] = &handle.snapshot()[..] else { panic!("one key") };
        snapshot.clone()
    };
    assert_eq!((seen().state(), seen().obtained(), seen().expires_in()), (None, 0, None));
    source.gives(SECOND, With::Lifetime(HOUR));
    let first = tokio::spawn({
        let client = client.clone();
        async move { status(&client).await }
    });
    settle().await;
    assert!(seen().is_fetching());
    first.await.unwrap();
    for (after, state) in [
        (0, TokenState::Fresh),
        (3300, TokenState::RefreshDue),
        (280, TokenState::Grace),
        (60, TokenState::Expired),
    ] {
        advance(after * SECOND).await;
        assert_eq!((seen().state(), seen().obtained()), (Some(state), 1));
    }
    assert_eq!((seen().expires_in(), seen().is_fetching()), (Some(Duration::ZERO), false));
    source.gives(Duration::ZERO, limited());
    no_token(&client).await;
    advance(600 * SECOND).await;
    let held = seen().cooldown().unwrap().retry_after().unwrap();
    assert!(held >= 3000 * SECOND && held <= 3030 * SECOND, "{held:?}");
    assert_eq!(source.calls(), 2, "looking fetches nothing");
    let text = format!("{:?} {handle:?} {:?}", handle.snapshot(), handle.token(handle.key()).await);
    assert!(!text.contains("token-"), "{text}");
}
