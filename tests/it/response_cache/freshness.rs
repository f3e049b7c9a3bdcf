//! Freshness, and the directives of responses and requests.

use super::*;
use crate::support::events::Events;

#[tokio::test(start_paused = true)]
async fn a_response_is_served_for_its_time_to_live_with_its_age() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let first = send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!((first.body.as_str(), first.age), ("/users/1 1", None));
    advance(59 * SECOND).await;
    let hit = send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!(
        (hit.body.as_str(), hit.age.as_deref(), hit.stale),
        ("/users/1 1", Some("59"), None)
    );
    advance(SECOND).await;
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
}

#[tokio::test(start_paused = true)]
async fn the_time_to_live_begins_before_the_request() {
    let api = Api::new().taking(5 * SECOND);
    let mut client = client(&with(|config| config.stale_for(Duration::ZERO)), &api);
    text(&mut client, "/users/1").await;
    let hit = send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!(hit.age.as_deref(), Some("5"));
    advance(55 * SECOND).await;
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
}

#[tokio::test(start_paused = true)]
async fn the_servers_max_age_and_age_shorten_the_time_to_live() {
    let api = Api::new();
    api.responds(200, &[("cache-control", "private, max-age=30"), ("age", "10")]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    advance(19 * SECOND).await;
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().age.as_deref(), Some("29"));
    advance(SECOND).await;
    send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!(api.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_may_not_be_stored_is_fetched_each_time() {
    for headers in [
        &[("cache-control", "no-store")],
        &[("cache-control", "no-cache")],
        &[("set-cookie", "sid=1")],
        &[("vary", "*")],
        &[("vary", "accept language")],
        &[("expires", "0")],
    ] as [&[_]; 6]
    {
        let api = Api::scripted(move |_| Ok(response(200, headers)));
        let layer = layer();
        let mut client = client(&layer, &api);
        for _ in 0..3 {
            assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 200);
        }
        assert_eq!(api.requests(), 3, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn override_no_store_ignores_the_servers_directives() {
    let api = Api::new();
    api.responds(
        200,
        &[("cache-control", "private, no-store, no-cache, max-age=0"), ("expires", "0")],
    );
    let mut client = client(&with(ResponseCacheConfig::override_no_store), &api);
    for _ in 0..3 {
        send(&mut client, get("/users/1")).await.unwrap();
    }
    assert_eq!(api.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn strip_set_cookie_gives_the_cookie_to_the_leader_alone() {
    let api = Api::new().taking(SECOND);
    api.responds(200, &[("set-cookie", "__cf_bm=1"), ("etag", "7")]);
    let client = client(&with(ResponseCacheConfig::strip_set_cookie), &api);
    let mut calls = Vec::new();
    for _ in 0..3 {
        let mut client = client.clone();
        calls.push(tokio::spawn(async move { client.ready().await?.call(get("/users/1")).await }));
        tokio::task::yield_now().await;
    }
    let mut cookies = Vec::new();
    for call in calls {
        let response: CallResult = call.await.unwrap();
        let response = response.unwrap();
        assert!(response.headers().contains_key("etag"));
        cookies.push(response.headers().contains_key("set-cookie"));
    }
    assert_eq!(cookies, [true, false, false]);
    let hit = client.clone().ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert!(!hit.headers().contains_key("set-cookie") && hit.headers().contains_key("etag"));
    assert_eq!(api.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_can_undo_what_a_wider_one_stores() {
    let forbidding: [&'static [_]; 2] =
        [&[("cache-control", "no-store")], &[("set-cookie", "__cf_bm=1")]];
    for headers in forbidding {
        let api = Api::new();
        api.responds(200, headers);
        let layer = ResponseCacheLayer::new()
            .endpoint("/{*path}".parse().unwrap(), |config| {
                config.ttl(60 * SECOND).override_no_store().strip_set_cookie()
            })
            .endpoint("/users/{id}".parse().unwrap(), |config| {
                config.respect_no_store().respect_set_cookie()
            });
        let mut client = client(&layer, &api);
        for (path, sent) in [("/groups/1", 1), ("/users/1", 2)] {
            let before = api.requests();
            send(&mut client, get(path)).await.unwrap();
            send(&mut client, get(path)).await.unwrap();
            assert_eq!(api.requests() - before, sent, "{path} {headers:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_can_undo_a_header_of_the_layer() {
    let api = Api::new();
    let language = http::header::USER_AGENT;
    let layer = ResponseCacheLayer::new()
        .header(language.clone())
        .endpoint("/{*path}".parse().unwrap(), |config| config.ttl(60 * SECOND))
        .endpoint("/users/{id}".parse().unwrap(), |config| config.without_header(&language));
    let mut client = client(&layer, &api);
    for (path, sent) in [("/groups/1", 2), ("/users/1", 1)] {
        let before = api.requests();
        for value in ["de", "en"] {
            send(&mut client, with_headers(path, &[("user-agent", value)])).await.unwrap();
        }
        assert_eq!(api.requests() - before, sent, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn failing_responses_are_not_stored() {
    for status in [301, 400, 401, 403, 404, 429, 500, 503] {
        let api = Api::new();
        api.responds(status, &[("cache-control", "max-age=60")]);
        let mut client = client(&layer(), &api);
        for _ in 0..2 {
            assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, status);
        }
        assert_eq!(api.requests(), 2, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_cache_and_max_age_0_refresh_the_stored_response() {
    for (name, directive) in
        [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")]
    {
        let api = Api::new();
        let mut client = client(&layer(), &api);
        text(&mut client, "/users/1").await;
        let request = with_headers("/users/1", &[(name, directive)]);
        assert_eq!(send(&mut client, request).await.unwrap().body, "/users/1 2");
        assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
    }
}

#[tokio::test(start_paused = true)]
async fn max_age_no_store_and_only_if_cached_are_obeyed() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let asking = |directive| with_headers("/users/1", &[("cache-control", directive)]);
    let only_stored = send(&mut client, asking("only-if-cached")).await.unwrap();
    assert_eq!((only_stored.status, api.requests()), (504, 0));

    assert_eq!(send(&mut client, asking("no-store")).await.unwrap().body, "/users/1 1");
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
    advance(20 * SECOND).await;
    assert_eq!(send(&mut client, asking("max-age=20")).await.unwrap().body, "/users/1 2");
    assert_eq!(send(&mut client, asking("only-if-cached")).await.unwrap().body, "/users/1 2");
    assert_eq!(send(&mut client, asking("max-age=19")).await.unwrap().body, "/users/1 3");
}

/// The other directive is obeyed, too.
#[tokio::test(start_paused = true)]
async fn only_if_cached_sends_nothing_beside_any_other_directive() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    text(&mut client, "/users/1").await;
    advance(20 * SECOND).await;
    for (beside, status) in [
        ("max-age=20", 200),
        ("max-age=19", 504),
        ("max-age=0", 504),
        ("no-cache", 504),
        ("min-fresh=39", 200),
        ("min-fresh=41", 504),
        ("max-stale", 200),
    ] {
        let asking = format!("only-if-cached, {beside}");
        let request = with_headers("/users/1", &[("cache-control", &asking)]);
        assert_eq!(send(&mut client, request).await.unwrap().status, status, "{asking}");
    }
    let nothing = with_headers("/users/1", &[("cache-control", "only-if-cached, no-store")]);
    assert_eq!(send(&mut client, nothing).await.unwrap().status, 504);
    assert_eq!(api.requests(), 1);
    // No refresh is begun.
    advance(40 * SECOND).await;
    let only_stored = || with_headers("/users/1", &[("cache-control", "only-if-cached")]);
    assert_eq!(send(&mut client, only_stored()).await.unwrap().status, 504);
    assert_eq!(api.requests(), 1);
    // In cooldown, the stale response is served.
    api.responds(503, &[]);
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
    assert!(send(&mut client, only_stored()).await.unwrap().stale.is_some());
    assert_eq!(api.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn min_fresh_is_obeyed() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    text(&mut client, "/users/1").await;
    advance(20 * SECOND).await;
    let asking = |directive| with_headers("/users/1", &[("cache-control", directive)]);
    assert_eq!(send(&mut client, asking("min-fresh=39")).await.unwrap().body, "/users/1 1");
    assert_eq!(send(&mut client, asking("min-fresh=41")).await.unwrap().body, "/users/1 2");
}

/// The age of a response in flight counts from the start of its fetch.
#[tokio::test(start_paused = true)]
async fn a_request_with_max_age_does_not_join_an_older_fetch() {
    let api = Api::new().taking(10 * SECOND);
    let client = client(&layer(), &api);
    let first = spawn(&client, get("/users/1")).await;
    advance(5 * SECOND).await;
    let asking = |directive| with_headers("/users/1", &[("cache-control", directive)]);
    let joins = spawn(&client, asking("max-age=5")).await;
    let begins = spawn(&client, asking("max-age=4")).await;
    for (call, body) in [(first, 2), (joins, 2), (begins, 2)] {
        // The body has the number of requests at the time of the response.
        assert_eq!(call.await.unwrap().unwrap().body, format!("/users/1 {body}"));
    }
    assert_eq!(api.requests(), 2);
}

/// The cache is private to one credential; RFC 9111 section 3.5 is about shared caches.
#[tokio::test(start_paused = true)]
async fn directives_for_shared_caches_are_ignored() {
    for directive in
        ["private", "public, s-maxage=1", "s-maxage=0", "proxy-revalidate", "private=\"x-user\""]
    {
        let api = Api::scripted(move |_| {
            let mut response = Response::new(full("me"));
            response.headers_mut().insert("cache-control", directive.parse().unwrap());
            Ok(response)
        });
        let mut client = client(&layer(), &api);
        let me = || with_headers("/users/me", &[("authorization", "Bearer one")]);
        send(&mut client, me()).await.unwrap();
        advance(59 * SECOND).await;
        send(&mut client, me()).await.unwrap();
        assert_eq!(api.requests(), 1, "{directive}");
    }
}

/// Neither do they get a stored response, nor is theirs stored.
#[tokio::test(start_paused = true)]
async fn head_range_and_conditional_requests_bypass_the_store() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let range = || with_headers("/users/1", &[("range", "bytes=0-1")]);
    let condition = || with_headers("/users/1", &[("if-none-match", "\"7\"")]);
    for (request, status) in [(of("HEAD", "/users/1"), 200), (range(), 206), (condition(), 304)] {
        let alive = Arc::clone(&*api.script.lock().unwrap());
        api.responds(status, &[("etag", "\"7\"")]);
        assert_eq!(send(&mut client, request.clone()).await.unwrap().status, status);
        *api.script.lock().unwrap() = alive;
        let sent = api.requests();
        let whole = with_headers("/users/1", &[("cache-control", "only-if-cached")]);
        assert_eq!(send(&mut client, whole).await.unwrap().status, 504);
        text(&mut client, "/users/1").await;
        assert_eq!(api.requests(), sent + 1);
        send(&mut client, request).await.unwrap();
        assert_eq!(api.requests(), sent + 2);
        send(&mut client, of("PATCH", "/users/1")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn fields_of_the_connection_are_not_stored() {
    let api = Api::new();
    api.responds(
        200,
        &[("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=5"), ("etag", "7")],
    );
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    let hit = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    let mut names: Vec<_> = hit.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["age", "etag"]);
}

#[tokio::test(start_paused = true)]
async fn endpoints_without_a_time_to_live_or_for_another_method_pass_through() {
    let events = Events::record();
    let api = Api::new();
    let layer = layer()
        .endpoint("/users/me".parse().unwrap(), |config| config)
        .endpoint("POST /groups/{id}".parse().unwrap(), |config| config.ttl(SECOND));
    let mut client = client(&layer, &api);
    for path in ["/users/me", "/users/me", "/groups/1", "/groups/1"] {
        let before = api.requests();
        text(&mut client, path).await;
        assert_eq!(api.requests(), before + 1, "{path}");
    }
    let warned = events.named("endpoint has no time to live of its own");
    assert_eq!(warned.len(), 1);
    assert_eq!(warned[0].field("endpoint"), Some("/users/me"));
    let warned = events.named("endpoint of another method than GET is not cached");
    assert_eq!(warned.len(), 1);
    assert_eq!(warned[0].field("endpoint"), Some("POST /groups/{id}"));
}

#[test]
fn a_cache_without_bytes_is_rejected() {
    assert!(ResponseCacheLayer::with_max_bytes(0).is_err());
}
