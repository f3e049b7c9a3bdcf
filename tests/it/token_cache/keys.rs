//! Several keys in one cache: which one a request gets, and how many are kept.

use std::{num::NonZeroUsize, time::Duration};

use http::Request;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};
use tower_heed::{
    error::TokenErrorKind,
    token_cache::{FetchReason, TokenCache, TokenCacheLayer, TokenKey, TokenScope},
};

use crate::{
    support::events::Events,
    token_cache::support::{
        Api, Body, HOUR, SECOND, Source, With, YOUNG, get, layer, settle, status, timed,
        token_error,
    },
};

fn organization(name: impl Into<String>) -> TokenScope {
    TokenScope::new(TokenKey::new().with_organization(name))
}

fn scoped(path: &str, scope: &TokenScope) -> Request<Body> {
    let mut request = get(path);
    request.extensions_mut().insert(scope.clone());
    request
}

/// One call for an organization.
async fn call(client: &TokenCache<Api>, name: impl Into<String>) -> u16 {
    let request = scoped("/users", &organization(name));
    client.clone().oneshot(request).await.unwrap().status().as_u16()
}

fn keyed(most: usize) -> (TokenCacheLayer, TokenCache<Api>, Source) {
    let source = Source::default();
    let layer = layer(&source).max_keys(NonZeroUsize::new(most).unwrap());
    let client = layer.layer(Api::default());
    (layer, client, source)
}

#[tokio::test(start_paused = true)]
async fn rule_2_the_request_comes_before_its_endpoint_and_that_before_the_layer() {
    let (source, api) = (Source::default(), Api::default());
    let [base, users] = ["base", "users"].map(|name| TokenKey::new().with_audience(name));
    let client = layer(&source)
        .endpoint("/users/{id}".parse().unwrap(), |config| config.key(users.clone()))
        .endpoint("GET /public".parse().unwrap(), |config| config.without_token())
        .key(base.clone())
        .layer(api.clone());
    let scope = organization("org");
    for request in [
        get("/invoices"),
        get("/users/1"),
        scoped("/users/1", &scope),
        scoped("/invoices", &scope),
        scoped("/public", &scope),
        // The key of an endpoint, named by a request.
        scoped("/", &TokenScope::new(users.clone())),
        get("/"),
    ] {
        assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 200);
    }
    let tokens = ["token-1", "token-2", "token-3", "token-3", "", "token-2", "token-1"];
    assert_eq!(api.tokens(), tokens);
    let keys: Vec<_> = source.requests().iter().map(|request| request.key().clone()).collect();
    assert_eq!(keys, [base, users, scope.key().clone()]);
}

#[tokio::test(start_paused = true)]
async fn rule_1_two_keys_share_nothing_and_one_key_in_two_requests_is_one_fetch() {
    let (_, client, source) = keyed(64);
    source.gives(SECOND, With::Lifetime(HOUR)).gives(SECOND, With::Lifetime(HOUR));
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { call(&client, format!("org-{}", number % 2)).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(source.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_stalled_issuer_for_one_key_delays_no_other() {
    let (_, client, source) = keyed(64);
    source.gives(Duration::ZERO, With::Nothing);
    let stalled = tokio::spawn({
        let client = client.clone();
        async move { client.oneshot(scoped("/", &organization("slow"))).await.map(|_| ()) }
    });
    settle().await;
    for name in ["a", "b", "c"] {
        assert_eq!(timed(call(&client, name)).await, (200, Duration::ZERO));
    }
    assert_eq!(timed(status(&client)).await, (200, Duration::ZERO));
    let error = token_error(&stalled.await.unwrap().unwrap_err());
    assert_eq!(error.kind(), TokenErrorKind::Timeout);
    // Its cooldown is its own as well.
    assert_eq!(timed(call(&client, "d")).await, (200, Duration::ZERO));
    let held = client.clone().oneshot(scoped("/", &organization("slow"))).await;
    assert!(token_error(&held.map(|_| ()).unwrap_err()).retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_rejection_of_one_keys_token_is_not_anothers() {
    let (source, api) = (Source::default(), Api::default());
    let client = layer(&source).layer(api.clone());
    assert_eq!((call(&client, "a").await, call(&client, "b").await), (200, 200));
    sleep(YOUNG).await;
    api.accept(&["token-2", "token-3"]);
    assert_eq!(call(&client, "a").await, 200);
    assert_eq!(call(&client, "b").await, 200);
    assert_eq!(api.tokens()[2..], ["token-1", "token-3", "token-2"]);
    assert_eq!(source.requests()[2].key().organization(), Some("a"));
    assert_eq!(source.reasons()[2], FetchReason::Rejected);
}

#[tokio::test(start_paused = true)]
async fn rule_3_slots_are_bounded_and_a_key_that_is_used_often_is_kept() {
    let (layer, client, source) = keyed(64);
    let handle = layer.handle();
    let own = 1;
    for number in 0..1000 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
        assert_eq!(call(&client, "often").await, 200);
        assert!(handle.snapshot().len() <= 64 + own);
    }
    assert_eq!(source.calls(), 1001, "the one that is used between all others is kept");
    assert_eq!(handle.snapshot().len(), 64 + own);
}

/// Those without a token go first, and so does an expired one.
#[tokio::test(start_paused = true)]
async fn rule_3_a_key_without_a_good_token_is_evicted_first() {
    let (_, client, source) = keyed(8);
    for number in 0..7 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
    }
    for number in 0..50 {
        source.gives(Duration::ZERO, With::Lifetime(SECOND));
        assert_eq!(call(&client, format!("short-{number}")).await, 200);
        sleep(SECOND).await;
    }
    let calls = source.calls();
    for number in 0..7 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
    }
    assert_eq!(source.calls(), calls);
}

/// A good token that is evicted is logged, and not each one.
#[tokio::test(start_paused = true)]
async fn rule_3_the_eviction_of_a_good_token_is_logged_once_a_minute() {
    let events = Events::record();
    let (_, client, _) = keyed(8);
    let message = "too many keys: a token that is still good was evicted";
    for number in 0..8 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
    }
    assert_eq!(events.named(message).len(), 0);
    for number in 8..50 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
    }
    assert_eq!(events.named(message).len(), 1);
    sleep(61 * SECOND).await;
    assert_eq!(call(&client, "org-50").await, 200);
    assert_eq!(events.named(message).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_3_a_key_whose_token_is_being_fetched_is_never_evicted() {
    let (layer, client, source) = keyed(2);
    source.gives(5 * SECOND, With::Lifetime(HOUR));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { call(&client, "flying").await }
    });
    settle().await;
    // The caller leaves; the fetch alone keeps the slot.
    waiting.abort();
    settle().await;
    for number in 0..20 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
    }
    sleep(6 * SECOND).await;
    assert_eq!(call(&client, "flying").await, 200);
    assert_eq!(source.calls(), 21, "the fetch's token was kept");
    assert!(layer.handle().snapshot().len() <= 4);
}

#[tokio::test(start_paused = true)]
async fn rule_43_the_cooldown_of_an_evicted_key_is_remembered() {
    let (_, client, source) = keyed(2);
    source.fails(TokenErrorKind::Rejected);
    let held = || client.clone().oneshot(scoped("/", &organization("held")));
    held().await.unwrap_err();
    for number in 0..20 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
    }
    held().await.unwrap_err();
    assert_eq!(source.calls(), 21, "its cooldown is not forgotten");
}

/// Two slots of one key would be two fetches.
#[tokio::test(start_paused = true)]
async fn rule_10_a_key_that_comes_back_while_it_is_in_use_has_the_same_slot() {
    let (source, api) = (Source::default(), Api::default());
    let base = layer(&source).max_keys(NonZeroUsize::MIN);
    let key = TokenKey::new().with_audience("own");
    let one = base.clone().key(key.clone()).layer(api.clone());
    let client = base.layer(api);
    assert_eq!(status(&one).await, 200);
    for number in 0..10 {
        assert_eq!(call(&client, format!("org-{number}")).await, 200);
    }
    let request = scoped("/", &TokenScope::new(key));
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
    assert_eq!(status(&one).await, 200);
    assert_eq!(source.calls(), 11, "a service's own key is kept as long as the service");
}

/// A program that clones the layer for each tenant's request, and lets the client go.
#[tokio::test(start_paused = true)]
async fn rule_3_a_layer_that_is_cloned_for_each_tenant_keeps_no_more_keys_than_fit() {
    let (layer, _, source) = keyed(64);
    let call = async |number: usize| {
        let key = TokenKey::new().with_organization(format!("org-{number}"));
        let client = layer.clone().key(key).layer(Api::default());
        assert_eq!(client.oneshot(get("/users")).await.unwrap().status(), 200);
    };
    // No cliff: of one tenant too many, one or two are fetched anew each time that all have called.
    for _ in 0..20 {
        for number in 0..65 {
            call(number).await;
        }
    }
    assert!((66..=65 + 20 * 5).contains(&source.calls()), "{} fetches", source.calls());
    for number in 100..1100 {
        call(number).await;
    }
    // Besides them the layer's own key, and the last one.
    let kept = layer.handle().snapshot().len();
    assert!((64..=66).contains(&kept), "{kept} keys");
}

/// The negative: a key whose client is still there is not evicted, whatever its use.
#[tokio::test(start_paused = true)]
async fn rule_3_the_key_of_a_client_that_is_there_stays() {
    let (layer, other, source) = keyed(8);
    let key = |name: &str| TokenKey::new().with_organization(name);
    let tenants = ["a", "b", "c"].map(|name| layer.clone().key(key(name)).layer(Api::default()));
    // A clone that goes leaves the key to the other.
    for tenant in &tenants {
        assert_eq!(tenant.clone().oneshot(get("/")).await.unwrap().status(), 200);
        drop(layer.clone().key(key("a")).layer(Api::default()));
    }
    for number in 0..100 {
        call(&other, format!("org-{number}")).await;
    }
    let calls = source.calls();
    for tenant in &tenants {
        assert_eq!(tenant.clone().oneshot(get("/")).await.unwrap().status(), 200);
    }
    assert_eq!(source.calls(), calls);
}
