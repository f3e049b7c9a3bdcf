//! A reqwest client inside of the layers, against real servers.

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, Version,
    header::{AUTHORIZATION, CONTENT_LENGTH, LOCATION, REFERER, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt, Full, channel::Channel};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use reqwest::{
    Client, ClientBuilder,
    dns::{Name, Resolve, Resolving},
    redirect::Policy,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_heed::{
    BoxError, RetryOnRateLimit, Stack, TimeoutLayer, TokenCacheLayer,
    body::ReplayBodyLayer,
    classify::{Classification, ErrorClass},
    error::find,
    integrations::reqwest::ReqwestService,
    retry::RetryOutcome,
    token_cache::StaticToken,
};

/// What a server was sent: head and body.
#[derive(Clone, Debug)]
struct Seen {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A server on 127.0.0.1, for as long as the test runs.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Responses the request that came after `n` others with `response(n)`.
    async fn start(
        response: impl Fn(usize) -> Response<Full<Bytes>> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, response) = (Arc::clone(&seen), response.clone());
                let serve = service_fn(move |request: Request<Incoming>| {
                    let (seen, response) = (Arc::clone(&seen), response.clone());
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let (method, target) = (head.method, head.uri.to_string());
                        let mut seen = seen.lock().unwrap();
                        seen.push(Seen { method, target, headers: head.headers, body });
                        Ok::<_, Infallible>(response(seen.len() - 1))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
            }
        });
        server
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// A server that reads a request, writes these bytes and closes the connection, or keeps it without them.
async fn raw(response: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            match response {
                Some(response) => stream.write_all(response.as_bytes()).await.unwrap(),
                None => kept.push(stream),
            }
        }
    });
    address
}

/// A client that no proxy of the machine stands before.
fn client() -> ClientBuilder {
    Client::builder().no_proxy()
}

fn ok(_: usize) -> Response<Full<Bytes>> {
    Response::new(Full::from("done"))
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

/// What sending this to `url` with this client failed with, in its head or in its body, and as what it counts.
async fn failure(client: ClientBuilder, url: &str) -> (Option<ErrorClass>, BoxError) {
    let service = ReqwestService::new(client.build().unwrap());
    let error: BoxError = match service.oneshot(get(url)).await {
        Ok(response) => response.into_body().collect().await.unwrap_err().into(),
        Err(error) => error,
    };
    (Classification::of_error(error.as_ref()).map(|found| found.class()), error)
}

#[tokio::test]
async fn requests_and_responses_pass_unchanged() {
    let server = Server::start(|_| {
        let response = Response::builder().status(418).header("x-response", "yes");
        response.body(Full::from("a teapot")).unwrap()
    })
    .await;
    let service = ReqwestService::new(client().build().unwrap());
    let request = Request::patch(server.url("/users/a%20b?fields=name&x=%C3%A9"))
        .header("x-asked", "one")
        .header("x-asked", "two")
        .body(Full::<Bytes>::from("a name"))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();

    assert_eq!((response.status().as_u16(), response.version()), (418, Version::HTTP_11));
    assert_eq!(response.headers()["x-response"], "yes");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a teapot");
    let [seen] = &server.seen()[..] else { panic!("{:?}", server.seen()) };
    assert_eq!(
        (&seen.method, &*seen.target),
        (&Method::PATCH, "/users/a%20b?fields=name&x=%C3%A9")
    );
    assert!(seen.headers.get_all("x-asked").iter().eq(["one", "two"]));
    assert_eq!(seen.body, "a name");
    assert_eq!(seen.headers[CONTENT_LENGTH], "6");
}

#[tokio::test]
async fn the_stack_goes_around_a_client_and_sends_a_streamed_body_again() {
    let server = Server::start(|attempts| match attempts {
        0 => {
            let response = Response::builder().status(429).header("retry-after-ms", "1");
            response.body(Full::default()).unwrap()
        }
        _ => ok(attempts),
    })
    .await;
    let token = TokenCacheLayer::new(StaticToken::new("sk_test_7").unwrap())
        .allow_origin(server.url("").parse().unwrap());
    let client = Stack::new()
        .token_cache(token)
        .service(ReqwestService::with_body(client().build().unwrap()));
    let client = ReplayBodyLayer::default().layer(client);

    // `axum::body::Body` is not `Sync`, and need not be: what is sent is the copy that can be sent again.
    let (mut sender, body) = Channel::<Bytes>::new(3);
    for chunk in ["one", ", ", "two"] {
        sender.send_data(chunk.into()).await.unwrap();
    }
    drop(sender);
    let request = Request::post(server.url("/users")).body(axum::body::Body::new(body));
    let response = client.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.extensions().get::<RetryOutcome>().unwrap().attempts(), 2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].headers[TRANSFER_ENCODING], "chunked");
    for seen in seen {
        assert_eq!(seen.headers[AUTHORIZATION], "Bearer sk_test_7");
        assert_eq!(seen.body, "one, two");
    }
}

#[tokio::test]
async fn an_error_is_known_for_what_it_is_and_shows_no_query() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let broken = raw(Some("HTTP/1.1 200 OK\r\ncontent-le")).await;
    let truncated = raw(Some("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")).await;
    for (address, class) in [
        (closed, ErrorClass::Connect),
        (broken, ErrorClass::Interrupted),
        (truncated, ErrorClass::Interrupted),
    ] {
        let url = format!("http://user:secret@{address}/?code=secret#secret");
        let (found, error) = failure(client(), &url).await;
        assert_eq!(found, Some(class), "{error:?}");
        let mut shown = format!("{error:?}");
        let mut link: Option<&dyn Error> = Some(error.as_ref());
        while let Some(error) = link {
            shown.push_str(&error.to_string());
            link = error.source();
        }
        assert!(!shown.contains("secret"), "{shown}");
    }
}

/// Time is paused: a limit runs out as soon as there is nothing left to do but wait for it.
#[tokio::test(start_paused = true)]
async fn a_time_limit_of_the_client_is_a_time_out() {
    let limit = Duration::from_secs(30);
    let url = format!("http://{}/", raw(None).await);
    for client in [client().timeout(limit), client().read_timeout(limit)] {
        let (found, error) = failure(client, &url).await;
        assert_eq!(found, Some(ErrorClass::Timeout), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_made_in_time_was_never_there() {
    struct Never;
    impl Resolve for Never {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(std::future::pending())
        }
    }
    let limit = Duration::from_secs(5);
    let (found, error) =
        failure(client().connect_timeout(limit).dns_resolver(Never), "http://id.example/").await;
    assert_eq!(found, Some(ErrorClass::Connect), "{error:?}");
}

#[tokio::test]
async fn a_uri_without_a_host_is_an_error_of_no_class_and_nothing_is_sent() {
    let (found, error) = failure(client(), "/users").await;
    assert_eq!(found, None);
    assert!(error.downcast_ref::<reqwest::Error>().unwrap().is_builder());
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_of_a_layer_ends_a_request_that_hangs() {
    let url = format!("http://{}/", raw(None).await);
    let layer = TimeoutLayer::new(Duration::from_secs(10));
    let client = layer.layer(ReqwestService::with_body(client().build().unwrap()));
    let error = client.oneshot(get(&url)).await.unwrap_err();
    assert!(error.is::<tower_heed::Error>(), "{error:?}");
}

#[tokio::test]
async fn readiness_of_what_is_around_the_client_is_passed_on() {
    let server = Server::start(ok).await;
    let limited = ConcurrencyLimit::new(client().build().unwrap(), 1);
    let mut first = ReqwestService::new(limited);
    let mut second = first.clone();
    let first = ServiceExt::<Request<Full<Bytes>>>::ready(&mut first).await.unwrap();
    let call = first.call(get(&server.url("/")));
    let mut ready = task::spawn(ServiceExt::<Request<Full<Bytes>>>::ready(&mut second));
    assert_pending!(ready.poll());
    call.await.unwrap();
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
}

/// A client with a token for `origin`, which responds to every request with a redirect to `location`.
async fn redirected(policy: Policy, location: String) -> (Server, Response<reqwest::Body>) {
    let origin = Server::start(move |attempts| match attempts {
        0 => {
            let response = Response::builder().status(307).header(LOCATION, &location);
            response.body(Full::default()).unwrap()
        }
        _ => ok(attempts),
    })
    .await;
    let token = TokenCacheLayer::new(StaticToken::new("sk_test_7").unwrap())
        .allow_origin(origin.url("").parse().unwrap());
    let http = ReqwestService::new(client().redirect(policy).build().unwrap());
    let client = token.layer(RetryOnRateLimit::new().layer(http));
    let response = client.oneshot(get(&origin.url("/start"))).await.unwrap();
    (origin, response)
}

#[tokio::test]
async fn a_redirect_takes_no_token_to_another_origin() {
    let foreign = Server::start(ok).await;
    let (_, response) = redirected(Policy::default(), foreign.url("/end")).await;
    assert_eq!(response.status(), 200);
    let [seen] = &foreign.seen()[..] else { panic!("{:?}", foreign.seen()) };
    assert_eq!(seen.headers.get(AUTHORIZATION), None);
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_with_the_token() {
    let (origin, response) = redirected(Policy::default(), "/end".to_owned()).await;
    assert_eq!(response.status(), 200);
    let [_, seen] = &origin.seen()[..] else { panic!("{:?}", origin.seen()) };
    assert_eq!(seen.target, "/end");
    assert_eq!(seen.headers[AUTHORIZATION], "Bearer sk_test_7");
}

#[tokio::test]
async fn without_redirects_the_caller_gets_them_and_nothing_goes_elsewhere() {
    let foreign = Server::start(ok).await;
    let (origin, response) = redirected(Policy::none(), foreign.url("/end")).await;
    assert_eq!((response.status().as_u16(), origin.seen().len()), (307, 1));
    assert_eq!(foreign.seen().len(), 0);
}

/// What reqwest itself does with the address that it comes from, so that the page may say it.
#[tokio::test]
async fn a_redirect_that_a_client_follows_tells_the_other_origin_the_query() {
    let foreign = Server::start(ok).await;
    let location = foreign.url("/end");
    let origin = Server::start(move |_| {
        let response = Response::builder().status(302).header(LOCATION, &location);
        response.body(Full::default()).unwrap()
    })
    .await;
    let url = origin.url("/start?code=secret");
    for (client, referer) in [(client(), Some(&*url)), (client().referer(false), None)] {
        let service = ReqwestService::new(client.build().unwrap());
        service.oneshot(get(&url)).await.unwrap();
        let seen = foreign.seen().pop().unwrap();
        assert_eq!(seen.headers.get(REFERER).map(|value| value.to_str().unwrap()), referer);
    }
}

#[tokio::test]
async fn a_body_that_is_not_empty_is_not_sent_again_by_a_redirect() {
    for (body, status, attempts) in [("", 200, 2), ("a name", 307, 1)] {
        let origin = Server::start(|attempts| match attempts {
            0 => {
                let response = Response::builder().status(307).header(LOCATION, "/end");
                response.body(Full::default()).unwrap()
            }
            _ => ok(attempts),
        })
        .await;
        let request = Request::post(origin.url("/start")).body(Full::<Bytes>::from(body)).unwrap();
        let service = ReqwestService::new(client().build().unwrap());
        let response = service.oneshot(request).await.unwrap();
        assert_eq!((response.status().as_u16(), origin.seen().len()), (status, attempts));
    }
}

#[tokio::test]
async fn credentials_in_a_uri_make_no_header() {
    let server = Server::start(ok).await;
    let url = server.url("/").replace("http://", "http://user:secret@");
    ReqwestService::new(client().build().unwrap()).oneshot(get(&url)).await.unwrap();
    let seen = server.seen().pop().unwrap();
    assert!(!format!("{seen:?}").contains("secret"), "{seen:?}");
    assert_eq!(seen.headers.get(AUTHORIZATION), None);
}

#[tokio::test]
async fn a_response_becomes_one_of_reqwest_s_again() {
    let gone = |_| Response::builder().status(404).body("gone".into()).unwrap();
    let server = Server::start(gone).await;
    let service = ReqwestService::new(client().build().unwrap());
    let url = server.url("/users?code=secret");
    let response = service.oneshot(get(&url)).await.unwrap();
    let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
    let error = response.error_for_status_ref().unwrap_err();
    assert_eq!(error.status().unwrap(), 404);
    assert!(!error.to_string().contains("users"), "{error}");
    assert_eq!(response.text().await.unwrap(), "gone");
}

#[tokio::test]
async fn a_request_body_that_breaks_off_is_an_error_of_no_class_and_found() {
    let server = Server::start(ok).await;
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(2);
    sender.send_data("half".into()).await.unwrap();
    sender.abort(std::io::Error::other("broke off"));
    let request = Request::post(server.url("/")).body(body).unwrap();
    let service = ReqwestService::with_body(client().build().unwrap());
    let error = service.oneshot(request).await.unwrap_err();
    assert!(Classification::of_error(error.as_ref()).is_none(), "{error:?}");
    assert_eq!(find::<std::io::Error>(error.as_ref()).unwrap().to_string(), "broke off");
}

/// A service of reqwest's requests that shows what arrives.
#[tokio::test]
async fn extensions_arrive_in_both_directions_and_end_with_the_client() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(&'static str);
    let api = tower::service_fn(async |request: reqwest::Request| {
        assert_eq!(
            Request::<reqwest::Body>::try_from(request).unwrap().extensions().get(),
            Some(&Mark("asked"))
        );
        let mut response = Response::new(Bytes::new());
        response.extensions_mut().insert(Mark("answered"));
        Ok::<_, Infallible>(reqwest::Response::from(response))
    });
    let mut request = get("http://id.example/");
    request.extensions_mut().insert(Mark("asked"));
    let response = ReqwestService::new(api).oneshot(request).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Mark("answered")));
}

#[tokio::test]
async fn a_dropped_call_drops_the_client_s() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut service = ReqwestService::new(client().build().unwrap());
    let call = tokio::spawn(service.call(get(&url)));
    let (mut stream, _) = listener.accept().await.unwrap();
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    call.abort();
    // The connection ends with it.
    assert_eq!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
}
