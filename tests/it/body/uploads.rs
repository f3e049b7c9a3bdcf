//! Callers who break off their own upload, to a proxy that fails open, on real sockets: no open response, and the session stays as it is.

use std::{convert::Infallible, time::Duration};

use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_heed::{
    ErrorClassifyLayer, ErrorKind, FallbackLayer, Stack, TimeoutLayer,
    body::{ReplayBody, ReplayBodyLayer},
    classify::{AuthStatus, Classification, ErrorClass, SessionStatus},
    error::{Phase, find},
};

type Proxied = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// What the proxy's call ended with: the body of its response, or the error.
type Ended = Result<Bytes, BoxError>;

/// A server that takes HTTP/1 and HTTP/2, for as long as the test runs.
async fn serve<S>(service: S) -> std::net::SocketAddr
where
    S: tower::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                drop(server.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    address
}

/// A healthy upstream: it reads the whole request.
async fn upstream() -> String {
    let address = serve(service_fn(async |request: Request<Incoming>| {
        drop(request.into_body().collect().await);
        Ok(Response::new(Body::from("real")))
    }))
    .await;
    format!("http://{address}/")
}

/// Sends each request on to `client`, on a task of its own, so that the call goes on when the caller has left.
async fn proxy(client: Proxied, upstream: String) -> (std::net::SocketAddr, mpsc::Receiver<Ended>) {
    let (sender, ended) = mpsc::channel(1);
    let handler = any(move |request: Request<Body>| {
        let (client, upstream, sender) = (client.clone(), upstream.clone(), sender.clone());
        async move {
            let call = tokio::spawn(async move {
                let request = Request::post(upstream).body(request.into_body()).unwrap();
                let ended = match client.oneshot(request).await {
                    Ok(response) => Ok(response.into_body().collect().await.unwrap().to_bytes()),
                    Err(error) => Err(error),
                };
                sender.send(ended).await.unwrap();
            });
            call.await.unwrap();
            "over"
        }
    });
    let router = Router::new().fallback(handler);
    let address =
        serve(router.map_request(|request: Request<Incoming>| request.map(Body::new))).await;
    (address, ended)
}

fn hyper_client<B>(http2: bool) -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

fn open() -> FallbackLayer {
    FallbackLayer::fail_open(|_| Response::new("open"))
}

/// Every way for an upload to reach the upstream, with the session of each.
fn clients() -> Vec<(&'static str, Proxied, SessionStatus)> {
    let mut clients = Vec::new();
    for http2 in [false, true] {
        let classify = ErrorClassifyLayer::new();
        let stack =
            Stack::new().classify(classify.clone()).fallback(open()).attempt_timeout(limit());
        let client = ServiceBuilder::new()
            .layer(ReplayBodyLayer::default())
            .service(stack.service(hyper_client::<ReplayBody<Body>>(http2)))
            .map_response(|response| response.map(Body::new));
        let name = if http2 { "a stack, HTTP/2" } else { "a stack, HTTP/1" };
        clients.push((name, BoxCloneSyncService::new(client), classify.status()));

        // Bodies that nothing records.
        let classify = ErrorClassifyLayer::new();
        let client = ServiceBuilder::new()
            .layer(open())
            .layer(classify.clone())
            .service(hyper_client::<Body>(http2))
            .map_response(|response| response.map(Body::new));
        let name = if http2 { "no stack, HTTP/2" } else { "no stack, HTTP/1" };
        clients.push((name, BoxCloneSyncService::new(client), classify.status()));
    }
    #[cfg(feature = "reqwest")]
    {
        use tower_heed::integrations::reqwest::ReqwestService;

        let classify = ErrorClassifyLayer::new();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let stack =
            Stack::new().classify(classify.clone()).fallback(open()).attempt_timeout(limit());
        let client = ServiceBuilder::new()
            .layer(ReplayBodyLayer::default())
            .service(stack.service(ReqwestService::with_body(http)))
            .map_response(|response| response.map(Body::new));
        clients.push(("reqwest", BoxCloneSyncService::new(client), classify.status()));
    }
    clients
}

fn limit() -> TimeoutLayer {
    TimeoutLayer::new(Duration::from_millis(300))
}

async fn assert_not_open(upload: &str, stays: bool) {
    for (name, client, session) in clients() {
        if stays && name.starts_with("no stack") {
            continue;
        }
        let (address, mut ended) = proxy(client, upstream().await).await;
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller.write_all(upload.as_bytes()).await.unwrap();
        if !stays {
            caller.shutdown().await.unwrap();
        }
        let error = ended.recv().await.unwrap().expect_err(name);
        assert_eq!(Classification::of_error(&*error), None, "{name}: {error:?}");
        assert_eq!(session.get(), AuthStatus::Unknown, "{name}: {error:?}");
        if stays {
            let kind = find::<tower_heed::Error>(&*error).unwrap().kind();
            assert!(
                matches!(kind, ErrorKind::Timeout { phase: Phase::Uploading, .. }),
                "{error:?}"
            );
        }
        let mut response = String::new();
        caller.read_to_string(&mut response).await.unwrap();
        assert!(!response.contains("open"), "{response}");
    }
}

#[tokio::test]
async fn a_caller_who_half_closes_in_the_middle_of_an_upload_gets_no_open_response() {
    assert_not_open("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n0123456789", false)
        .await;
}

#[tokio::test]
async fn a_caller_whose_chunks_break_off_or_are_none_gets_no_open_response() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in ["5\r\n01234\r\n", "5\r\n012", "5\r\n01234\r\nxyz\r\n"] {
        assert_not_open(&format!("{head}{chunks}"), false).await;
    }
}

#[tokio::test]
async fn a_caller_who_never_ends_an_upload_gets_no_open_response() {
    assert_not_open(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n0123456789",
        true,
    )
    .await;
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn a_caller_who_resets_the_stream_of_an_upload_causes_no_open_response() {
    for reason in [h2::Reason::CANCEL, h2::Reason::REFUSED_STREAM, h2::Reason::ENHANCE_YOUR_CALM] {
        for (name, client, session) in clients() {
            let (address, mut ended) = proxy(client, upstream().await).await;
            let stream = TcpStream::connect(address).await.unwrap();
            let (send, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            let request = Request::post(format!("http://{address}/")).body(()).unwrap();
            let (_response, mut upload) =
                send.ready().await.unwrap().send_request(request, false).unwrap();
            upload.send_data(Bytes::from_static(b"0123456789"), false).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            upload.send_reset(reason);
            let error = ended.recv().await.unwrap().expect_err(name);
            assert_eq!(Classification::of_error(&*error), None, "{name}: {error:?}");
            assert_eq!(session.get(), AuthStatus::Unknown, "{name}: {error:?}");
        }
    }
}

/// It may have waited for the caller. Where nothing records the body, that cannot be seen.
#[tokio::test]
async fn an_upstream_that_hangs_up_in_the_middle_of_an_upload_causes_no_open_response() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            drop(stream.read(&mut [0; 64]).await);
        }
    });
    for (name, client, session) in clients() {
        let (address, mut ended) = proxy(client, upstream.clone()).await;
        let mut caller = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n0123456789";
        caller.write_all(head.as_bytes()).await.unwrap();
        let ended = ended.recv().await.unwrap();
        if name.starts_with("no stack") {
            assert_eq!(ended.unwrap(), "open", "{name}");
        } else {
            let error = ended.expect_err(name);
            assert_eq!(Classification::of_error(&*error).unwrap().class(), ErrorClass::Interrupted);
            assert_eq!(session.get(), AuthStatus::Unknown, "{name}");
        }
    }
}
