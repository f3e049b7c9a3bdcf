//! What the errors of hyper, hyper-util and h2 mean: real ones, from connections that fail.

use std::{error::Error, io};

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
    classify::AuthStatus,
    policy::{Classification, ErrorClass},
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
    assert_eq!(*layer.status().borrow(), AuthStatus::Degraded);
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
        assert_eq!(*layer.status().borrow(), AuthStatus::Degraded);
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
async fn an_answer_that_is_no_http_is_interrupted() {
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
async fn a_stream_that_the_server_refuses_has_not_been_carried_out() {
    for (reason, expected) in [
        (h2::Reason::REFUSED_STREAM, ErrorClass::Connect),
        (h2::Reason::INTERNAL_ERROR, ErrorClass::Interrupted),
        (h2::Reason::CANCEL, ErrorClass::Interrupted),
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
    }
}
