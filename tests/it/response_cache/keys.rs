//! Which requests share a response.

use http::HeaderName;
use tower_heed::token_cache::{TokenKey, TokenScope};

use super::*;

/// A server that responds with the URI and the header fields of the request.
fn echo() -> Api {
    Api::scripted(|request| {
        Ok(Response::new(full(&format!("{} {:?}", request.uri(), request.headers()))))
    })
}

/// Sends each request twice, and asserts that it gets its own response both times.
async fn assert_apart(layer: &ResponseCacheLayer, requests: &[Request<Body>]) {
    let api = echo();
    let mut client = client(layer, &api);
    let mut own = Vec::new();
    for request in requests {
        own.push(send(&mut client, request.clone()).await.unwrap().body);
    }
    assert_eq!(api.requests(), requests.len());
    for (request, own) in requests.iter().zip(own) {
        assert_eq!(send(&mut client, request.clone()).await.unwrap().body, own);
    }
    assert_eq!(api.requests(), requests.len(), "all are stored");
}

#[tokio::test(start_paused = true)]
async fn a_response_never_reaches_another_credential() {
    let mut requests = vec![get("/users/me")];
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "apikey",
        "x-auth-token",
        "private-token",
        "x-session-id",
        "x-amz-signature",
        "x-amz-security-token",
        "x-auth-request-email",
        "x-goog-authenticated-user-email",
        "x-amzn-oidc-data",
        "api_key",
        "x-jwt",
        "x-bearer",
        "x-ticket",
        "x-forwarded-client-cert",
        "x-ms-client-principal",
        "x-api-passwd",
        "x-hmac",
        "saml-response",
        "x-forwarded-user",
        "remote-user",
        "x-user-id",
        "x-login",
        "impersonate-user",
        "x-identity",
        "sudo",
    ] {
        for user in ["one", "other"] {
            requests.push(with_headers("/users/me", &[(name, user)]));
        }
    }
    let mut marked = with_headers("/users/me", &[("x-who", "one")]);
    marked.headers_mut().get_mut("x-who").unwrap().set_sensitive(true);
    let mut other = with_headers("/users/me", &[("x-who", "other")]);
    other.headers_mut().get_mut("x-who").unwrap().set_sensitive(true);
    requests.extend([marked, other]);
    // The same bytes in other fields.
    requests.push(with_headers("/users/me", &[("cookie", "a"), ("cookie", "b")]));
    requests.push(with_headers("/users/me", &[("cookie", "ab")]));
    requests.push(with_headers("/users/me", &[("authorization", "x"), ("cookie", "y")]));
    requests.push(with_headers("/users/me", &[("authorization", "y"), ("cookie", "x")]));
    let mut with_password = get("/users/me");
    *with_password.uri_mut() = "https://me:secret@id.example/users/me".parse().unwrap();
    requests.push(with_password);
    assert_apart(&layer(), &requests).await;
}

/// A proof of possession differs in each request; the token beside it is the credential.
#[tokio::test(start_paused = true)]
async fn fields_that_differ_in_each_request_without_carrying_a_credential_are_ignored() {
    let api = echo();
    let mut client = client(&layer(), &api);
    for name in ["user-agent", "dpop", "idempotency-key", "x-request-id", "traceparent"] {
        let sent = api.requests();
        for value in ["one", "other"] {
            let all = [("authorization", name), (name, value)];
            send(&mut client, with_headers("/users/me", &all)).await.unwrap();
        }
        assert_eq!(api.requests(), sent + 1, "{name}");
    }
}

/// Clones of a layer share a store, and may choose different fields.
#[tokio::test(start_paused = true)]
async fn a_chosen_field_counts_by_its_name() {
    let api = echo();
    let of = |name| {
        let named = ResponseCacheLayer::clone(&BASE).header(HeaderName::from_static(name));
        named.endpoint(user(), |config| config.ttl(60 * SECOND))
    };
    static BASE: std::sync::LazyLock<ResponseCacheLayer> =
        std::sync::LazyLock::new(ResponseCacheLayer::new);
    for name in ["x-tenant", "x-team"] {
        let request = with_headers("/users/1", &[(name, "1")]);
        let got = send(&mut client(&of(name), &api), request).await.unwrap();
        assert!(got.body.contains(name), "{}", got.body);
    }
    assert_eq!(api.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_concurrent_users_each_get_their_own_response() {
    let api = echo().taking(SECOND);
    let client = client(&layer(), &api);
    let mut calls = Vec::new();
    for round in 0..3 {
        for user in 0..200 {
            let token = format!("Bearer user-{user}-{round:03}x");
            let token = token.replace(&format!("-{round:03}x"), "-");
            let request = with_headers("/users/me", &[("authorization", &token)]);
            calls.push((token, spawn(&client, request).await));
        }
        advance(Duration::from_millis(400)).await;
    }
    for (token, call) in calls {
        let got = call.await.unwrap().unwrap();
        assert!(got.body.contains(&format!("\"{token}\"")), "{token} got {}", got.body);
    }
    assert_eq!(api.requests(), 200);
}

#[tokio::test(start_paused = true)]
async fn requests_for_different_uris_do_not_share() {
    let mut port = get("/users/1");
    *port.uri_mut() = "https://id.example:8443/users/1".parse().unwrap();
    let mut scheme = get("/users/1");
    *scheme.uri_mut() = "http://id.example/users/1".parse().unwrap();
    let mut server = get("/users/1");
    *server.uri_mut() = "https://id2.example/users/1".parse().unwrap();
    let relative = |host: &str| {
        let mut request = with_headers("/users/1", &[("host", host)]);
        *request.uri_mut() = "/users/1".parse().unwrap();
        request
    };
    let requests = [
        get("/users/1"),
        get("/users/2"),
        get("/users/1?fields=email"),
        get("/users/1?fields=name"),
        port,
        scheme,
        server,
        relative("id.example"),
        relative("id2.example"),
    ];
    assert_apart(&layer(), &requests).await;
}

#[tokio::test(start_paused = true)]
async fn a_chosen_field_separates_requests_and_another_does_not() {
    let tenants = ["one", "other"].map(|tenant| with_headers("/users/1", &[("x-tenant", tenant)]));
    let chosen = ResponseCacheLayer::new().header(HeaderName::from_static("x-tenant"));
    let chosen = chosen.endpoint(user(), |config| config.ttl(60 * SECOND));
    assert_apart(&chosen, &tenants).await;
    let config = with(|config| config.header(HeaderName::from_static("x-tenant")));
    assert_apart(&config, &tenants).await;

    let api = echo();
    let mut client = client(&layer(), &api);
    for tenant in tenants {
        send(&mut client, tenant).await.unwrap();
    }
    assert_eq!(api.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_credential_function_separates_requests() {
    #[derive(Clone)]
    struct UserId(&'static str);
    let by_user =
        || layer().credential(|head| head.extensions.get().map(|UserId(id)| id.as_bytes().into()));
    let of = |user, token| {
        let mut request = with_headers("/users/me", &[("authorization", token)]);
        request.extensions_mut().insert(UserId(user));
        request
    };
    assert_apart(&by_user(), &[of("one", "t1"), of("other", "t1")]).await;
    // Where it returns nothing, the header fields separate requests.
    let unknown = ["t1", "t2"].map(|token| with_headers("/users/me", &[("authorization", token)]));
    assert_apart(&by_user(), &[unknown[0].clone(), unknown[1].clone(), of("t1", "t1")]).await;

    let api = echo();
    let mut client = client(&by_user(), &api);
    for token in ["t1", "t2"] {
        send(&mut client, of("one", token)).await.unwrap();
    }
    assert_eq!(api.requests(), 1, "a new token finds the stored response");
}

/// Both tokens are of one user by the `credential` function, and one has expired.
#[tokio::test(start_paused = true)]
async fn a_401_for_one_token_is_not_shared_with_another_token() {
    #[derive(Clone)]
    struct User;
    let by_user =
        layer().credential(|head| head.extensions.get::<User>().map(|_| b"one".as_slice().into()));
    let of = |token| {
        let mut request = with_headers("/users/me", &[("authorization", token)]);
        request.extensions_mut().insert(User);
        request
    };
    let api = Api::scripted(|request| {
        let mut response = Response::new(full("me"));
        if request.headers()["authorization"] == "ended" {
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        }
        Ok(response)
    });
    let client = client(&by_user, &api);
    let (mut first, mut second) = (client.clone(), client);
    let (first, second) =
        tokio::join!(send(&mut first, of("ended")), send(&mut second, of("good")));
    assert_eq!((first.unwrap().status, second.unwrap().status), (401, 200));
}

/// For all tokens of the user: nothing may be served to a user whom the server has rejected.
#[tokio::test(start_paused = true)]
async fn a_401_for_one_token_removes_the_stored_response_of_its_user() {
    let by_user = layer().credential(|_| Some(b"one".as_slice().into()));
    let api = Api::new();
    let mut client = client(&by_user, &api);
    let of = |token, directive| {
        with_headers("/users/me", &[("authorization", token), ("cache-control", directive)])
    };
    send(&mut client, of("good", "")).await.unwrap();
    api.responds(401, &[]);
    assert_eq!(send(&mut client, of("ended", "no-cache")).await.unwrap().status, 401);
    api.responds(503, &[]);
    assert_eq!(send(&mut client, of("good", "")).await.unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_credential_function_fails_its_own_call_alone() {
    let by_user = layer().credential(|head| match head.headers.contains_key("x-panic") {
        true => panic!("in the function"),
        false => None,
    });
    let api = Api::new();
    let client = client(&by_user, &api);
    let call = spawn(&client, with_headers("/users/1", &[("x-panic", "1")])).await;
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(text(&mut client.clone(), "/users/1").await, "/users/1 1");
}

/// The body of a `GET` has no meaning (RFC 9110 section 9.3.1).
#[tokio::test(start_paused = true)]
async fn the_body_of_a_request_is_ignored() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    for body in ["one", "other"] {
        let request = get("/users/1").map(|_| full(body));
        assert_eq!(send(&mut client, request).await.unwrap().body, "/users/1 1");
    }
}

/// An inner layer attaches the token, so nothing else in the request differs.
#[tokio::test(start_paused = true)]
async fn requests_with_different_token_scopes_do_not_share() {
    let scoped = |organization: &str| {
        let mut request = get("/users/1");
        let key = TokenKey::new().with_organization(organization);
        request.extensions_mut().insert(TokenScope::new(key));
        request
    };
    assert_apart(&layer(), &[get("/users/1"), scoped("org_1"), scoped("org_2")]).await;
}

#[tokio::test(start_paused = true)]
async fn vary_is_obeyed() {
    let api = Api::scripted(|request| {
        let language = request.headers().get("accept-language").cloned();
        let text = language.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
        let mut response = Response::new(full(&text));
        response.headers_mut().insert("vary", "Accept-Encoding, accept-language".parse().unwrap());
        Ok(response)
    })
    .taking(SECOND);
    let client = client(&layer(), &api);
    let asking = |language| with_headers("/users/1", &[("accept-language", language)]);
    // Concurrently, so that one waits for the fetch of the other.
    let (german, english) =
        (spawn(&client, asking("de")).await, spawn(&client, asking("en")).await);
    assert_eq!(german.await.unwrap().unwrap().body, "de");
    assert_eq!(english.await.unwrap().unwrap().body, "en");
    assert_eq!(api.requests(), 2);
    let mut client = client.clone();
    for language in ["de", "de", "en", "en", "de"] {
        assert_eq!(send(&mut client, asking(language)).await.unwrap().body, language);
    }
    // Only the last variant is stored.
    assert_eq!(api.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn debug_shows_no_credential() {
    let api = Api::new();
    let layer = layer();
    let mut client = client(&layer, &api);
    let request = with_headers("/users/sesame-path", &[("authorization", "Bearer sesame")]);
    client.ready().await.unwrap();
    let call = client.call(request);
    let shown = format!("{layer:?} {call:?} {:?}", layer.handle());
    assert!(!shown.contains("sesame"), "{shown}");
    let response = call.await.unwrap();
    assert!(!format!("{:?}", response.body()).contains("sesame"));
}
