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
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    ErrorClassifyLayer,
    classify::{AuthStatus, Classification, ErrorClass},
};

use crate::support::probe::{Body, ProbeError};

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

    for (reason, expected) in [
        (h2::Reason::REFUSED_STREAM, ErrorClass::Connect),
        (h2::Reason::INTERNAL_ERROR, ErrorClass::Interrupted),
        (h2::Reason::CANCEL, ErrorClass::Interrupted),
        (h2::Reason::ENHANCE_YOUR_CALM, ErrorClass::Interrupted),
    ] {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.unwrap();
            while let Some(accepted) = connection.accept().await {
                let (_, mut respond): (_, h2::server::SendResponse<Bytes>) = accepted.unwrap();
                respond.send_reset(reason);
            }
        });
        let (mut send, connection) = hyper::client::conn::http2::handshake(
            TokioExecutor::new(),
            hyper_util::rt::TokioIo::new(near),
        )
        .await
        .unwrap();
        tokio::spawn(connection);
        let request = get("http://id.example/");
        let error = send.send_request(request).await.unwrap_err();
        assert_eq!(class(&error), Some(expected), "{error:?}");
        // The server asked to slow down, and that costs nothing.
        let found = Classification::of_error(&error).unwrap();
        let progress =
            Progress { repeatable: true, retries: 0, remaining: None, jitter: 0.0, paced: false };
        let is_free = reason == h2::Reason::ENHANCE_YOUR_CALM;
        let cost = decide(&found, &RetryConfig::default(), &progress).unwrap().cost;
        assert_eq!(cost == Cost::Free, is_free, "{error:?}");
    }
}
