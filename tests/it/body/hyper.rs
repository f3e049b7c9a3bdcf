//! A real HTTP connection that still holds the body of the first attempt when the next one begins.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no tests to Clippy")]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Channel};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tower::BoxError;
use tower_heed::{
    Error as LayerError, ErrorKind,
    body::{ReplayBody, ReplayableBody},
    error::NotReplayable,
};

type Body = ReplayBody<Channel<Bytes, BoxError>>;

async fn connect() -> (SendRequest<Body>, JoinHandle<hyper::Result<()>>, DuplexStream) {
    let (client, server) = duplex(256);
    let (sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
    (sender, tokio::spawn(connection), server)
}

fn request(body: Body) -> Request<Body> {
    Request::post("/").header("host", "api.test").body(body).unwrap()
}

async fn respond(server: &mut DuplexStream, status: &str) {
    server
        .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())
        .await
        .unwrap();
}

/// Reads up to the first place that ends with `end`, and not a byte further.
async fn read_until(server: &mut DuplexStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(server.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

/// Reads one chunked request, and gives its data.
async fn read_request(server: &mut DuplexStream) -> String {
    read_until(server, "\r\n\r\n").await;
    let chunks = read_until(server, "\r\n0\r\n\r\n").await;
    chunks.split("\r\n").skip(1).step_by(2).collect()
}

fn replay_error(error: &(dyn std::error::Error + 'static)) -> Option<NotReplayable> {
    match tower_heed::error::find::<LayerError>(error)?.kind() {
        ErrorKind::ReplayBody { reason, .. } => Some(*reason),
        _ => None,
    }
}

/// The server rejects while the caller is still at its body. The upload ends there, and the next attempt has all of it.
#[tokio::test(start_paused = true)]
async fn a_rejection_before_the_end_of_the_body() {
    let (mut send, body) = Channel::new(8);
    let body = ReplayBody::new(body, 1024);
    let kept = body.try_clone().unwrap();
    send.send_data("one ".into()).await.unwrap();

    let (mut client, connection, mut server) = connect().await;
    let rejected = tokio::spawn(client.send_request(request(body)));
    read_until(&mut server, "one \r\n").await;
    respond(&mut server, "429 Too Many Requests").await;
    assert_eq!(rejected.await.unwrap().unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!connection.is_finished(), "the connection should still be waiting for the body");

    let next = kept.rewind().unwrap();
    let error = connection.await.unwrap().unwrap_err();
    assert_eq!(replay_error(&error), Some(NotReplayable::Superseded));

    let (mut client, _connection, mut server) = connect().await;
    let accepted = tokio::spawn(client.send_request(request(next)));
    send.send_data("two".into()).await.unwrap();
    drop(send);
    assert_eq!(read_request(&mut server).await, "one two");
    respond(&mut server, "200 OK").await;
    assert_eq!(accepted.await.unwrap().unwrap().status(), StatusCode::OK);
}

/// The server refuses and reads no further, so the connection is stuck in the middle of the body, for ever. The next attempt does not
/// wait for it.
#[tokio::test(start_paused = true)]
async fn a_rejection_by_a_server_that_stops_reading() {
    let (mut send, body) = Channel::new(64);
    let body = ReplayBody::new(body, 64 * 1024);
    let kept = body.try_clone().unwrap();
    for number in 0..50 {
        send.send_data(format!("{number:0>100}").into()).await.unwrap();
    }
    drop(send);

    let (mut client, stuck, mut server) = connect().await;
    let rejected = tokio::spawn(client.send_request(request(body)));
    read_until(&mut server, "\r\n\r\n").await;
    respond(&mut server, "429 Too Many Requests").await;
    let rejected = rejected.await.unwrap().unwrap();
    assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!stuck.is_finished());

    let (mut client, _connection, mut other) = connect().await;
    let accepted = tokio::spawn(client.send_request(request(kept.rewind().unwrap())));
    let whole: String = (0..50).map(|number| format!("{number:0>100}")).collect();
    assert_eq!(read_request(&mut other).await, whole);
    respond(&mut other, "200 OK").await;
    let accepted = accepted.await.unwrap().unwrap();
    assert_eq!(accepted.status(), StatusCode::OK);
    assert_eq!(accepted.into_body().collect().await.unwrap().to_bytes(), "");
}
