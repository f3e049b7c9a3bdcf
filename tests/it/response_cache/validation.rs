//! Conditional requests, and what a 304 means.

use http::HeaderMap;
use tower_heed::extensions::{Attempt, NoRetry};

use super::*;

const ETAG: &[(&str, &str)] = &[("etag", "\"1\""), ("cache-control", "max-age=10")];
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// The header fields of the requests of a server.
type Seen = Arc<Mutex<Vec<HeaderMap>>>;

/// A server with one version of a resource, which confirms it by 304 to all who have it.
fn versioned(
    version: &'static [(&'static str, &'static str)],
    confirmed: &'static [(&'static str, &'static str)],
) -> (Api, Seen) {
    let seen = Seen::default();
    let requests = Arc::clone(&seen);
    let api = Api::scripted(move |request| {
        let headers = request.headers();
        requests.lock().unwrap().push(headers.clone());
        let has = |condition: &str, name: &str| {
            let own = version.iter().find(|(own, _)| *own == name);
            headers
                .get(condition)
                .is_some_and(|value| Some(value.as_bytes()) == own.map(|(_, own)| own.as_bytes()))
        };
        if has("if-none-match", "etag") || has("if-modified-since", "last-modified") {
            return Ok(response(304, confirmed));
        }
        let mut response = response(200, version);
        *response.body_mut() = full("me");
        Ok(response)
    });
    (api, seen)
}

fn last(seen: &Seen, name: &str) -> Option<String> {
    let seen = seen.lock().unwrap();
    seen.last().unwrap().get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_304_renews_the_stored_response_for_all_who_wait() {
    let (api, seen) =
        versioned(ETAG, &[("etag", "\"1\""), ("cache-control", "max-age=20"), ("x-new", "1")]);
    let api = api.taking(SECOND / 10);
    let client = client(&layer(), &api);
    send(&mut client.clone(), get("/users/1")).await.unwrap();
    assert_eq!(last(&seen, "if-none-match"), None);
    sleep(10 * SECOND).await;
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push(spawn(&client, get("/users/1")).await);
    }
    for call in calls {
        let got = call.await.unwrap().unwrap();
        assert_eq!((got.status, got.body.as_str(), got.stale), (200, "me", None));
    }
    assert_eq!((api.requests(), last(&seen, "if-none-match").as_deref()), (2, Some("\"1\"")));
    // It is fresh for as long as the 304 says, and its header is that of both.
    sleep(19 * SECOND).await;
    let hit = client.clone().ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!(
        (&hit.headers()["x-new"], &hit.headers()["age"]),
        (&"1".parse().unwrap(), &"19".parse().unwrap())
    );
    assert_eq!(hit.into_body().collect().await.unwrap().to_bytes(), "me");
    assert_eq!(api.requests(), 2);
    sleep(SECOND).await;
    send(&mut client.clone(), get("/users/1")).await.unwrap();
    assert_eq!((api.requests(), last(&seen, "if-none-match").as_deref()), (3, Some("\"1\"")));
}

#[tokio::test(start_paused = true)]
async fn a_date_is_a_validator_as_well() {
    let (api, seen) = versioned(&[("last-modified", DATE), ("cache-control", "max-age=10")], &[]);
    let mut client = client(&layer(), &api);
    for _ in 0..3 {
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!((got.status, got.body.as_str()), (200, "me"));
        advance(10 * SECOND).await;
    }
    assert_eq!(last(&seen, "if-modified-since").as_deref(), Some(DATE));
    assert_eq!(last(&seen, "if-none-match"), None);
}

/// What is to be validated each time is asked for by each request itself.
#[tokio::test(start_paused = true)]
async fn a_response_that_is_never_fresh_is_validated_for_each_request() {
    for directive in ["no-cache", "max-age=0", "max-age=0, must-revalidate", "private, no-cache"] {
        let api = Api::scripted(move |request| {
            let mut response = match request.headers().contains_key("if-none-match") {
                true => response(304, &[("etag", "\"1\"")]),
                false => Response::new(full("me")),
            };
            response.headers_mut().insert("etag", "\"1\"".parse().unwrap());
            response.headers_mut().insert("cache-control", directive.parse().unwrap());
            Ok(response)
        })
        .taking(SECOND);
        let layer = layer();
        let client = client(&layer, &api);
        send(&mut client.clone(), get("/users/1")).await.unwrap();
        let begun = tokio::time::Instant::now();
        let mut calls = Vec::new();
        for _ in 0..10 {
            calls.push(spawn(&client, get("/users/1")).await);
        }
        for call in calls {
            let got = call.await.unwrap().unwrap();
            assert_eq!((got.status, got.body.as_str()), (200, "me"), "{directive}");
        }
        assert_eq!(tokio::time::Instant::now() - begun, SECOND, "{directive}");
        assert_eq!((api.requests(), layer.handle().snapshot().hits()), (11, 0), "{directive}");
    }
}

/// Not even while the server is down, if it says so.
#[tokio::test(start_paused = true)]
async fn no_cache_and_must_revalidate_are_never_served_without_a_304() {
    for directive in ["no-cache", "max-age=0, must-revalidate", "max-age=10, must-revalidate"] {
        let api = Api::scripted(move |_| {
            let mut response = response(200, &[("etag", "\"1\"")]);
            response.headers_mut().insert("cache-control", directive.parse().unwrap());
            Ok(response)
        });
        let mut client = client(&layer(), &api);
        send(&mut client, get("/users/1")).await.unwrap();
        advance(10 * SECOND).await;
        api.responds(503, &[]);
        assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503, "{directive}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_response_replaces_the_stored_one() {
    let (api, _) = versioned(ETAG, &[]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    advance(10 * SECOND).await;
    api.becomes(|request| {
        assert_eq!(request.headers()["if-none-match"], "\"1\"");
        let mut response = response(200, &[("etag", "\"2\"")]);
        *response.body_mut() = full("changed");
        Ok(response)
    });
    for _ in 0..2 {
        assert_eq!(send(&mut client, get("/users/1")).await.unwrap().body, "changed");
    }
    assert_eq!(api.requests(), 2);
}

/// A directive of the caller asks the server, and a 304 is its answer.
#[tokio::test(start_paused = true)]
async fn a_request_with_no_cache_is_validated() {
    let (api, seen) = versioned(ETAG, &[]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    for directive in ["no-cache", "max-age=0", "min-fresh=30"] {
        let request = with_headers("/users/1", &[("cache-control", directive)]);
        let got = send(&mut client, request).await.unwrap();
        assert_eq!((got.status, got.body.as_str()), (200, "me"));
        assert_eq!(last(&seen, "if-none-match").as_deref(), Some("\"1\""), "{directive}");
    }
}

/// The caller has another copy, or none of ours.
#[tokio::test(start_paused = true)]
async fn a_condition_of_the_caller_reaches_the_server_as_it_is_and_its_304_the_caller() {
    let (api, seen) = versioned(ETAG, &[("etag", "\"1\"")]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    for (name, value, status, body) in [
        ("if-none-match", "\"1\"", 304, ""),
        ("if-none-match", "\"0\"", 200, "me"),
        ("if-modified-since", DATE, 200, "me"),
        ("if-match", "\"1\"", 200, "me"),
    ] {
        for _ in 0..2 {
            let sent = api.requests();
            let got = send(&mut client, with_headers("/users/1", &[(name, value)])).await.unwrap();
            assert_eq!((got.status, got.body.as_str(), api.requests()), (status, body, sent + 1));
            assert_eq!(last(&seen, name).as_deref(), Some(value));
        }
    }
    // None of it has touched the stored response.
    let sent = api.requests();
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().body, "me");
    assert_eq!(api.requests(), sent);
}

/// The 304 of a server behind a load balancer that serves two versions, or of one that ignores what it was asked.
#[tokio::test(start_paused = true)]
async fn a_304_for_another_response_is_asked_again_without_a_condition() {
    let (api, _) = versioned(ETAG, &[]);
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/1")).await.unwrap();
    advance(10 * SECOND).await;
    api.becomes(|request| {
        if request.headers().contains_key("if-none-match") {
            return Ok(response(304, &[("etag", "\"2\"")]));
        }
        assert_eq!(request.extensions().get::<Attempt>().map(|attempt| attempt.retries()), Some(1));
        let mut response = response(200, &[("etag", "\"2\"")]);
        *response.body_mut() = full("other");
        Ok(response)
    });
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().body, "other");
    assert_eq!(api.requests(), 3);
    // A request that may be sent once fails, and never gets a 304 or what was not confirmed.
    api.becomes(|_| Ok(response(304, &[("etag", "\"3\"")])));
    advance(60 * SECOND).await;
    let mut once = get("/users/1");
    once.extensions_mut().insert(NoRetry);
    let sent = api.requests();
    assert!(is_fetch_failed(&send(&mut client, once).await.unwrap_err()));
    assert_eq!(api.requests(), sent + 1);
    // The server's own mistake is passed on: it was asked without a condition.
    let got = send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!((got.status, api.requests()), (304, sent + 3));
}

/// Servers that cannot take a condition, or a long one, still serve the resource.
#[tokio::test(start_paused = true)]
async fn a_condition_that_a_server_cannot_take_is_left_out() {
    let long: &'static str = format!("\"{}\"", "x".repeat(2_000)).leak();
    for etag in ["\"1\"", long] {
        let api = Api::scripted(move |request| {
            let condition = request.headers().get("if-none-match");
            if let Some(condition) = condition {
                let status = if condition.len() > 1_000 { 431 } else { 412 };
                return Ok(response(status, &[]));
            }
            let mut response = Response::new(full("me"));
            response.headers_mut().insert("etag", etag.parse().unwrap());
            Ok(response)
        });
        let mut client = client(&layer(), &api);
        for _ in 0..3 {
            let got = send(&mut client, get("/users/1")).await.unwrap();
            assert_eq!((got.status, got.body.as_str()), (200, "me"));
            advance(60 * SECOND).await;
        }
    }
}

/// They add up to no more than a header map takes.
#[tokio::test(start_paused = true)]
async fn a_304_with_new_fields_each_time_is_stored_as_far_as_it_fits() {
    let (api, _) = versioned(&[("etag", "\"1\""), ("cache-control", "no-cache")], &[]);
    let layer = ResponseCacheLayer::with_max_bytes(256 << 10)
        .unwrap()
        .endpoint(user(), |config| config.ttl(60 * SECOND));
    let mut client = client(&layer, &api);
    send(&mut client, get("/users/1")).await.unwrap();
    let count = Arc::clone(&api.requests);
    api.becomes(move |_| {
        let mut response = response(304, &[("etag", "\"1\""), ("cache-control", "no-cache")]);
        for field in 0..500 {
            let name = format!("x-{}-{field}", count.load(Ordering::SeqCst));
            let name = http::HeaderName::try_from(name).unwrap();
            response.headers_mut().insert(name, "1".parse().unwrap());
        }
        Ok(response)
    });
    for _ in 0..80 {
        drop(send(&mut client, get("/users/1")).await.unwrap());
        let bytes = layer.handle().snapshot().bytes();
        assert!(bytes <= 256 << 10, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_validated_after_a_write_a_rejection_or_an_invalidation() {
    for how in ["write", "unknown", "handle", "rejection"] {
        let (api, seen) = versioned(ETAG, &[]);
        let layer = layer();
        let mut client = client(&layer, &api);
        send(&mut client, get("/users/1")).await.unwrap();
        let alive = Arc::clone(&*api.script.lock().unwrap());
        match how {
            "write" => drop(send(&mut client, of("PATCH", "/users/1")).await.unwrap()),
            "unknown" => {
                api.responds(504, &[]);
                drop(send(&mut client, of("PATCH", "/users/1")).await.unwrap());
            }
            "handle" => layer.handle().invalidate("id", "1"),
            _ => {
                advance(10 * SECOND).await;
                api.responds(403, &[]);
                assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 403);
            }
        }
        *api.script.lock().unwrap() = alive;
        assert_eq!(send(&mut client, get("/users/1")).await.unwrap().body, "me");
        assert_eq!(last(&seen, "if-none-match"), None, "{how}");
    }
}

/// It is for requests with the same fields, like the response itself.
#[tokio::test(start_paused = true)]
async fn another_users_response_is_not_validated() {
    let (api, seen) = versioned(ETAG, &[]);
    let mut client = client(&layer(), &api);
    for user in ["one", "other"] {
        let request = with_headers("/users/me", &[("x-forwarded-email", user)]);
        send(&mut client, request).await.unwrap();
        assert_eq!(last(&seen, "if-none-match"), None);
        advance(10 * SECOND).await;
    }
}

/// What a 304 says of the body, of the connection and of cookies is not the stored response's.
#[tokio::test(start_paused = true)]
async fn a_304_changes_no_field_of_the_body() {
    let (api, _) = versioned(
        &[
            ("etag", "\"1\""),
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("cache-control", "max-age=10"),
        ],
        &[
            ("content-type", "text/html"),
            ("content-length", "0"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("etag", "W/\"1\""),
        ],
    );
    let mut client = client(&layer(), &api);
    for _ in 0..3 {
        let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
        let (head, body) = response.into_parts();
        assert_eq!(
            (&head.headers["content-type"], &head.headers["content-length"]),
            (&"application/json".parse().unwrap(), &"2".parse().unwrap())
        );
        assert_eq!(head.headers["etag"], "\"1\"");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "me");
        advance(10 * SECOND).await;
    }
    let hit = with_headers("/users/1", &[("cache-control", "max-age=60, only-if-cached")]);
    send(&mut client, get("/users/1")).await.unwrap();
    let hit = client.ready().await.unwrap().call(hit).await.unwrap();
    assert!(!hit.headers().contains_key("x-hop"));
}

#[tokio::test(start_paused = true)]
async fn a_304_that_forbids_storing_or_sets_a_cookie_is_for_its_caller_alone() {
    let forbidding: [&'static [_]; 3] =
        [&[("cache-control", "no-store")], &[("set-cookie", "sid=1")], &[("vary", "*")]];
    for confirmed in forbidding {
        let (api, seen) = versioned(ETAG, confirmed);
        let mut client = client(&layer(), &api);
        send(&mut client, get("/users/1")).await.unwrap();
        advance(10 * SECOND).await;
        assert_eq!(send(&mut client, get("/users/1")).await.unwrap().body, "me");
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!((got.body.as_str(), got.age, api.requests()), ("me", None, 3));
        assert_eq!(last(&seen, "if-none-match"), None, "{confirmed:?}");
    }
}

/// RFC 5861 section 3, within `stale_for`.
#[tokio::test(start_paused = true)]
async fn stale_while_revalidate_serves_at_once_and_refreshes_in_the_background() {
    let versions = |directive: &'static str| {
        let api = Api::new();
        let requests = Arc::clone(&api.requests);
        api.becomes(move |_| {
            let mut response = Response::new(full(&requests.load(Ordering::SeqCst).to_string()));
            response.headers_mut().insert("cache-control", directive.parse().unwrap());
            Ok(response)
        });
        api
    };
    let api = versions("max-age=10, stale-while-revalidate=30");
    let client = client(&layer(), &api.clone().taking(SECOND / 2));
    send(&mut client.clone(), get("/users/1")).await.unwrap();
    sleep(15 * SECOND).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(text(&mut client.clone(), "/users/1").await, "1");
    }
    assert_eq!(tokio::time::Instant::now() - begun, Duration::ZERO);
    sleep(SECOND).await;
    let got = send(&mut client.clone(), get("/users/1")).await.unwrap();
    assert_eq!((got.body.as_str(), got.stale, api.requests()), ("2", None, 2));
    // After its time, the call waits.
    sleep(45 * SECOND).await;
    assert_eq!(text(&mut client.clone(), "/users/1").await, "3");

    // The configured time is the bound, and what forbids stale responses forbids this.
    for (layer, directive) in [
        (with(|config| config.stale_for(3 * SECOND)), "max-age=10, stale-while-revalidate=30"),
        (layer(), "max-age=10, stale-while-revalidate=30, must-revalidate"),
        (layer(), "max-age=10, stale-while-revalidate=soon"),
        (layer(), "max-age=10"),
    ] {
        let api = versions(directive);
        let mut client = super::client(&layer, &api);
        text(&mut client, "/users/1").await;
        advance(14 * SECOND).await;
        assert_eq!(text(&mut client, "/users/1").await, "2", "{directive}");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_if_error_is_heeded_within_stale_for() {
    for (directive, stale_for, at, is_served) in [
        ("max-age=10, stale-if-error=5", 600, 14, true),
        ("max-age=10, stale-if-error=5", 600, 16, false),
        ("max-age=10, stale-if-error=500", 5, 16, false),
        ("max-age=10, stale-if-error=0", 600, 11, false),
        ("max-age=10", 600, 300, true),
    ] {
        let api = Api::scripted(move |_| {
            let mut response = response(200, &[("etag", "\"1\"")]);
            response.headers_mut().insert("cache-control", directive.parse().unwrap());
            Ok(response)
        });
        let mut client = client(&with(|config| config.stale_for(stale_for * SECOND)), &api);
        send(&mut client, get("/users/1")).await.unwrap();
        advance(at * SECOND).await;
        api.responds(503, &[]);
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert_eq!(got.stale.is_some(), is_served, "{directive} at {at}");
    }
}
