//! HTTP/1 servers that close a connection at the moment of sending, as any server may: what is repeatable is sent again at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{BoxError, ServiceExt, util::BoxCloneSyncService};
use tower_heed::{
    Stack,
    classify::{Classification, ErrorClass},
    retry::RetryOutcome,
};

/// A client whose response is its status, how often its request was sent, and how long it waited in between.
type Called = BoxCloneSyncService<Request<Full<Bytes>>, (u16, u32, Duration), BoxError>;

/// How a server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Closes {
    /// Between two requests, without having said so.
    Idle,
    /// Once it has read a request.
    Silently,
    /// With a reset, since it has not read the request.
    Resets,
    /// In the middle of a head.
    HalfHead,
}

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The address of a server that responds to so many requests on each connection, and how many connections it has had.
async fn server(closes: Closes, responds: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let number = counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                // The first connection is the one that the client keeps. Each further one behaves as told, or well.
                let responds = if number == 0 || responds == 0 { responds } else { usize::MAX };
                for _ in 0..responds {
                    if !read_request(&mut stream).await {
                        return;
                    }
                    stream.write_all(RESPONSE).await.unwrap();
                }
                match closes {
                    Closes::Idle => {}
                    Closes::Silently => drop(read_request(&mut stream).await),
                    // Waits for the first byte, and leaves it unread.
                    Closes::Resets => drop(stream.peek(&mut [0]).await.unwrap()),
                    Closes::HalfHead => {
                        read_request(&mut stream).await;
                        stream.write_all(&RESPONSE[..20]).await.unwrap();
                    }
                }
            });
        }
    });
    (address, connections)
}

/// A head, and the four bytes of a body if it announces them. False at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    loop {
        let Ok(byte) = stream.read_u8().await else { return false };
        read.push(byte);
        let has_body = read.windows(17).any(|part| part == b"content-length: 4");
        if read.ends_with(if has_body { b"\r\n\r\nbody" } else { b"\r\n\r\n" }) {
            return true;
        }
    }
}

fn clients() -> Vec<(&'static str, Called)> {
    fn seen<B>(response: &http::Response<B>) -> (u16, u32, Duration) {
        let outcome = response.extensions().get::<RetryOutcome>();
        let (attempts, waited) =
            outcome.map_or((1, Duration::ZERO), |it| (it.attempts(), it.waited()));
        (response.status().as_u16(), attempts, waited)
    }

    let http = Client::builder(TokioExecutor::new()).build_http();
    let hyper = Stack::new().service(http).map_response(|response| seen(&response));
    #[cfg_attr(not(feature = "reqwest"), allow(unused_mut, reason = "one more by feature"))]
    let mut clients = vec![("hyper-util", BoxCloneSyncService::new(hyper))];
    #[cfg(feature = "reqwest")]
    {
        use tower_heed::integrations::reqwest::ReqwestService;

        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let reqwest = Stack::new()
            .service(ReqwestService::new(http))
            .map_response(|response| seen(&response));
        clients.push(("reqwest", BoxCloneSyncService::new(reqwest)));
    }
    clients
}

fn request(method: &str, uri: &str) -> Request<Full<Bytes>> {
    let body = if matches!(method, "POST" | "PUT") { "body" } else { "" };
    Request::builder().method(method).uri(uri).body(Full::from(body)).unwrap()
}

#[tokio::test]
async fn a_pooled_connection_that_closes_costs_no_time_and_no_repeatable_request() {
    for closes in [Closes::Idle, Closes::Silently, Closes::Resets, Closes::HalfHead] {
        for method in ["GET", "PUT", "DELETE", "POST"] {
            for (name, client) in clients() {
                let case = format!("{name} {closes:?} {method}");
                let (uri, _) = server(closes, 1).await;
                let warm = client.clone().oneshot(request("GET", &uri)).await.unwrap();
                assert_eq!(warm, (200, 1, Duration::ZERO), "{case}");
                if closes == Closes::Idle {
                    // No condition to wait for: hyper notices the end on a task of its own.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                let ended = client.oneshot(request(method, &uri)).await;
                // A `POST` that a server has, or may have, read is the caller's to repeat.
                if method == "POST" && closes != Closes::Idle {
                    let error = ended.expect_err(&case);
                    let class = Classification::of_error(&*error).map(|found| found.class());
                    assert_eq!(class, Some(ErrorClass::Interrupted), "{case}: {error:?}");
                    continue;
                }
                let (status, _, waited) = ended.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                assert_eq!((status, waited), (200, Duration::ZERO), "{case}");
            }
        }
    }
}

/// One immediate attempt, and then those that a failure has: more would hammer a server that is down.
#[tokio::test]
async fn a_server_that_closes_every_connection_is_tried_a_few_times() {
    for (method, attempts) in [("GET", 4), ("DELETE", 2), ("POST", 1)] {
        for (name, client) in clients() {
            let (uri, connections) = server(Closes::Silently, 0).await;
            let error = client.oneshot(request(method, &uri)).await.unwrap_err();
            let class = Classification::of_error(&*error).map(|found| found.class());
            assert_eq!(class, Some(ErrorClass::Interrupted), "{name} {method}: {error:?}");
            assert_eq!(connections.load(Ordering::SeqCst), attempts, "{name} {method}");
        }
    }
}
