//! Against a real server: refused responses do not cost their connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, channel::Channel};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, task::JoinSet};
use tower::{Layer, ServiceExt};
use tower_heed::{RetryOnRateLimit, retry::Backoff};

const WORKERS: usize = 26;
const CALLS: usize = 4;

/// Long against a body's coming, also on a machine that is busy: a response that is not there by the next attempt is released.
const STEP: Duration = Duration::from_millis(250);

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    rejected: AtomicUsize,
}

/// A server that rejects two of three requests. Its bodies come a moment after their heads, as they do over a network.
async fn serve(counts: Arc<Counts>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Or the body waits for the head's acknowledgement, which is longer than this test's waits.
            stream.set_nodelay(true).unwrap();
            counts.connections.fetch_add(1, Ordering::SeqCst);
            let counts = Arc::clone(&counts);
            let responses = hyper::service::service_fn(move |_| {
                let request = counts.requests.fetch_add(1, Ordering::SeqCst);
                let rejected = request % 3 != 0;
                counts.rejected.fetch_add(usize::from(rejected), Ordering::SeqCst);
                let status = if rejected { 429 } else { 200 };
                async move { Response::builder().status(status).body(late_body()) }
            });
            let serve = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serve.serve_connection(TokioIo::new(stream), responses));
        }
    });
    address
}

fn late_body() -> Channel<Bytes> {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        sender.send_data(Bytes::from(vec![b'x'; 4096])).await
    });
    body
}

/// A refused response that is dropped unread closes its connection, and each retry opens another.
#[tokio::test]
async fn rejected_requests_over_a_pool_open_no_more_connections_than_there_are_workers() {
    let counts = Arc::new(Counts::default());
    let address = serve(Arc::clone(&counts)).await;
    let pool = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let short = Backoff::exponential(STEP, STEP).unwrap();
    let client = RetryOnRateLimit::new().backoff(short).max_retries(u32::MAX).layer(pool);

    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let client = client.clone();
        workers.spawn(async move {
            for _ in 0..CALLS {
                let request = Request::get(format!("http://{address}/users")).body(Empty::new());
                let response = client.clone().oneshot(request.unwrap()).await.unwrap();
                assert_eq!(response.status(), 200);
                response.into_body().collect().await.unwrap();
                // The pool gets the connection of a response that was read when its task runs next.
                tokio::time::sleep(STEP / 8).await;
            }
        });
    }
    workers.join_all().await;

    let rejected = counts.rejected.load(Ordering::SeqCst);
    assert!(rejected >= 200, "only {rejected} were rejected");
    let connections = counts.connections.load(Ordering::SeqCst);
    assert!(
        connections <= WORKERS,
        "{rejected} rejected requests opened {connections} connections"
    );
}
