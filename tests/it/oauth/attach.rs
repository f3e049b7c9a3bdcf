//! Where a token goes in a request, and what a source learns about the request that needs it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    BoxError, TokenCacheLayer,
    error::{TokenError, TokenErrorKind},
    token_cache::{FetchReason, StaticToken, Token, TokenKey, TokenRequest},
};

type Body = Full<Bytes>;

const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

fn request(headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get("https://api.example/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::default()).unwrap()
}

/// What arrives for each of `requests`, with this token: from a source that is asked once, and from a fixed one.
async fn sent(token: &Token, requests: &[&[(&str, &str)]]) -> Vec<HeaderMap> {
    let source = {
        let token = token.clone();
        service_fn(move |_: TokenRequest| {
            let token = token.clone();
            async { Ok::<_, TokenError>(token) }
        })
    };
    let layers =
        [TokenCacheLayer::new(source), TokenCacheLayer::new(StaticToken::from(token.clone()))];
    let seen = Arc::new(Mutex::new(Vec::new()));
    for layer in layers {
        let api = service_fn({
            let seen = Arc::clone(&seen);
            move |request: Request<Body>| {
                seen.lock().unwrap().push(request.headers().clone());
                async { Ok::<_, BoxError>(Response::new(Body::default())) }
            }
        });
        let client = layer.allow_any_https_origin().layer(api);
        for headers in requests {
            client.clone().oneshot(request(headers)).await.unwrap();
        }
    }
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test]
async fn rule_49_another_scheme_goes_into_authorization() {
    for scheme in ["SSWS", "Bot", "token"] {
        let token = Token::bearer("00abc").unwrap().with_scheme(scheme).unwrap();
        for headers in sent(&token, &[&[], &[]]).await {
            assert_eq!(headers["authorization"], format!("{scheme} 00abc"));
            assert!(headers["authorization"].is_sensitive());
        }
    }
}

#[tokio::test]
async fn rule_49_a_header_field_of_its_own_has_the_token_alone_and_a_callers_own_field_stays() {
    let token = Token::bearer("00abc").unwrap().in_header(AUTH_TOKEN);
    let own: &[(&str, &str)] = &[("x-auth-token", "mine")];
    for (at, headers) in sent(&token, &[&[], own, &[]]).await.iter().enumerate() {
        let expected = if at % 3 == 1 { "mine" } else { "00abc" };
        assert_eq!(headers.get_all(AUTH_TOKEN).iter().collect::<Vec<_>>(), [expected]);
        assert!(!headers.contains_key("authorization"));
    }
    // Before there is a token nothing is known of its field.
    for headers in sent(&token, &[own]).await {
        assert_eq!(headers[&AUTH_TOKEN], "mine");
    }
    let token = token.with_scheme("Key").unwrap();
    assert_eq!(token.header_value(), "Key 00abc");
    assert_eq!(token.header_name(), AUTH_TOKEN);
    assert!(!format!("{token:?}").contains("00abc"));
}

#[test]
fn rule_48_a_token_request_tells_the_rejected_token_its_challenge_and_the_extensions() {
    #[derive(Clone, Debug, PartialEq)]
    struct User(&'static str);

    let plain = TokenRequest::new(TokenKey::new(), FetchReason::Missing);
    assert_eq!((plain.rejected_token(), plain.claims(), plain.challenges().len()), (None, None, 0));

    let token = |text: &str| Token::bearer(text).unwrap();
    let mut headers = HeaderMap::new();
    let challenge =
        r#"Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#;
    headers.append("www-authenticate", "Basic realm=\"x\"".parse().unwrap());
    headers.append("www-authenticate", challenge.parse().unwrap());
    let mut extensions = Extensions::new();
    extensions.insert(User("ann"));
    let request = TokenRequest::new(TokenKey::new(), FetchReason::Rejected)
        .with_rejected(token("sesame"), &headers)
        .with_extensions(extensions);
    assert_eq!(request.rejected_token(), Some(&token("sesame").without_expiry()));
    assert_ne!(request.rejected_token(), Some(&token("other")));
    assert_eq!(request.challenges()[1], challenge);
    assert_eq!(request.claims().as_deref(), Some("eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="));
    assert_eq!(request.extensions().get(), Some(&User("ann")));
    assert!(!format!("{request:?}").contains("sesame"));
}

#[test]
fn rule_40_a_failure_is_final_until_it_is_outdated() {
    let error = TokenError::new(TokenErrorKind::Rejected).with_code("invalid_grant");
    assert!(!error.is_final());
    let error = error.into_final();
    assert!(error.is_final() && error.clone().is_final());
    assert!(!error.outdated_when(|| true).is_final());
}
