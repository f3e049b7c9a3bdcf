//! tower-http's `FollowRedirect` and the token layer: where the token goes, with the one outside and with the other.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{Request, Response, Uri, header::AUTHORIZATION};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, Error, ErrorKind, RetryOnRateLimit, Stack, TokenCacheLayer,
    error::find,
    token_cache::{Token, TokenRequest},
};
use tower_http::follow_redirect::{
    FollowRedirectLayer,
    policy::{Action, FilterCredentials, Limited, Policy, PolicyExt, SameOrigin, Standard},
};

use crate::support::probe::Body;

const ALLOWED: &str = "https://id.example";

fn is_not_allowed(error: &BoxError) -> bool {
    let error = find::<Error>(error.as_ref());
    error.is_some_and(|error| matches!(error.kind(), ErrorKind::OriginNotAllowed { .. }))
}

/// Places that are not `ALLOWED`, however much they look like it.
const FOREIGN: [&str; 10] = [
    "https://evil.example/",
    "//evil.example/",
    "https://id.example.evil.example/",
    "https://id.example@evil.example/",
    "https://id.example:8443/",
    "http://id.example/",
    "https://sub.id.example/",
    "https://id.example./",
    "\\\\evil.example/",
    "https://evil.example\\@id.example/",
];

/// Where a request went, and the token that it carried.
type Seen = (Uri, Option<String>);

/// Responses each request for `/start` with a redirect and all others with 200, or with `then`, and notes what it was sent.
#[derive(Clone)]
struct Web {
    status: u16,
    location: &'static str,
    abroad: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Web {
    fn new(status: u16, location: &'static str) -> Self {
        Self { status, location, abroad: 200, seen: Arc::default() }
    }

    fn response(&self, request: &Request<Body>) -> Response<Body> {
        let uri = request.uri().clone();
        let token = request.headers().get(AUTHORIZATION);
        let token = token.map(|token| token.to_str().unwrap().to_owned());
        let response = Response::builder();
        let response = if uri.path() == "/start" {
            response.status(self.status).header("location", self.location)
        } else if uri.path() == "/back" {
            response.status(302).header("location", "https://id.example/end")
        } else if is_allowed(&uri) {
            response.status(200)
        } else {
            response
                .status(self.abroad)
                .header("www-authenticate", "Bearer error=\"invalid_token\"")
        };
        self.seen.lock().unwrap().push((uri, token));
        response.body(Body::default()).unwrap()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The foreign places that were sent a token.
    fn leaks(&self) -> Vec<Uri> {
        let seen = self.seen().into_iter();
        seen.filter(|(uri, token)| !is_allowed(uri) && token.is_some())
            .map(|(uri, _)| uri)
            .collect()
    }
}

fn is_allowed(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
        && uri.host() == Some("id.example")
        && matches!(uri.port_u16(), None | Some(443))
}

impl Service<Request<Body>> for Web {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(self.response(&request)))
    }
}

/// A layer for tokens of `ALLOWED`, and how many it has fetched.
fn tokens() -> (TokenCacheLayer, Arc<Mutex<u32>>) {
    let fetched = Arc::new(Mutex::new(0));
    let count = Arc::clone(&fetched);
    let source = service_fn(move |_: TokenRequest| {
        *count.lock().unwrap() += 1;
        ready(Ok::<_, Infallible>(Token::bearer("token").unwrap()))
    });
    (TokenCacheLayer::new(source).allow_origin(ALLOWED.parse().unwrap()), fetched)
}

async fn send<S, B>(mut client: S) -> Result<Response<()>, BoxError>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
{
    let request = Request::get(format!("{ALLOWED}/start")).body(Body::default()).unwrap();
    let response = client.ready().await?.call(request).await?;
    Ok(response.map(drop))
}

async fn token_inside<P>(policy: P, web: &Web) -> Result<Response<()>, BoxError>
where
    P: Policy<Body, BoxError> + Clone,
{
    send(FollowRedirectLayer::with_policy(policy).layer(tokens().0.layer(web.clone()))).await
}

async fn token_outside<P>(policy: P, web: &Web) -> Result<Response<()>, BoxError>
where
    P: Policy<Body, BoxError> + Clone,
{
    send(tokens().0.layer(FollowRedirectLayer::with_policy(policy).layer(web.clone()))).await
}

fn keeps_all() -> impl Policy<Body, BoxError> + Clone {
    Limited::default()
        .and::<_, Body, BoxError>(FilterCredentials::new().remove_none().keep_all_extensions())
}

#[tokio::test(start_paused = true)]
async fn with_the_token_inside_nothing_is_sent_abroad_whatever_the_policy() {
    for status in [301, 302, 303, 307, 308] {
        for location in FOREIGN {
            for policy in 0..4 {
                let web = Web::new(status, location);
                let result = match policy {
                    0 => token_inside(Standard::default(), &web).await,
                    1 => token_inside(Limited::default(), &web).await,
                    2 => token_inside(Action::Follow, &web).await,
                    _ => token_inside(keeps_all(), &web).await,
                };
                let row = format!("{status} {location} policy {policy}: {:?}", web.seen());
                assert!(web.seen().iter().all(|(uri, _)| is_allowed(uri)), "{row}");
                if let Err(error) = result {
                    assert!(is_not_allowed(&error), "{row}: {error}");
                    assert_eq!(web.seen().len(), 1, "{row}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_token_layer_inside_the_hops_within_the_origin_carry_it() {
    for location in
        ["/end", "https://id.example/end", "https://id.example:443/end", "HTTPS://ID.example/end"]
    {
        let web = Web::new(302, location);
        assert_eq!(token_inside(Standard::default(), &web).await.unwrap().status(), 200);
        let carried: Vec<_> = web.seen().into_iter().map(|(_, token)| token.unwrap()).collect();
        assert_eq!(carried, ["Bearer token", "Bearer token"], "{location}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_token_inside_a_policy_can_give_the_redirect_to_the_caller() {
    let web = Web::new(302, "https://evil.example/");
    let response = token_inside(SameOrigin::new(), &web).await.unwrap();
    assert_eq!((response.status().as_u16(), web.seen().len()), (302, 1));
    assert_eq!(response.headers()["location"], "https://evil.example/");
}

#[tokio::test(start_paused = true)]
async fn with_the_token_outside_the_standard_policy_takes_it_away() {
    for status in [301, 302, 303, 307, 308] {
        for location in FOREIGN {
            let web = Web::new(status, location);
            token_outside(Standard::default(), &web).await.unwrap();
            assert_eq!(web.leaks(), [""; 0], "{status} {location}");
        }
    }
    let web = Web::new(302, "/end");
    token_outside(Standard::default(), &web).await.unwrap();
    assert!(web.seen().iter().all(|(_, token)| token.is_some()), "{:?}", web.seen());
}

/// Why the docs recommend the other order: here it is the policy that guards the token, and not every policy does.
#[tokio::test(start_paused = true)]
async fn with_the_token_outside_a_policy_that_keeps_headers_would_give_it_away() {
    let evil = "https://evil.example/";
    let web = Web::new(302, evil);
    token_outside(Limited::default(), &web).await.unwrap();
    assert_eq!(web.leaks(), [evil]);
    let web = Web::new(302, evil);
    token_inside(Limited::default(), &web).await.unwrap_err();
    assert_eq!(web.leaks(), [""; 0]);
}

/// And this as well: whoever is abroad can make the layer throw its good token away.
#[tokio::test(start_paused = true)]
async fn with_the_token_outside_a_401_from_abroad_costs_a_token() {
    let fetched = async |outside| {
        let mut web = Web::new(302, "https://evil.example/");
        web.abroad = 401;
        let (layer, fetched) = tokens();
        let redirect = FollowRedirectLayer::new();
        if outside {
            assert_eq!(send(layer.layer(redirect.layer(web))).await.unwrap().status(), 401);
        } else {
            send(redirect.layer(layer.layer(web))).await.unwrap_err();
        }
        *fetched.lock().unwrap()
    };
    assert_eq!(fetched(true).await, 2);
    assert_eq!(fetched(false).await, 1);
}

#[tokio::test(start_paused = true)]
async fn around_the_stack_each_hop_is_a_call_with_a_token() {
    let retry = RetryOnRateLimit::new().max_retries(0);
    let stack = || Stack::new().retry(retry.clone()).token_cache(tokens().0);
    let web = Web::new(307, "/end");
    let client = FollowRedirectLayer::new().layer(stack().service(web.clone()));
    assert_eq!(send(client).await.unwrap().status(), 200);
    assert!(web.seen().iter().all(|(_, token)| token.is_some()));
    let web = Web::new(307, "https://evil.example/back");
    let client = FollowRedirectLayer::new().layer(stack().service(web.clone()));
    let error = send(client).await.unwrap_err();
    assert!(is_not_allowed(&error));
    assert_eq!(web.seen().len(), 1);
}
