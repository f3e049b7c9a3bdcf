//! gRPC through a stack: tonic's client around it, and tonic's server on a real socket.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use hyper::{body::Incoming, server::conn::http2};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, time::Instant};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneService};
use tower_heed::{
    CircuitBreakerLayer, ErrorClassifyLayer, FallbackLayer, RetryOnRateLimit, Stack, TimeoutLayer,
    TokenCacheLayer,
    body::{ReplayBody, ReplayBodyLayer},
    circuit_breaker::CircuitState,
    classify::{AuthStatus, Classification, ErrorClass, Preset},
    token_cache::{Token, TokenRequest},
};

const PATH: &str = "/orders.v1.Orders/Get";

/// What a server does with its nth attempt, from zero.
type Respond = fn(usize, &MetadataMap) -> Result<Response<String>, Status>;

type Http = BoxCloneService<http::Request<Body>, http::Response<Body>, BoxError>;

/// Messages that are text, without code generation.
#[derive(Clone, Copy)]
struct Text;

// === impl Text ===

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        Ok(Some(String::from_utf8(bytes.to_vec()).unwrap()))
    }
}

/// The address of a server, and the metadata of each attempt.
async fn serve(respond: Respond) -> (http::Uri, Arc<Mutex<Vec<MetadataMap>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let attempts = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let attempts = Arc::clone(&attempts);
            let service = service_fn(move |request: http::Request<Incoming>| {
                let attempts = Arc::clone(&attempts);
                let handler = service_fn(move |request: Request<String>| {
                    let mut attempts = attempts.lock().unwrap();
                    let response = respond(attempts.len(), request.metadata());
                    attempts.push(request.metadata().clone());
                    std::future::ready(response)
                });
                async move {
                    Ok::<_, Infallible>(
                        tonic::server::Grpc::new(Text).unary(handler, request).await,
                    )
                }
            });
            let server = http2::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(service);
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (uri, seen)
}

fn client(stack: &Stack) -> Http {
    let http =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http::<ReplayBody<Body>>();
    let client = ServiceBuilder::new()
        .layer(ReplayBodyLayer::default())
        .service(stack.service(http))
        .map_response(|response| response.map(Body::new));
    BoxCloneService::new(client)
}

fn grpc() -> ErrorClassifyLayer {
    ErrorClassifyLayer::new().classifier(Preset::Grpc)
}

async fn call(client: Http, uri: &http::Uri) -> Result<String, Status> {
    let mut client = tonic::client::Grpc::with_origin(client, uri.clone());
    client.ready().await.unwrap();
    let request = Request::new("an order".to_owned());
    client.unary(request, PathAndQuery::from_static(PATH), Text).await.map(Response::into_inner)
}

/// The error of the first attempt, and then a success.
fn once(attempt: usize, error: impl FnOnce() -> Status) -> Result<Response<String>, Status> {
    if attempt == 0 { Err(error()) } else { Ok(Response::new("done".to_owned())) }
}

/// A `google.rpc.Status` with a `RetryInfo` of 300 ms.
fn retry_info() -> Bytes {
    let mut any = vec![0x0a, 40];
    any.extend(b"type.googleapis.com/google.rpc.RetryInfo");
    // The value, a `RetryInfo`, whose `retry_delay` has nanoseconds only.
    any.extend([0x12, 8, 0x0a, 6, 0x10, 0x80, 0xc6, 0x86, 0x8f, 0x01]);
    let mut status = vec![0x08, 8, 0x1a, any.len() as u8];
    status.extend(any);
    status.into()
}

fn pushback(code: Code, millis: &'static str) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-retry-pushback-ms", millis.parse().unwrap());
    Status::with_metadata(code, "slow down", metadata)
}

#[tokio::test]
async fn a_unary_call_is_retried_as_its_status_says() {
    let cases: [(&str, Respond, usize, Option<Code>); 7] = [
        (
            "RetryInfo",
            |n, _| {
                once(n, || Status::with_details(Code::ResourceExhausted, "slow down", retry_info()))
            },
            2,
            None,
        ),
        ("pushback", |n, _| once(n, || pushback(Code::ResourceExhausted, "300")), 2, None),
        // A `POST`, which may have been carried out unless the server says when to send it again.
        ("unavailable, pushback", |n, _| once(n, || pushback(Code::Unavailable, "300")), 2, None),
        ("unavailable", |n, _| once(n, || Status::unavailable("down")), 1, Some(Code::Unavailable)),
        (
            "no more",
            |n, _| once(n, || pushback(Code::ResourceExhausted, "-1")),
            1,
            Some(Code::ResourceExhausted),
        ),
        ("final", |n, _| once(n, || Status::not_found("no order")), 1, Some(Code::NotFound)),
        (
            "late",
            |n, _| once(n, || Status::deadline_exceeded("late")),
            1,
            Some(Code::DeadlineExceeded),
        ),
    ];
    for (name, respond, attempts, code) in cases {
        let (uri, seen) = serve(respond).await;
        let start = Instant::now();
        let ended = call(client(&Stack::new().classify(grpc())), &uri).await;
        assert_eq!(ended.err().map(|status| status.code()), code, "{name}");
        assert_eq!(seen.lock().unwrap().len(), attempts, "{name}");
        let waited = Instant::now() - start >= Duration::from_millis(300);
        assert_eq!(waited, attempts == 2, "{name}");
    }
}

#[tokio::test]
async fn a_token_is_replaced_after_unauthenticated() {
    let (uri, seen) = serve(|_, metadata| match metadata.get("authorization").unwrap().to_str() {
        Ok("Bearer token-0") => Err(Status::unauthenticated("revoked")),
        _ => Ok(Response::new("done".to_owned())),
    })
    .await;
    let number = Arc::new(AtomicUsize::new(0));
    let source = service_fn(move |_: TokenRequest| {
        let token = format!("token-{}", number.fetch_add(1, Ordering::Relaxed));
        std::future::ready(Token::bearer(&token))
    });
    let classify = grpc();
    let session = classify.status();
    let stack = Stack::new()
        .classify(classify)
        .token_cache(TokenCacheLayer::new(source).allow_origin(uri.to_string().parse().unwrap()))
        .endpoint("/orders.v1.Orders/{method}".parse().unwrap(), |endpoint| {
            endpoint.token_cache(|config| {
                config.rejects_token(|head| {
                    head.headers().get("grpc-status").is_some_and(|status| status == "16")
                })
            })
        });
    assert_eq!(call(client(&stack), &uri).await.unwrap(), "done");
    // A token that is new is tried again before it is replaced.
    let seen = seen.lock().unwrap();
    let last = seen.last().unwrap().get("authorization").unwrap();
    assert_eq!(last.to_str().unwrap(), "Bearer token-1");
    assert_eq!(session.get(), AuthStatus::Active);
}

/// Who calls a proxy with a deadline of a millisecond would open the circuit of all, and be let in.
#[tokio::test]
async fn a_deadline_that_the_client_chose_says_nothing_about_the_server() {
    for (respond, code, circuit) in [
        (
            (|_, _| Err(Status::deadline_exceeded("late"))) as Respond,
            Some(Code::DeadlineExceeded),
            CircuitState::Closed,
        ),
        // Its negative.
        (|_, _| Err(Status::unavailable("down")), None, CircuitState::Open),
    ] {
        let (uri, _) = serve(respond).await;
        let (breaker, classify) = (CircuitBreakerLayer::new(), grpc());
        let session = classify.status();
        let stack = Stack::new()
            .classify(classify)
            .circuit_breaker(breaker.clone())
            .fallback(FallbackLayer::fail_open(|_| {
                // No gRPC, but nothing else is either.
                http::Response::builder().header("grpc-status", "0").body("").unwrap()
            }))
            .retry(RetryOnRateLimit::new().max_retries(0));
        let client = client(&stack);
        for _ in 0..10 {
            let ended = call(client.clone(), &uri).await;
            let ended = ended.err().filter(|status| !status.message().contains("Missing"));
            assert_eq!(ended.map(|status| status.code()), code);
        }
        let snapshot = breaker.handle().snapshot();
        let state = snapshot.first().map_or(CircuitState::Closed, |circuit| circuit.state());
        assert_eq!(state, circuit);
        assert_eq!(session.get() == AuthStatus::Degraded, circuit == CircuitState::Open);
    }
}

#[tokio::test]
async fn the_server_learns_how_much_time_is_left_if_it_is_to() {
    for (sends, own, expected) in
        [(true, None, 2..=5_000), (true, Some(1), 0..=1_000), (false, None, 0..=0)]
    {
        let (uri, seen) = serve(|_, _| Ok(Response::new("done".to_owned()))).await;
        let attempt = TimeoutLayer::new(Duration::from_secs(5));
        let attempt = attempt.endpoint("/{*rest}".parse().unwrap(), move |config| {
            if sends { config.send_grpc_timeout() } else { config }
        });
        let client = client(&Stack::new().classify(grpc()).attempt_timeout(attempt));
        let mut client = tonic::client::Grpc::with_origin(client, uri.clone());
        client.ready().await.unwrap();
        let mut request = Request::new("an order".to_owned());
        if let Some(seconds) = own {
            request.set_timeout(Duration::from_secs(seconds));
        }
        client.unary(request, PathAndQuery::from_static(PATH), Text).await.unwrap();
        let seen = seen.lock().unwrap();
        let told = seen[0].get("grpc-timeout").map(|told| told.to_str().unwrap());
        let millis = told.map_or(0, |told| {
            let (number, unit) = told.split_at(told.len() - 1);
            let number: u64 = number.parse().unwrap();
            match unit {
                "m" => number,
                "u" => number / 1_000,
                "n" => number / 1_000_000,
                _ => panic!("{told}"),
            }
        });
        assert!(expected.contains(&millis), "{told:?}");
    }
}

/// tonic keeps our error as the source of its own.
#[tokio::test]
async fn an_error_of_ours_is_found_behind_a_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let stack =
        Stack::new().classify(grpc()).attempt_timeout(TimeoutLayer::new(Duration::from_millis(50)));
    let status = call(client(&stack), &uri).await.unwrap_err();
    let found = Classification::of_error(&status).unwrap();
    assert_eq!(found.class(), ErrorClass::Timeout, "{status:?}");
}
