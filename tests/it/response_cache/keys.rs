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
async fn a_response_never_reaches_another_user() {
    let mut requests = vec![get("/users/me")];
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "dpop",
        "x-amz-signature",
        "x-amz-date",
        "x-forwarded-email",
        "x-forwarded-groups",
        "x-forwarded-preferred-username",
        "x-auth-request-email",
        "x-goog-iap-jwt-assertion",
        "x-ms-client-principal-id",
        "x-forwarded-client-cert",
        "ssl-client-s-dn",
        "x-ssl-client-dn",
        "remote-user",
        "from",
        "x-email",
        "x-tenant",
        "x-account",
        "x-org-id",
        "x-subject",
        "x-sub",
        "x-uid",
        "x-customer",
        "x-device-id",
        "x-consumer-custom-id",
        "x-roles",
        "x-scopes",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-original-url",
        "baggage",
        "x-datadog-tags",
        "accept",
        "accept-language",
        "content-type",
        "prefer",
        "origin",
        "referer",
        "x-github-api-version",
        "anything",
    ] {
        for user in ["one", "other"] {
            requests.push(with_headers("/users/me", &[(name, user)]));
        }
    }
    // The same bytes in other fields, in another number of values, and in another order.
    for fields in [
        &[("cookie", "a"), ("cookie", "b")] as &[_],
        &[("cookie", "b"), ("cookie", "a")],
        &[("cookie", "ab")],
        &[("cookie", "a, b")],
        &[("cookie", "ab"), ("cookie", "")],
        &[("x-a", "x"), ("x-b", "y")],
        &[("x-a", "y"), ("x-b", "x")],
        &[("x-a", "xx-by")],
    ] {
        requests.push(with_headers("/users/me", fields));
    }
    let mut with_password = get("/users/me");
    *with_password.uri_mut() = "https://me:secret@id.example/users/me".parse().unwrap();
    requests.push(with_password);
    for bytes in [b"\xff\xfe".as_slice(), b"\xff\xff", b"\xc3\xa4", b"\xc3\x84"] {
        let mut request = get("/users/me");
        let value = http::HeaderValue::from_bytes(bytes).unwrap();
        request.headers_mut().insert("x-name", value);
        requests.push(request);
    }
    assert_apart(&layer(), &requests).await;
}

/// Whoever marks a value says that it is a secret.
#[tokio::test(start_paused = true)]
async fn a_sensitive_value_counts_in_any_field() {
    let marked = |name: &'static str, value: &'static str| {
        let mut request = get("/users/me");
        let mut value = http::HeaderValue::from_static(value);
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
        request
    };
    let fields = ["user-agent", "x-request-id", "x-who"];
    let requests = fields.map(|name| [marked(name, "one"), marked(name, "other")]).concat();
    assert_apart(&layer(), &requests).await;
}

/// The next hop removes what `Connection` names, so the server sees another request.
#[tokio::test(start_paused = true)]
async fn a_field_that_connection_names_is_another_field() {
    let of = |connection| {
        with_headers("/users/me", &[("x-tenant", "1"), ("cookie", "a"), ("connection", connection)])
    };
    let others = ["x-tenant", "cookie", "close, X-Tenant", "(", "x-tenant, cookie", "close"];
    assert_apart(&layer(), &others.map(of)).await;

    let api = echo();
    let mut client = client(&layer(), &api);
    for usual in ["close", "keep-alive", "Keep-Alive, TE", ""] {
        send(&mut client, of(usual)).await.unwrap();
    }
    assert_eq!(api.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn fields_that_tell_nobody_apart_and_change_no_response_are_ignored() {
    let api = echo();
    let mut client = client(&layer(), &api);
    for name in [
        "user-agent",
        "accept-encoding",
        "date",
        "idempotency-key",
        "x-request-id",
        "x-correlation-id",
        "traceparent",
        "tracestate",
        "b3",
        "x-b3-traceid",
        "x-amzn-trace-id",
        "keep-alive",
    ] {
        let sent = api.requests();
        for value in ["one", "other"] {
            let all = [("authorization", name), (name, value)];
            send(&mut client, with_headers("/users/me", &all)).await.unwrap();
        }
        assert_eq!(api.requests(), sent + 1, "{name}");
    }
    // Nor does the order of different fields.
    let fields = [("x-a", "1"), ("x-b", "2"), ("authorization", "3")];
    let sent = api.requests();
    send(&mut client, with_headers("/users/me", &fields)).await.unwrap();
    let reversed = [fields[2], fields[1], fields[0]];
    send(&mut client, with_headers("/users/me", &reversed)).await.unwrap();
    assert_eq!(api.requests(), sent + 1);
}

/// A server that compresses, and forgets to say that this depends on the request.
#[tokio::test(start_paused = true)]
async fn an_encoded_response_is_for_requests_that_accept_the_same_encodings() {
    let api = Api::scripted(|request| {
        let accepted = request.headers().get("accept-encoding").cloned();
        let mut response = Response::new(full("plain"));
        if let Some(encoding) = accepted {
            *response.body_mut() = full("encoded");
            response.headers_mut().insert("content-encoding", encoding);
        }
        Ok(response)
    });
    let mut client = client(&layer(), &api);
    let accepting = |encoding| with_headers("/users/1", &[("accept-encoding", encoding)]);
    for _ in 0..2 {
        assert_eq!(send(&mut client, accepting("br")).await.unwrap().body, "encoded");
    }
    assert_eq!(api.requests(), 1);
    assert_eq!(text(&mut client, "/users/1").await, "plain");
    // What is not encoded is for all.
    assert_eq!(send(&mut client, accepting("br")).await.unwrap().body, "plain");
    assert_eq!(api.requests(), 2);
}

/// A server that takes a `GET` for a `DELETE` must see each of them, and its resource has changed.
#[tokio::test(start_paused = true)]
async fn a_get_with_another_method_in_its_fields_is_a_write() {
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let api = Api::new();
        let mut client = client(&layer(), &api);
        text(&mut client, "/users/1").await;
        for requests in 2..=3 {
            send(&mut client, with_headers("/users/1", &[(name, "DELETE")])).await.unwrap();
            assert_eq!(api.requests(), requests);
        }
        assert_eq!(text(&mut client, "/users/1").await, "/users/1 4");
    }
}

/// Clones of a layer share a store, and may count different fields.
#[tokio::test(start_paused = true)]
async fn a_clone_that_counts_other_fields_finds_other_responses() {
    let api = echo();
    let base = ResponseCacheLayer::new();
    let agent = http::header::USER_AGENT;
    let tenant = HeaderName::from_static("x-tenant");
    let usual = base.clone().endpoint(user(), |config| config.ttl(60 * SECOND));
    let counts = base.clone().endpoint(user(), |config| config.ttl(60 * SECOND).header(agent));
    let ignores = base.endpoint(user(), |config| config.ttl(60 * SECOND).without_header(&tenant));
    send(&mut client(&ignores, &api), with_headers("/users/1", &[("x-tenant", "1")]))
        .await
        .unwrap();
    for layer in [&usual, &counts] {
        let got = send(&mut client(layer, &api), get("/users/1")).await.unwrap();
        assert!(!got.body.contains("x-tenant"), "{}", got.body);
    }
    assert_eq!(api.requests(), 3);
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
async fn a_field_can_be_counted_and_ignored_by_choice() {
    let agents = ["one", "other"].map(|agent| with_headers("/users/1", &[("user-agent", agent)]));
    let chosen = ResponseCacheLayer::new().header(http::header::USER_AGENT);
    let chosen = chosen.endpoint(user(), |config| config.ttl(60 * SECOND));
    assert_apart(&chosen, &agents).await;
    assert_apart(&with(|config| config.header(http::header::USER_AGENT)), &agents).await;

    let number = HeaderName::from_static("x-sequence");
    let numbers = ["1", "2"].map(|value| with_headers("/users/1", &[("x-sequence", value)]));
    for (layer, requests) in [
        (layer(), 2),
        (with(|config| config.without_header(&number)), 1),
        (with(|config| config.header(number.clone()).without_header(&number)), 1),
        (with(|config| config.without_header(&number).header(number.clone())), 2),
    ] {
        let api = echo();
        let mut client = client(&layer, &api);
        for request in &numbers {
            send(&mut client, request.clone()).await.unwrap();
        }
        assert_eq!(api.requests(), requests);
    }
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
    // It stands for the credential and for nothing else.
    let mut german = of("one", "t1");
    german.headers_mut().insert("accept-language", "de".parse().unwrap());
    assert_apart(&by_user(), &[of("one", "t1"), german]).await;

    // Nor for a field of a credential that was chosen, such as a cookie with the tenant.
    let cookie = http::header::COOKIE;
    let in_tenant = |tenant: &str| {
        let mut request = of("one", "t1");
        request.headers_mut().insert(http::header::COOKIE, tenant.parse().unwrap());
        request
    };
    let tenants = [in_tenant("tenant=a"), in_tenant("tenant=b")];
    let chosen = with(|config| config.header(cookie))
        .credential(|head| head.extensions.get().map(|UserId(id)| id.as_bytes().into()));
    assert_apart(&chosen, &tenants).await;

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

/// It has no defined meaning (RFC 9110 section 9.3.1), and search APIs give it one.
#[tokio::test(start_paused = true)]
async fn a_get_with_a_body_passes_through() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    for (requests, body) in [(1, "one"), (2, "other"), (3, "one")] {
        let request = get("/users/1").map(|_| full(body));
        let got = send(&mut client, request).await.unwrap();
        assert_eq!((got.body, got.age), (format!("/users/1 {requests}"), None));
    }
    assert_eq!(text(&mut client, "/users/1").await, "/users/1 4");
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
        let agent = request.headers().get("user-agent").cloned();
        let text = agent.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
        let mut response = Response::new(full(&text));
        response.headers_mut().insert("vary", "Accept-Encoding, user-agent".parse().unwrap());
        Ok(response)
    })
    .taking(SECOND);
    let client = client(&layer(), &api);
    let asking = |agent| with_headers("/users/1", &[("user-agent", agent)]);
    // Concurrently, so that one waits for the fetch of the other.
    let (one, other) = (spawn(&client, asking("de")).await, spawn(&client, asking("en")).await);
    assert_eq!(one.await.unwrap().unwrap().body, "de");
    assert_eq!(other.await.unwrap().unwrap().body, "en");
    assert_eq!(api.requests(), 2);
    let mut client = client.clone();
    for agent in ["de", "de", "en", "en", "de"] {
        assert_eq!(send(&mut client, asking(agent)).await.unwrap().body, agent);
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
