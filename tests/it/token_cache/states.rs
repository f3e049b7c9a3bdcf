//! The states of a token: when a caller gets it at once, when it waits, and when the next one is fetched.

use std::time::Duration;

use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt};
use tower_heed::{
    error::TokenErrorKind,
    token_cache::{FetchReason, StaticToken, Token, TokenCacheLayer, TokenKey},
};

use crate::token_cache::support::{
    Api, HOUR, SECOND, Source, Wall, With, cached, call, get, layer, no_token, settle, status,
    timed,
};

#[tokio::test(start_paused = true)]
async fn rule_9_empty_the_first_caller_waits_for_the_fetch_and_nothing_is_fetched_before() {
    let (client, api, source) = cached();
    source.gives(3 * SECOND, With::Lifetime(HOUR));
    advance(HOUR).await;
    assert_eq!(source.calls(), 0, "no caller has asked for a token");

    let (status, took) = timed(status(&client)).await;
    assert_eq!((status, took), (200, 3 * SECOND));
    assert_eq!(api.tokens(), ["token-1"]);
    assert_eq!(source.reasons(), [FetchReason::Missing]);
}

#[tokio::test(start_paused = true)]
async fn fresh_the_token_is_given_at_once_and_none_is_fetched() {
    let (client, api, source) = cached();
    for _ in 0..100 {
        assert_eq!(status(&client).await, 200);
        // An hour's refresh is due at the earliest after 3030 s.
        advance(30 * SECOND).await;
    }
    assert_eq!((api.seen(), source.calls()), (100, 1));
}

#[tokio::test(start_paused = true)]
async fn refresh_due_callers_get_the_token_at_once_and_one_fetch_runs_in_the_background() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(3300 * SECOND).await;
    source.gives(5 * SECOND, With::Lifetime(HOUR));
    for _ in 0..50 {
        let (status, took) = timed(status(&client)).await;
        assert_eq!((status, took), (200, Duration::ZERO), "no caller waits for a refresh");
    }
    settle().await;
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Due]);
    sleep(6 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!(api.tokens().last().unwrap(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn refresh_due_a_fetch_that_hangs_delays_no_caller() {
    let (client, _, source) = cached();
    assert_eq!(status(&client).await, 200);
    for _ in 0..10 {
        source.gives(Duration::ZERO, With::Nothing);
    }
    advance(3300 * SECOND).await;
    // Up to the soft end, 30 s before the end.
    for _ in 0..26 {
        let (status, took) = timed(status(&client)).await;
        assert_eq!((status, took), (200, Duration::ZERO));
        sleep(10 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn grace_a_caller_waits_for_the_next_token_but_no_more_than_a_second() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(3580 * SECOND).await;
    source.gives(Duration::from_millis(700), With::Lifetime(HOUR));
    let (_, took) = timed(status(&client)).await;
    assert_eq!(took, Duration::from_millis(700));
    assert_eq!(api.tokens(), ["token-1", "token-2"]);

    advance(3580 * SECOND).await;
    source.gives(5 * SECOND, With::Lifetime(HOUR));
    let (_, took) = timed(status(&client)).await;
    assert_eq!(took, SECOND);
    assert_eq!(api.tokens().last().unwrap(), "token-2", "the old token is still good");
}

#[tokio::test(start_paused = true)]
async fn grace_a_fetch_that_fails_takes_the_token_from_no_caller() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(3580 * SECOND).await;
    source.fails(TokenErrorKind::Unavailable);
    assert_eq!(status(&client).await, 200);
    // In cooldown: the token at once.
    let (status, took) = timed(status(&client)).await;
    assert_eq!((status, took), (200, Duration::ZERO));
    assert_eq!(api.tokens(), ["token-1"; 3]);
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn expired_a_dead_token_is_never_sent() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(HOUR).await;
    source.gives(2 * SECOND, With::Lifetime(HOUR));
    let (status, took) = timed(status(&client)).await;
    assert_eq!((status, took), (200, 2 * SECOND));
    assert_eq!(api.tokens(), ["token-1", "token-2"]);
    assert_eq!(source.reasons()[1], FetchReason::Expired);

    advance(HOUR).await;
    source.fails(TokenErrorKind::Rejected);
    no_token(&client).await;
    assert_eq!(api.seen(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_5_a_suspended_machine_ages_the_token() {
    let (wall, source, api) = (Wall::new(), Source::default(), Api::default());
    let client = layer(&source).clock(wall.clock()).layer(api.clone());
    assert_eq!(status(&client).await, 200);
    wall.forward(2 * HOUR);
    assert_eq!(status(&client).await, 200);
    assert_eq!(api.tokens(), ["token-1", "token-2"]);
}

#[tokio::test(start_paused = true)]
async fn rule_5_a_clock_set_back_does_not_make_a_token_young() {
    let (wall, source, api) = (Wall::new(), Source::default(), Api::default());
    let client = layer(&source).clock(wall.clock()).layer(api.clone());
    assert_eq!(status(&client).await, 200);
    wall.back(2 * HOUR);
    advance(HOUR).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!(api.tokens(), ["token-1", "token-2"]);
}

#[tokio::test(start_paused = true)]
async fn rule_5_the_age_begins_before_the_token_is_requested() {
    let (client, _, source) = cached();
    source.gives(8 * SECOND, With::Lifetime(20 * SECOND));
    assert_eq!(status(&client).await, 200);
    // 8 s old when it came: it has ended after 12 more.
    advance(12 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Expired]);
}

#[tokio::test(start_paused = true)]
async fn rule_6_a_token_of_unknown_lifetime_is_kept_for_five_minutes() {
    let (client, _, source) = cached();
    source.gives(Duration::ZERO, With::Token(Token::bearer("a").unwrap()));
    assert_eq!(status(&client).await, 200);
    advance(150 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.calls(), 1);
    advance(150 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Expired]);
}

#[tokio::test(start_paused = true)]
async fn rule_6_a_lifetime_of_zero_is_malformed_and_a_long_one_is_cut() {
    let (client, _, source) = cached();
    source.gives(Duration::ZERO, With::Lifetime(Duration::ZERO));
    let error = no_token(&client).await;
    assert_eq!(error.kind(), TokenErrorKind::Malformed);

    let (client, _, source) = cached();
    source.gives(Duration::ZERO, With::Lifetime(Duration::MAX));
    assert_eq!(status(&client).await, 200);
    advance(30 * 24 * HOUR).await;
    assert_eq!(status(&client).await, 200);
    assert_eq!(source.reasons(), [FetchReason::Missing, FetchReason::Expired]);
}

/// It would have ended by the time it is used, and each request would fetch another.
#[tokio::test(start_paused = true)]
async fn rule_6_a_lifetime_of_less_than_a_second_is_malformed_and_begins_a_cooldown() {
    let (client, api, source) = cached();
    source.gives(Duration::ZERO, With::Lifetime(Duration::from_millis(999)));
    for _ in 0..100 {
        assert_eq!(no_token(&client).await.kind(), TokenErrorKind::Malformed);
        advance(Duration::from_millis(40)).await;
    }
    assert_eq!((source.calls(), api.seen()), (1, 0));
    advance(4 * SECOND).await;
    source.gives(Duration::ZERO, With::Lifetime(SECOND));
    assert_eq!(status(&client).await, 200);
}

#[tokio::test(start_paused = true)]
async fn rule_7_a_fixed_buffer_refreshes_that_long_before_the_token_expires() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source).refresh_buffer(300 * SECOND).layer(api);
    assert_eq!(status(&client).await, 200);
    advance(3119 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    settle().await;
    assert_eq!(source.calls(), 1, "the jitter is at most a twentieth of the life");
    advance(181 * SECOND).await;
    assert_eq!(status(&client).await, 200);
    settle().await;
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_8_a_token_that_comes_at_its_end_is_given_to_its_callers() {
    let (client, api, source) = cached();
    source.gives(5 * SECOND, With::Lifetime(SECOND));
    let calls = (0..10).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { status(&client).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!((source.calls(), api.tokens()), (1, vec!["token-1".to_owned(); 10]));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_does_not_expire_is_never_refreshed() {
    let (client, _, source) = cached();
    source.gives(Duration::ZERO, With::Token(Token::bearer("a").unwrap().without_expiry()));
    for _ in 0..10 {
        assert_eq!(status(&client).await, 200);
        advance(1000 * 24 * HOUR).await;
    }
    assert_eq!(source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_static_token_is_attached_and_never_refreshed() {
    let api = Api::default();
    let client = TokenCacheLayer::new(StaticToken::new("sk_live_1").unwrap())
        .allow_any_https_origin()
        .layer(api.clone());
    api.accept(&["sk_live_1"]);
    assert_eq!(status(&client).await, 200);
    advance(1000 * 24 * HOUR).await;
    assert_eq!(status(&client).await, 200);
    api.accept(&["another"]);
    assert_eq!(status(&client).await, 401);
    assert_eq!(api.tokens(), ["sk_live_1"; 3], "a 401 is not sent again: there is no other token");
}

#[tokio::test(start_paused = true)]
async fn the_source_gets_the_layers_key() {
    let (source, api) = (Source::default(), Api::default());
    let key = TokenKey::new().with_audience("users");
    let base = layer(&source);
    let one = base.clone().layer(api.clone());
    let other = base.key(key.clone()).layer(api.clone());
    assert_eq!((status(&one).await, status(&other).await), (200, 200));
    assert_eq!(api.tokens(), ["token-1", "token-2"], "rule 1: keys never share a token");
    assert_eq!(*source.requests()[1].key(), key);
}

#[tokio::test(start_paused = true)]
async fn clones_and_services_of_one_layer_share_the_token() {
    let (source, api) = (Source::default(), Api::default());
    let layer = layer(&source);
    for client in [layer.layer(api.clone()), layer.clone().layer(api.clone())] {
        assert_eq!(call(&client).await.unwrap().status(), 200);
    }
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn outside_of_paused_time_it_works_as_well() {
    let (source, api) = (Source::default(), Api::default());
    let client = TokenCacheLayer::new(source.clone())
        .allow_origin("https://id.example".parse().unwrap())
        .layer(api);
    let response = client.oneshot(get("/")).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// It gave up after the second of `Grace`, though there was nothing left to fall back on.
#[tokio::test(start_paused = true)]
async fn grace_a_caller_whose_token_expires_while_it_waits_goes_on_waiting_as_one_without() {
    let (client, api, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(HOUR - SECOND / 2).await;
    source.gives(3 * SECOND, With::Lifetime(HOUR));
    let (code, took) = timed(status(&client)).await;
    assert_eq!((code, took), (200, 3 * SECOND));
    assert_eq!((source.calls(), api.tokens().last().unwrap().as_str()), (2, "token-2"));
}

#[tokio::test(start_paused = true)]
async fn grace_a_caller_whose_token_expires_while_it_waits_waits_no_longer_than_allowed() {
    let (client, _, source) = cached();
    assert_eq!(status(&client).await, 200);
    advance(HOUR - SECOND / 2).await;
    source.gives(Duration::ZERO, With::Nothing);
    let (error, took) = timed(no_token(&client)).await;
    assert_eq!((error.kind(), took), (TokenErrorKind::Timeout, 10 * SECOND), "the fetch's limit");
}
