//! For how long a response answers, and what the server and the caller can say about that.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_response_answers_for_its_time_to_live_and_tells_its_age() {
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
async fn the_server_shortens_it_and_brings_its_own_age() {
    let api = Api::new();
    api.answers(200, &[("cache-control", "private, max-age=30"), ("age", "10")]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    advance(19 * SECOND).await;
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().age.as_deref(), Some("29"));
    advance(SECOND).await;
    send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!(api.sends(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_kept_is_fetched_each_time() {
    for headers in [
        &[("cache-control", "no-store")],
        &[("cache-control", "no-cache")],
        &[("set-cookie", "sid=1")],
        &[("vary", "*")],
        &[("vary", "accept language")],
        &[("expires", "0")],
    ] as [&[_]; 6]
    {
        let api = Api::scripted(move |_| Ok(answer(200, headers)));
        let layer = layer();
        let mut client = client(&layer, &api);
        for _ in 0..3 {
            assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 200);
        }
        assert_eq!(api.sends(), 3, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_marked_endpoint_overrides_what_the_server_says() {
    let api = Api::new();
    api.answers(
        200,
        &[("cache-control", "private, no-store, no-cache, max-age=0"), ("expires", "0")],
    );
    let mut client = client(&with(ResponseCacheConfig::override_no_store), &api);
    for _ in 0..3 {
        send(&mut client, get("/users/1")).await.unwrap();
    }
    assert_eq!(api.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn cookies_are_stripped_where_that_was_asked_for_and_reach_the_one_who_asked() {
    let api = Api::new().taking(SECOND);
    api.answers(200, &[("set-cookie", "__cf_bm=1"), ("etag", "7")]);
    let client = client(&with(ResponseCacheConfig::strip_set_cookie), &api);
    let mut calls = Vec::new();
    for _ in 0..3 {
        let mut client = client.clone();
        calls.push(tokio::spawn(async move { client.ready().await?.call(get("/users/1")).await }));
        tokio::task::yield_now().await;
    }
    let mut cookies = Vec::new();
    for call in calls {
        let response: Answered = call.await.unwrap();
        let response = response.unwrap();
        assert!(response.headers().contains_key("etag"));
        cookies.push(response.headers().contains_key("set-cookie"));
    }
    assert_eq!(cookies, [true, false, false]);
    let hit = client.clone().ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert!(!hit.headers().contains_key("set-cookie") && hit.headers().contains_key("etag"));
    assert_eq!(api.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn errors_are_never_kept() {
    for status in [301, 400, 401, 403, 404, 429, 500, 503] {
        let api = Api::new();
        api.answers(status, &[("cache-control", "max-age=60")]);
        let mut client = client(&layer(), &api);
        for _ in 0..2 {
            assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, status);
        }
        assert_eq!(api.sends(), 2, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_can_ask_for_a_new_response_and_the_next_gets_it_too() {
    for directive in ["no-cache", "max-age=0"] {
        let api = Api::new();
        let mut client = client(&layer(), &api);
        text(&mut client, "/users/1").await;
        let request = with_headers("/users/1", &[("cache-control", directive)]);
        assert_eq!(send(&mut client, request).await.unwrap().body, "/users/1 2");
        assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_can_say_how_old_and_that_nothing_be_kept_and_that_nothing_be_sent() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let asking = |directive| with_headers("/users/1", &[("cache-control", directive)]);
    let kept_only = send(&mut client, asking("only-if-cached")).await.unwrap();
    assert_eq!((kept_only.status, api.sends()), (504, 0));

    assert_eq!(send(&mut client, asking("no-store")).await.unwrap().body, "/users/1 1");
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 2");
    advance(20 * SECOND).await;
    assert_eq!(send(&mut client, asking("max-age=20")).await.unwrap().body, "/users/1 2");
    assert_eq!(send(&mut client, asking("only-if-cached")).await.unwrap().body, "/users/1 2");
    assert_eq!(send(&mut client, asking("max-age=19")).await.unwrap().body, "/users/1 3");
}

/// `only-if-cached` beside another directive sent the request, or was given what that directive forbids.
#[tokio::test(start_paused = true)]
async fn only_if_cached_sends_nothing_whatever_stands_beside_it() {
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
    assert_eq!(api.sends(), 1);
    // Nor is a refresh begun.
    advance(40 * SECOND).await;
    let kept = || with_headers("/users/1", &[("cache-control", "only-if-cached")]);
    assert_eq!(send(&mut client, kept()).await.unwrap().status, 504);
    assert_eq!(api.sends(), 1);
    // While the server is left alone, what is stale can be had.
    api.answers(503, &[]);
    assert!(send(&mut client, get("/users/1")).await.unwrap().stale.is_some());
    assert!(send(&mut client, kept()).await.unwrap().stale.is_some());
    assert_eq!(api.sends(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_can_say_for_how_long_the_response_is_to_stay_fresh() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    text(&mut client, "/users/1").await;
    advance(20 * SECOND).await;
    let asking = |directive| with_headers("/users/1", &[("cache-control", directive)]);
    assert_eq!(send(&mut client, asking("min-fresh=39")).await.unwrap().body, "/users/1 1");
    assert_eq!(send(&mut client, asking("min-fresh=41")).await.unwrap().body, "/users/1 2");
}

/// A response that is on its way counts as old as its flight.
#[tokio::test(start_paused = true)]
async fn who_says_how_old_does_not_join_an_older_flight() {
    let api = Api::new().taking(10 * SECOND);
    let client = client(&layer(), &api);
    let first = spawn(&client, get("/users/1")).await;
    advance(5 * SECOND).await;
    let asking = |directive| with_headers("/users/1", &[("cache-control", directive)]);
    let joins = spawn(&client, asking("max-age=5")).await;
    let begins = spawn(&client, asking("max-age=4")).await;
    for (call, body) in [(first, 2), (joins, 2), (begins, 2)] {
        // The number is that of the requests when it is answered.
        assert_eq!(call.await.unwrap().unwrap().body, format!("/users/1 {body}"));
    }
    assert_eq!(api.sends(), 2);
}

/// A cache that is private to one credential may keep what is for one user, with or without a word about it (RFC 9111
/// section 3.5 is about shared ones), and does not heed the time that is for those.
#[tokio::test(start_paused = true)]
async fn what_is_said_to_shared_caches_is_not_said_to_this_one() {
    for said in
        ["private", "public, s-maxage=1", "s-maxage=0", "proxy-revalidate", "private=\"x-user\""]
    {
        let api = Api::scripted(move |_| {
            let mut response = Response::new(full("me"));
            response.headers_mut().insert("cache-control", said.parse().unwrap());
            Ok(response)
        });
        let mut client = client(&layer(), &api);
        let me = || with_headers("/users/me", &[("authorization", "Bearer one")]);
        send(&mut client, me()).await.unwrap();
        advance(59 * SECOND).await;
        send(&mut client, me()).await.unwrap();
        assert_eq!(api.sends(), 1, "{said}");
    }
}

/// A `HEAD` is neither answered from what is kept nor kept for a `GET`, nor is a part, nor a "not modified".
#[tokio::test(start_paused = true)]
async fn what_is_not_the_whole_answers_for_nothing() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    let range = || with_headers("/users/1", &[("range", "bytes=0-1")]);
    let condition = || with_headers("/users/1", &[("if-none-match", "\"7\"")]);
    for (request, status) in [(of("HEAD", "/users/1"), 200), (range(), 206), (condition(), 304)] {
        let alive = Arc::clone(&*api.script.lock().unwrap());
        api.answers(status, &[("etag", "\"7\"")]);
        assert_eq!(send(&mut client, request.clone()).await.unwrap().status, status);
        *api.script.lock().unwrap() = alive;
        let sent = api.sends();
        let whole = with_headers("/users/1", &[("cache-control", "only-if-cached")]);
        assert_eq!(send(&mut client, whole).await.unwrap().status, 504);
        text(&mut client, "/users/1").await;
        assert_eq!(api.sends(), sent + 1);
        send(&mut client, request).await.unwrap();
        assert_eq!(api.sends(), sent + 2);
        send(&mut client, of("PATCH", "/users/1")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn fields_of_the_connection_are_not_kept() {
    let api = Api::new();
    api.answers(
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

#[test]
fn a_cache_without_bytes_is_refused() {
    assert!(ResponseCacheLayer::with_max_bytes(0).is_err());
}
