//! Whose response is whose.

use http::HeaderName;
use tower_heed::token_cache::{TokenKey, TokenScope};

use super::*;

/// Answers with all that the request says about who asks.
fn telling() -> Api {
    Api::scripted(|request| {
        Ok(Response::new(full(&format!("{} {:?}", request.uri(), request.headers()))))
    })
}

/// Sends each request twice; each must get its own answer both times.
async fn assert_apart(layer: &ResponseCacheLayer, requests: &[Request<Body>]) {
    let api = telling();
    let mut client = client(layer, &api);
    let mut own = Vec::new();
    for request in requests {
        own.push(send(&mut client, request.clone()).await.unwrap().body);
    }
    assert_eq!(api.sends(), requests.len());
    for (request, own) in requests.iter().zip(own) {
        assert_eq!(send(&mut client, request.clone()).await.unwrap().body, own);
    }
    assert_eq!(api.sends(), requests.len(), "they are kept");
}

#[tokio::test(start_paused = true)]
async fn one_users_answer_never_reaches_another_credential() {
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
    // The same bytes, cut elsewhere.
    requests.push(with_headers("/users/me", &[("cookie", "a"), ("cookie", "b")]));
    requests.push(with_headers("/users/me", &[("cookie", "ab")]));
    requests.push(with_headers("/users/me", &[("authorization", "x"), ("cookie", "y")]));
    requests.push(with_headers("/users/me", &[("authorization", "y"), ("cookie", "x")]));
    let mut with_password = get("/users/me");
    *with_password.uri_mut() = "https://me:secret@id.example/users/me".parse().unwrap();
    requests.push(with_password);
    assert_apart(&layer(), &requests).await;
}

/// What a proof of possession signs is different each time; whose it is, the token beside it says.
#[tokio::test(start_paused = true)]
async fn what_is_different_in_each_request_and_says_nothing_about_whose_it_is_does_not_count() {
    let api = telling();
    let mut client = client(&layer(), &api);
    for name in ["user-agent", "dpop", "idempotency-key", "x-request-id", "traceparent"] {
        let sent = api.sends();
        for value in ["one", "other"] {
            let all = [("authorization", name), (name, value)];
            send(&mut client, with_headers("/users/me", &all)).await.unwrap();
        }
        assert_eq!(api.sends(), sent + 1, "{name}");
    }
}

/// Clones of a layer share what is kept, and each can be given fields of its own: the same value in another field is another.
#[tokio::test(start_paused = true)]
async fn a_chosen_field_counts_by_its_name() {
    let api = telling();
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
    assert_eq!(api.sends(), 2);
}

/// Nobody sees another's answer, however requests, waits and ends meet.
#[tokio::test(start_paused = true)]
async fn many_users_at_once_each_get_their_own() {
    let api = telling().taking(SECOND);
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
    assert_eq!(api.sends(), 200);
}

#[tokio::test(start_paused = true)]
async fn requests_that_ask_for_something_else_do_not_share() {
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
async fn a_field_that_was_chosen_tells_requests_apart_and_another_does_not() {
    let tenants = ["one", "other"].map(|tenant| with_headers("/users/1", &[("x-tenant", tenant)]));
    let chosen = ResponseCacheLayer::new().header(HeaderName::from_static("x-tenant"));
    let chosen = chosen.endpoint(user(), |config| config.ttl(60 * SECOND));
    assert_apart(&chosen, &tenants).await;
    let config = with(|config| config.header(HeaderName::from_static("x-tenant")));
    assert_apart(&config, &tenants).await;

    let api = telling();
    let mut client = client(&layer(), &api);
    for tenant in tenants {
        send(&mut client, tenant).await.unwrap();
    }
    assert_eq!(api.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_function_can_say_whose_it_is() {
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
    // What it does not know, is told apart by its fields.
    let unknown = ["t1", "t2"].map(|token| with_headers("/users/me", &[("authorization", token)]));
    assert_apart(&by_user(), &[unknown[0].clone(), unknown[1].clone(), of("t1", "t1")]).await;

    let api = telling();
    let mut client = client(&by_user(), &api);
    for token in ["t1", "t2"] {
        send(&mut client, of("one", token)).await.unwrap();
    }
    assert_eq!(api.sends(), 1, "a new token finds what was kept");
}

/// The one token has ended, the other has not, and the function says that they are of one user.
#[tokio::test(start_paused = true)]
async fn what_is_said_of_one_token_is_not_told_to_a_caller_with_another() {
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

/// Also the other's: for a user whom the server has turned away, nothing is to be at hand.
#[tokio::test(start_paused = true)]
async fn a_401_to_one_token_forgets_what_was_kept_for_its_user() {
    let by_user = layer().credential(|_| Some(b"one".as_slice().into()));
    let api = Api::new();
    let mut client = client(&by_user, &api);
    let of = |token, directive| {
        with_headers("/users/me", &[("authorization", token), ("cache-control", directive)])
    };
    send(&mut client, of("good", "")).await.unwrap();
    api.answers(401, &[]);
    assert_eq!(send(&mut client, of("ended", "no-cache")).await.unwrap().status, 401);
    api.answers(503, &[]);
    assert_eq!(send(&mut client, of("good", "")).await.unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_panics_hurts_its_own_call_alone() {
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
async fn what_a_request_has_for_a_body_does_not_count() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    for body in ["one", "other"] {
        let request = get("/users/1").map(|_| full(body));
        assert_eq!(send(&mut client, request).await.unwrap().body, "/users/1 1");
    }
}

/// The token is attached inside, so that nothing else of the request tells them apart.
#[tokio::test(start_paused = true)]
async fn requests_that_will_carry_different_tokens_do_not_share() {
    let scoped = |organization: &str| {
        let mut request = get("/users/1");
        let key = TokenKey::new().with_organization(organization);
        request.extensions_mut().insert(TokenScope::new(key));
        request
    };
    assert_apart(&layer(), &[get("/users/1"), scoped("org_1"), scoped("org_2")]).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_varies_by_is_heeded() {
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
    // At the same time, so that one waits for the other's.
    let (german, english) =
        (spawn(&client, asking("de")).await, spawn(&client, asking("en")).await);
    assert_eq!(german.await.unwrap().unwrap().body, "de");
    assert_eq!(english.await.unwrap().unwrap().body, "en");
    assert_eq!(api.sends(), 2);
    let mut client = client.clone();
    for language in ["de", "de", "en", "en", "de"] {
        assert_eq!(send(&mut client, asking(language)).await.unwrap().body, language);
    }
    // The first was there. The last that was asked for is.
    assert_eq!(api.sends(), 4);
}

#[tokio::test(start_paused = true)]
async fn no_credential_is_shown_by_debug() {
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
