//! Invalidation by writes and by the handle.

use super::*;

/// Whether a request is answered by a stored response.
async fn is_stored(client: &mut ResponseCache<Api>, api: &Api, request: Request<Body>) -> bool {
    let sent = api.requests();
    send(client, request).await.unwrap();
    api.requests() == sent
}

#[tokio::test(start_paused = true)]
async fn a_successful_write_invalidates_its_resource_for_all_credentials() {
    for method in ["PATCH", "PUT", "DELETE", "POST", "LOCK"] {
        for status in [200, 201, 204, 303] {
            let api = Api::new();
            let mut client = client(&layer(), &api);
            let by = |user, path: &str| with_headers(path, &[("authorization", user)]);
            let all = [
                by("one", "/users/a%7C1"),
                by("other", "/users/a%7C1"),
                get("/users/a%7C1?fields=email"),
                get("/users/a|1"),
            ];
            let apart = get("/users/2");
            for request in all.iter().chain([&apart]) {
                send(&mut client, request.clone()).await.unwrap();
            }
            api.responds(status, &[]);
            send(&mut client, of(method, "/users/a|1")).await.unwrap();
            api.responds(200, &[]);
            for request in all {
                let what = format!("{method} {status} {}", request.uri());
                assert!(!is_stored(&mut client, &api, request).await, "{what}");
            }
            assert!(is_stored(&mut client, &api, apart).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_in_another_spelling_of_the_path_invalidates_too() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    send(&mut client, get("/users/7")).await.unwrap();
    send(&mut client, of("PUT", "/%75sers/7")).await.unwrap();
    assert!(!is_stored(&mut client, &api, get("/users/7")).await);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_write_and_a_safe_method_invalidate_nothing() {
    for status in [400, 401, 403, 404, 409, 412, 422, 429] {
        let api = Api::new();
        let mut client = client(&layer(), &api);
        send(&mut client, get("/users/1")).await.unwrap();
        api.responds(status, &[]);
        send(&mut client, of("PATCH", "/users/1")).await.unwrap();
        assert!(is_stored(&mut client, &api, get("/users/1")).await, "{status}");
    }
    for method in ["HEAD", "OPTIONS", "TRACE"] {
        let api = Api::new();
        let mut client = client(&layer(), &api);
        send(&mut client, get("/users/1")).await.unwrap();
        send(&mut client, of(method, "/users/1")).await.unwrap();
        assert!(is_stored(&mut client, &api, get("/users/1")).await, "{method}");
    }
}

/// It may have been carried out: the response is refreshed, and served while the server is down.
#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_makes_its_resource_stale() {
    for outcome in ["503", "504", "error", "unknown", "dropped"] {
        let api = Api::new();
        let layer = layer();
        let mut client = client(&layer, &api);
        text(&mut client, "/users/1").await;
        let working = Arc::clone(&*api.script.lock().unwrap());
        match outcome {
            "error" => {
                api.becomes(|_| Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()));
            }
            "unknown" => api.becomes(|_| Err("unknown".into())),
            "504" => api.responds(504, &[]),
            _ => api.responds(503, &[]),
        }
        if outcome == "dropped" {
            let mut slow = super::client(&layer, &api.clone().taking(SECOND));
            let mut call =
                tokio_test::task::spawn(slow.ready().await.unwrap().call(of("PATCH", "/users/1")));
            assert!(call.poll().is_pending());
        } else {
            drop(send(&mut client, of("PATCH", "/users/1")).await);
        }
        api.responds(503, &[]);
        let sent = api.requests();
        let got = send(&mut client, get("/users/1")).await.unwrap();
        assert!(got.stale.is_some(), "{outcome}: {got:?}");
        assert_eq!(api.requests(), sent + 1, "{outcome}");
        *api.script.lock().unwrap() = working;
        advance(10 * SECOND).await;
        assert_eq!(send(&mut client, get("/users/1")).await.unwrap().stale, None, "{outcome}");
        assert!(is_stored(&mut client, &api, get("/users/1")).await, "{outcome}");
    }
}

/// A read that began before a write may return the state before it.
#[tokio::test(start_paused = true)]
async fn a_fetch_is_not_joined_after_an_invalidation() {
    let api = Api::new().taking(10 * SECOND);
    let layer = layer();
    let slow = client(&layer, &api);
    let mut quick = client(&layer, &api.clone().taking(SECOND));
    let before = spawn(&slow, get("/users/1")).await;
    let joined = spawn(&slow, get("/users/1")).await;
    send(&mut quick, of("PATCH", "/users/1")).await.unwrap();
    let after = spawn(&quick, get("/users/1")).await;
    assert_eq!(after.await.unwrap().unwrap().body, "/users/1 3");
    for old in [before, joined] {
        assert!(old.await.unwrap().is_ok());
    }
    let sent = api.requests();
    assert_eq!((text(&mut quick, "/users/1").await.as_str(), sent), ("/users/1 3", 3));
    assert_eq!(api.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_overtaken_by_an_invalidation_is_not_stored() {
    let api = Api::new().taking(10 * SECOND);
    let layer = layer();
    let slow = client(&layer, &api);
    let before = spawn(&slow, get("/users/1")).await;
    layer.handle().invalidate("id", "1");
    assert!(before.await.unwrap().is_ok());
    assert!(!is_stored(&mut client(&layer, &api), &api, get("/users/1")).await);
}

/// Otherwise the outdated response would be served while the server is down.
#[tokio::test(start_paused = true)]
async fn an_older_fetch_does_not_restore_a_removed_response() {
    for status in [401, 403, 404, 410] {
        for was_kept in [true, false] {
            let api = Api::new();
            let layer = layer();
            let mut quick = client(&layer, &api);
            if was_kept {
                text(&mut quick, "/users/1").await;
            }
            let new = || with_headers("/users/1", &[("cache-control", "no-cache")]);
            let slow = client(&layer, &api.clone().taking(10 * SECOND));
            let older = spawn(&slow, new()).await;
            advance(SECOND).await;
            let alive = Arc::clone(&*api.script.lock().unwrap());
            api.responds(status, &[]);
            assert_eq!(send(&mut quick, new()).await.unwrap().status, status);
            *api.script.lock().unwrap() = alive;
            assert_eq!(older.await.unwrap().unwrap().status, 200);
            api.responds(503, &[]);
            assert_eq!(send(&mut quick, get("/users/1")).await.unwrap().status, 503, "{status}");
        }
    }
}

/// It may contain the state before the write.
#[tokio::test(start_paused = true)]
async fn a_response_that_was_read_during_a_write_is_invalidated_at_its_end() {
    let api = Api::new();
    let layer = layer();
    let mut quick = client(&layer, &api);
    let write = spawn(&client(&layer, &api.clone().taking(SECOND)), of("PATCH", "/users/1")).await;
    text(&mut quick, "/users/1").await;
    assert!(is_stored(&mut quick, &api, get("/users/1")).await);
    write.await.unwrap().unwrap();
    assert!(!is_stored(&mut quick, &api, get("/users/1")).await);
}

#[tokio::test(start_paused = true)]
async fn the_parameters_of_wider_patterns_invalidate_as_well() {
    let api = Api::new();
    let layer = ResponseCacheLayer::new()
        .endpoint("/orgs/{org}/{*rest}".parse().unwrap(), |config| config.ttl(60 * SECOND))
        .endpoint("/orgs/{name}/users/{id}".parse().unwrap(), |config| config);
    let mut client = client(&layer, &api);
    for (parameter, value) in [("org", "1"), ("name", "1"), ("id", "2"), ("rest", "users/2")] {
        send(&mut client, get("/orgs/1/users/2")).await.unwrap();
        assert!(is_stored(&mut client, &api, get("/orgs/1/users/2")).await);
        layer.handle().invalidate(parameter, value);
        assert!(!is_stored(&mut client, &api, get("/orgs/1/users/2")).await, "{parameter}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_handle_invalidates_by_parameter_by_uri_and_all() {
    let api = Api::new();
    let layer = layer()
        .endpoint("/users/{id}/roles".parse().unwrap(), |config| config.ttl(60 * SECOND))
        .endpoint("/orgs/{org}".parse().unwrap(), |config| config.ttl(60 * SECOND));
    let handle = layer.handle();
    let mut client = client(&layer, &api);
    let paths = [
        "/users/auth0%7C1",
        "/users/auth0%7C1/roles",
        "/users/auth0|1?q",
        "/users/2",
        "/orgs/auth0|1",
    ];
    let mut are_stored = async |expected: [bool; 5]| {
        for (path, expected) in paths.into_iter().zip(expected) {
            assert_eq!(is_stored(&mut client, &api, get(path)).await, expected, "{path}");
        }
    };
    are_stored([false; 5]).await;
    are_stored([true; 5]).await;
    handle.invalidate("id", "auth0|1");
    are_stored([false, false, false, true, true]).await;
    handle.invalidate("other", "auth0|1");
    are_stored([true; 5]).await;
    handle.invalidate_uri(&"https://ID.example:443/users/auth0%7c1".parse().unwrap());
    are_stored([false, true, false, true, true]).await;
    handle.clear();
    assert_eq!((handle.snapshot().entries(), handle.snapshot().bytes()), (0, 0));
    are_stored([false; 5]).await;
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_response_is_not_served_stale() {
    let api = Api::new();
    let layer = layer();
    let mut client = client(&layer, &api);
    text(&mut client, "/users/1").await;
    layer.handle().invalidate("id", "1");
    api.responds(503, &[]);
    assert_eq!(send(&mut client, get("/users/1")).await.unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_invalidated_during_its_refresh_is_not_served() {
    let api = Api::new();
    let layer = layer();
    text(&mut client(&layer, &api), "/users/1").await;
    advance(60 * SECOND).await;
    api.responds(503, &[]);
    let waiting = spawn(&client(&layer, &api.clone().taking(SECOND / 2)), get("/users/1")).await;
    layer.handle().invalidate("id", "1");
    assert_eq!(waiting.await.unwrap().unwrap().status, 503);
}
