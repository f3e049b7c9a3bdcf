//! HTTP/2 servers that turn requests away without processing them, through a whole stack: each request is done once, none is lost.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{net::TcpListener, task::JoinSet};
use tower::{BoxError, ServiceExt, util::BoxCloneSyncService};
use tower_heed::{CircuitBreakerLayer, Stack};

use crate::support::raw_http2::RawHttp2;

pub(super) type Called = BoxCloneSyncService<Request<Full<Bytes>>, u16, BoxError>;

const WORKERS: usize = 16;
const JOBS: usize = 320;

/// How a server turns requests away.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turns {
    /// GOAWAY after so many requests on a connection.
    Away(u32),
    /// RST_STREAM for each third request, sixty times.
    Refused,
    /// RST_STREAM with `ENHANCE_YOUR_CALM` for each third of the first thirty requests.
    Calm,
}

/// The address of a server, and how many requests it has processed.
async fn server(turns: Turns) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let processed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&processed);
    let seen = Arc::new(Mutex::new(0));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (counter, seen) = (Arc::clone(&counter), Arc::clone(&seen));
            tokio::spawn(async move {
                let mut server = RawHttp2::begin(stream).await;
                let mut on_connection = 0;
                let mut last = 0;
                while let Some(stream) = server.try_next_request().await {
                    on_connection += 1;
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        *seen += 1;
                        *seen
                    };
                    match turns {
                        Turns::Away(most) if on_connection > most => {
                            server.go_away(last, h2::Reason::NO_ERROR).await;
                            continue;
                        }
                        Turns::Refused if number % 3 == 0 && number <= 180 => {
                            server.reset(stream, h2::Reason::REFUSED_STREAM).await;
                            continue;
                        }
                        Turns::Calm if number % 3 == 0 && number <= 30 => {
                            server.reset(stream, h2::Reason::ENHANCE_YOUR_CALM).await;
                            continue;
                        }
                        _ => {}
                    }
                    last = stream;
                    counter.fetch_add(1, Ordering::Relaxed);
                    server.respond(stream).await;
                }
            });
        }
    });
    (address, processed)
}

pub(super) fn clients() -> Vec<(&'static str, Called)> {
    // A server that is well opens no circuit.
    let stack = || Stack::new().circuit_breaker(CircuitBreakerLayer::new());
    let http = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let hyper = stack().service(http).map_response(|response| response.status().as_u16());
    let mut clients = vec![("hyper-util", BoxCloneSyncService::new(hyper))];
    #[cfg(feature = "reqwest")]
    {
        use tower_heed::integrations::reqwest::ReqwestService;

        let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
        let reqwest = stack().service(ReqwestService::new(http));
        let reqwest = reqwest.map_response(|response| response.status().as_u16());
        clients.push(("reqwest", BoxCloneSyncService::new(reqwest)));
    }
    clients
}

#[tokio::test]
async fn posts_that_were_not_processed_are_sent_again_at_once_and_none_is_lost_or_doubled() {
    for turns in [Turns::Away(20), Turns::Refused] {
        all_are_done_once(turns, JOBS).await;
    }
}

/// 32 of 60 were lost. They wait as after a 429.
#[tokio::test]
async fn posts_to_a_server_that_wants_calm_are_all_done_and_none_twice() {
    all_are_done_once(Turns::Calm, 64).await;
}

async fn all_are_done_once(turns: Turns, jobs: usize) {
    for (name, client) in clients() {
        let (address, processed) = server(turns).await;
        let mut calls = JoinSet::new();
        for _ in 0..WORKERS {
            let (client, address) = (client.clone(), address.clone());
            calls.spawn(async move {
                for _ in 0..jobs / WORKERS {
                    let request = Request::post(&address).body(Full::from("a job")).unwrap();
                    assert_eq!(client.clone().oneshot(request).await?, 200);
                }
                Ok::<_, BoxError>(())
            });
        }
        while let Some(worked) = calls.join_next().await {
            worked.unwrap().unwrap_or_else(|error| panic!("{name} {turns:?}: {error:?}"));
        }
        assert_eq!(processed.load(Ordering::Relaxed), jobs, "{name} {turns:?}");
    }
}

/// A connection that a middlebox has forgotten takes requests and never responds, and every attempt would go to it. What the manual
/// says: pings of the client find that out, and the next attempt has another connection.
#[tokio::test]
async fn a_dead_connection_is_left_if_the_client_sends_pings() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let is_first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            tokio::spawn(async move {
                // It answers no ping.
                let mut server = RawHttp2::begin(stream).await;
                let mut responds = if is_first { 1 } else { usize::MAX };
                while let Some(stream) = server.try_next_request().await {
                    if responds > 0 {
                        server.respond(stream).await;
                        responds -= 1;
                    }
                }
            });
        }
    });
    let ping = Duration::from_millis(200);
    let http = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_only(true)
        .http2_keep_alive_interval(ping)
        .http2_keep_alive_timeout(ping)
        .http2_keep_alive_while_idle(true)
        .build_http::<Full<Bytes>>();
    let client = Stack::new().service(http);
    for _ in 0..2 {
        let request = Request::get(&address).body(Full::default()).unwrap();
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}
