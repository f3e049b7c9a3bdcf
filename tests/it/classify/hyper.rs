//! What the errors of hyper, hyper-util and h2 mean: real ones, from connections that fail.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, channel::Channel};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    BoxError, ErrorClassifyLayer,
    classify::{AuthStatus, Classification, ErrorClass},
};

use crate::support::probe::{Body, ProbeError};
#[cfg(feature = "http2")]
use crate::support::raw_http2::RawHttp2;

fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    Some(Classification::of_error(error)?.class())
}

fn client<B>() -> Client<HttpConnector, B>
where
    B: http_body::Body<Data: Send> + Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

/// A server that reads one request, writes `head` and hangs up.
async fn hangs_up_after(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    format!("http://{address}/")
}

async fn read_head(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::default()).unwrap()
}

#[tokio::test]
async fn a_closed_port_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let layer = ErrorClassifyLayer::new();
    let error = layer.layer(client()).oneshot(get(&uri)).await.unwrap_err();
    assert!(error.is::<hyper_util::client::legacy::Error>());
    assert_eq!(class(&*error), Some(ErrorClass::Connect));
    assert_eq!(layer.status().get(), AuthStatus::Degraded);
}

/// A connection that takes a request and then fails.
struct Breaks {
    kind: io::ErrorKind,
    sent: usize,
}

impl hyper::rt::Read for Breaks {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sent == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Err(self.kind.into()))
    }
}

impl hyper::rt::Write for Breaks {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        sent: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.sent += sent.len();
        Poll::Ready(Ok(sent.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Routers on the way say so, long after the connection was made. It was treated as one that was never made, and a `POST`
/// that had been sent was sent again.
#[tokio::test]
async fn a_connection_that_stood_is_interrupted_whatever_the_system_calls_it() {
    for (kind, expected) in [
        (io::ErrorKind::HostUnreachable, ErrorClass::Interrupted),
        (io::ErrorKind::NetworkUnreachable, ErrorClass::Interrupted),
        (io::ErrorKind::NetworkDown, ErrorClass::Interrupted),
        (io::ErrorKind::ConnectionRefused, ErrorClass::Interrupted),
        (io::ErrorKind::ConnectionReset, ErrorClass::Interrupted),
        (io::ErrorKind::PermissionDenied, ErrorClass::Interrupted),
        (io::ErrorKind::TimedOut, ErrorClass::Timeout),
    ] {
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(Breaks { kind, sent: 0 }).await.unwrap();
        let request = Request::post("/").body(Body::from("sent")).unwrap();
        let (answered, _) = tokio::join!(send.send_request(request), connection);
        let error = answered.unwrap_err();
        assert_eq!(class(&error), Some(expected), "{error:?}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_no_connection() {
    let unknown = service_fn(async |_: Name| {
        Err::<std::array::IntoIter<std::net::SocketAddr, 0>, _>(io::Error::other("no such name"))
    });
    let connector = HttpConnector::new_with_resolver(unknown);
    let client = Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let error = client.oneshot(get("http://id.example/")).await.unwrap_err();
    assert_eq!(class(&error), Some(ErrorClass::Connect));
}

#[tokio::test]
async fn a_connection_that_ends_before_or_within_the_head_is_interrupted() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let uri = hangs_up_after(head).await;
        let layer = ErrorClassifyLayer::new();
        let error = layer.layer(client()).oneshot(get(&uri)).await.unwrap_err();
        assert_eq!(class(&*error), Some(ErrorClass::Interrupted), "{head:?} {error:?}");
        assert_eq!(layer.status().get(), AuthStatus::Degraded);
    }
}

#[tokio::test]
async fn a_connection_that_ends_within_the_body_is_interrupted() {
    let uri = hangs_up_after("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let response = client().oneshot(get(&uri)).await.unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert_eq!(class(&error), Some(ErrorClass::Interrupted), "{error:?}");
}

#[tokio::test]
async fn a_response_that_is_no_http_is_interrupted() {
    let uri = hangs_up_after("220 mail.example ESMTP\r\n\r\n").await;
    let error = client().oneshot(get(&uri)).await.unwrap_err();
    assert_eq!(class(&error), Some(ErrorClass::Interrupted), "{error:?}");
}

#[tokio::test]
async fn a_request_body_that_fails_by_itself_says_nothing_about_the_server() {
    let uri = hangs_up_after("").await;
    let (sender, body) = Channel::<Bytes, ProbeError>::new(1);
    sender.abort(ProbeError("the file could not be read"));
    let request = Request::post(uri).body(body).unwrap();
    let error = client().oneshot(request).await.unwrap_err();
    assert_eq!(class(&error), None, "{error:?}");
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn a_stream_that_the_server_rejects_has_not_been_carried_out() {
    use tower_heed::{
        __internals::{Cost, Progress, decide},
        retry::RetryConfig,
    };

    let (at_once, later) = (Some(true), Some(false));
    for (reason, expected, again) in [
        (h2::Reason::REFUSED_STREAM, ErrorClass::Connect, at_once),
        (h2::Reason::INTERNAL_ERROR, ErrorClass::Interrupted, None),
        (h2::Reason::CANCEL, ErrorClass::Interrupted, None),
        (h2::Reason::HTTP_1_1_REQUIRED, ErrorClass::Interrupted, None),
        // "Excessive load": the server asks to slow down, and that costs nothing.
        (h2::Reason::ENHANCE_YOUR_CALM, ErrorClass::RateLimited, later),
    ] {
        for goes_away in [false, true] {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let server = tokio::spawn(async move {
                let mut server = RawHttp2::begin(far).await;
                let stream = server.next_request().await;
                if goes_away {
                    server.go_away(0, reason).await;
                } else {
                    server.reset(stream, reason).await;
                }
                server
            });
            let (mut send, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let error = send.send_request(get("http://id.example/")).await.unwrap_err();
            drop(server);
            let found = Classification::of_error(&error).unwrap();
            // A `POST`.
            let retry = decide(&found, &RetryConfig::default(), &Progress::default());
            let is_final = reason == h2::Reason::HTTP_1_1_REQUIRED;
            let (expected, again) = match expected {
                ErrorClass::Interrupted if goes_away && !is_final => (ErrorClass::Connect, at_once),
                _ => (expected, again),
            };
            assert_eq!(found.class(), expected, "{error:?}");
            assert_eq!(retry.ok().map(|retry| retry.at_once), again, "{error:?}");
            assert_eq!(retry.is_err(), again.is_none(), "{error:?}");
            assert!(retry.is_err() || retry.unwrap().cost == Cost::Free, "{error:?}");
            if is_final {
                let get = Progress { repeatable: true, idempotent: true, ..Progress::default() };
                assert!(decide(&found, &RetryConfig::default(), &get).is_err());
            }
        }
    }
}

/// Each failed in the same way whenever it was tried again, for eighteen seconds.
#[tokio::test]
async fn what_can_never_succeed_is_sent_once_and_says_why() {
    let not_http = hangs_up_after("220 mail.example ESMTP\r\n\r\n").await;
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200));
    let many = hangs_up_after(many.leak()).await;
    let https = not_http.replace("http://", "https://");
    for (uri, class, reason) in [
        (https, ErrorClass::Connect, "invalid URL, scheme is not http"),
        (not_http, ErrorClass::Interrupted, "invalid HTTP version parsed"),
        (many, ErrorClass::Interrupted, "message head is too large"),
    ] {
        let tries = std::sync::atomic::AtomicUsize::new(0);
        let layer = tower_heed::RetryOnRateLimit::new();
        let http = client();
        let counted = service_fn(|request| {
            tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            http.clone().oneshot(request)
        });
        let error = layer.layer(counted).oneshot(get(&uri)).await.unwrap_err();
        assert_eq!(self::class(&*error), Some(class), "{error:?}");
        let text = format!("{error:?}");
        assert!(tower_heed::error::find::<hyper_util::client::legacy::Error>(&*error).is_some());
        assert_eq!(tries.into_inner(), 1, "{text}");
        let mut last: &dyn Error = &*error;
        while let Some(source) = last.source() {
            last = source;
        }
        assert!(last.to_string().contains(reason), "{last}");
    }
}

/// A connector whose connections are refused with this error.
fn refuses(
    error: fn() -> BoxError,
) -> Client<tower::util::BoxCloneSyncService<http::Uri, TokioIo<TcpStream>, BoxError>, Body> {
    let connector = service_fn(move |_: http::Uri| std::future::ready(Err(error())));
    Client::builder(TokioExecutor::new()).build(tower::util::BoxCloneSyncService::new(connector))
}

#[tokio::test]
async fn a_connection_that_tls_refuses_is_tried_once_and_one_that_broke_again() {
    for (error, tries) in [
        // As tokio-rustls and hyper-rustls wrap what rustls says of a certificate.
        (
            (|| {
                io::Error::other(io::Error::new(io::ErrorKind::InvalidData, "UnknownIssuer")).into()
            }) as fn() -> BoxError,
            1,
        ),
        (|| io::Error::other("unsupported scheme http").into(), 1),
        (|| io::Error::from(io::ErrorKind::ConnectionReset).into(), 3),
        (|| io::Error::other("name resolution failed for now").into(), 3),
        (|| "anything else".into(), 3),
    ] {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (http, counter) = (refuses(error), std::sync::Arc::clone(&count));
        let counted = service_fn(move |request| {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            http.clone().oneshot(request)
        });
        let request = Request::post("https://id.example/").body(Body::default()).unwrap();
        let failed =
            tower_heed::RetryOnRateLimit::new().layer(counted).oneshot(request).await.unwrap_err();
        assert_eq!(class(&*failed), Some(ErrorClass::Connect), "{failed:?}");
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), tries, "{failed:?}");
    }
}

/// A handshake that hangs: the request was never sent, and it was treated as one that may have been carried out.
#[tokio::test]
async fn a_connection_that_hangs_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://{}/", listener.local_addr().unwrap());
    let accepted = tokio::spawn(async move {
        let mut kept = Vec::new();
        for _ in 0..3 {
            kept.push(listener.accept().await.unwrap());
        }
        kept
    });
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots().unwrap();
    let connector = tower_heed::timeout::ConnectTimeout::new(
        tls.https_only().enable_http1().build(),
        std::time::Duration::from_millis(50),
    );
    let http = Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let request = Request::post(uri).body(Body::default()).unwrap();
    let failed =
        tower_heed::RetryOnRateLimit::new().layer(http).oneshot(request).await.unwrap_err();
    assert_eq!(class(&*failed), Some(ErrorClass::Connect), "{failed:?}");
    let (limit, phase) = crate::support::error::timeout(&*failed);
    assert_eq!((limit.as_millis(), phase), (50, tower_heed::error::Phase::Connecting));
    assert_eq!(accepted.await.unwrap().len(), 3, "a `POST` was not sent again");
}
