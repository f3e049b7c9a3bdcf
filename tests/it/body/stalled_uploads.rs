//! Callers who stall their own upload until the upstream, or a time limit, gives up: no open response, no change of the session, and
//! no failure for the circuit breaker.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_heed::{
    CircuitBreakerLayer, ErrorClassifyLayer, FallbackLayer, TimeoutLayer,
    body::{ReplayBody, ReplayBodyLayer},
    circuit_breaker::CircuitState,
    classify::{AuthStatus, SessionStatus},
    extensions::Degraded,
};

const SECOND: Duration = Duration::from_secs(1);

/// Announces a hundred times what it sends.
#[derive(Clone, Debug)]
struct Upload {
    is_sent: bool,
    stalls: bool,
}

fn upload(stalls: bool) -> Request<Upload> {
    Request::post("https://id.example/users").body(Upload { is_sent: false, stalls }).unwrap()
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.is_sent {
            self.is_sent = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"0123456789")))));
        }
        if self.stalls { Poll::Pending } else { Poll::Ready(None) }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(if self.stalls { 1_000 } else { 10 })
    }
}

/// How an upstream that waits for a request for at most a second, or a time limit inside, ends the call.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Responds(u16),
    Breaks(io::ErrorKind),
    /// The time limit of tokio and tower.
    Elapses,
    Never,
}

const GIVES_UP: [Ends; 6] = [
    Ends::Responds(408),
    Ends::Responds(504),
    Ends::Breaks(io::ErrorKind::ConnectionReset),
    Ends::Breaks(io::ErrorKind::UnexpectedEof),
    Ends::Breaks(io::ErrorKind::TimedOut),
    Ends::Elapses,
];

async fn outcome(ends: Ends) -> Result<Response<Empty<Bytes>>, BoxError> {
    match ends {
        Ends::Responds(status) => Ok(Response::builder().status(status).body(Empty::new())?),
        Ends::Breaks(kind) => Err(io::Error::from(kind).into()),
        Ends::Elapses => {
            tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await?;
            unreachable!("it never ends")
        }
        Ends::Never => std::future::pending().await,
    }
}

fn upstream(
    ends: impl Fn() -> Ends + Clone,
) -> impl Service<
    Request<ReplayBody<Upload>>,
    Response = Response<Empty<Bytes>>,
    Error = BoxError,
    Future: Send,
> + Clone {
    service_fn(move |request: Request<ReplayBody<Upload>>| {
        let ends = ends();
        async move {
            drop(tokio::time::timeout(SECOND, request.into_body().collect()).await);
            outcome(ends).await
        }
    })
}

/// How calls with one body each end: whether the response is open, the session, and the circuit.
async fn after(times: usize, stalls: bool, ends: Ends) -> (bool, SessionStatus, CircuitState) {
    let (breaker, classify) = (CircuitBreakerLayer::new(), ErrorClassifyLayer::new());
    let client = ServiceBuilder::new()
        .layer(ReplayBodyLayer::default())
        .layer(FallbackLayer::fail_open(|_| Response::new("open")))
        .layer(breaker.clone())
        .layer(classify.clone())
        .service(upstream(move || ends));
    let mut is_open = false;
    for _ in 0..times {
        let ended = client.clone().oneshot(upload(stalls)).await;
        is_open |= ended.is_ok_and(|ended| ended.extensions().get::<Degraded>().is_some());
    }
    (is_open, classify.status(), state(&breaker))
}

fn state(layer: &CircuitBreakerLayer) -> CircuitState {
    let snapshot = layer.handle().snapshot();
    snapshot.first().map_or(CircuitState::Closed, |circuit| circuit.state())
}

#[tokio::test(start_paused = true)]
async fn a_stalled_upload_neither_fails_open_nor_counts() {
    for ends in GIVES_UP {
        let (is_open, session, circuit) = after(20, true, ends).await;
        assert!(!is_open, "{ends:?}");
        assert_eq!(session.get(), AuthStatus::Unknown, "{ends:?}");
        assert_eq!(circuit, CircuitState::Closed, "{ends:?}");
    }
}

/// Its negative.
#[tokio::test(start_paused = true)]
async fn an_upload_that_was_read_fails_open_and_counts() {
    for ends in &GIVES_UP[1..] {
        let (is_open, session, circuit) = after(5, false, *ends).await;
        assert!(is_open, "{ends:?}");
        assert_eq!(session.get(), AuthStatus::Degraded, "{ends:?}");
        assert_eq!(circuit, CircuitState::Open, "{ends:?}");
    }
    // An upstream that fails in some other way fails, however slow the caller is.
    let (is_open, session, circuit) = after(5, true, Ends::Responds(503)).await;
    assert!(is_open);
    assert_eq!((session.get(), circuit), (AuthStatus::Degraded, CircuitState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_during_an_upload_says_nothing_of_the_upstream() {
    for (stalls, expected) in [(true, CircuitState::Closed), (false, CircuitState::Open)] {
        let breaker = CircuitBreakerLayer::new();
        let client = ServiceBuilder::new()
            .layer(ReplayBodyLayer::default())
            .layer(TimeoutLayer::new(2 * SECOND))
            .layer(breaker.clone())
            .service(upstream(|| Ends::Never));
        for _ in 0..5 {
            assert!(client.clone().oneshot(upload(stalls)).await.is_err());
        }
        assert_eq!(state(&breaker), expected, "stalls: {stalls}");
    }
}

/// A client whose circuit is open, and whose upstream is back, except that it waits for uploads.
async fn open_circuit() -> (
    CircuitBreakerLayer,
    impl Service<Request<Upload>, Response = Response<Empty<Bytes>>, Error = BoxError> + Clone,
) {
    let breaker = CircuitBreakerLayer::new();
    let failing =
        ReplayBodyLayer::default().layer(breaker.clone().layer(upstream(|| Ends::Responds(503))));
    for _ in 0..5 {
        assert_eq!(failing.clone().oneshot(upload(false)).await.unwrap().status(), 503);
    }
    assert_eq!(state(&breaker), CircuitState::Open);
    tokio::time::sleep(SECOND * 11 / 2).await;
    let service = service_fn(async |request: Request<ReplayBody<Upload>>| {
        request.into_body().collect().await?;
        Ok::<_, BoxError>(Response::new(Empty::new()))
    });
    let client = ReplayBodyLayer::default().layer(breaker.clone().layer(service));
    (breaker, client)
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_upload_stalls_makes_room_for_the_next_after_a_second() {
    let (breaker, client) = open_circuit().await;
    let mut stalled = tokio_test::task::spawn(client.clone().oneshot(upload(true)));
    assert!(stalled.poll().is_pending());
    assert!(client.clone().oneshot(upload(false)).await.is_err(), "one request probes");
    tokio::time::sleep(SECOND).await;
    assert_eq!(client.oneshot(upload(false)).await.unwrap().status(), 200);
    assert_eq!(state(&breaker), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn stalled_probes_do_not_keep_a_circuit_open() {
    for patience in [SECOND / 2, 2 * SECOND, 20 * SECOND] {
        let (breaker, client) = open_circuit().await;
        for _ in 0..10 {
            let probe = client.clone().oneshot(upload(true));
            assert!(tokio::time::timeout(patience, probe).await.is_err(), "{patience:?}");
        }
        assert_eq!(client.oneshot(upload(false)).await.unwrap().status(), 200, "{patience:?}");
        assert_eq!(state(&breaker), CircuitState::Closed);
    }
}

/// What the page of the fallback layer says: nothing is known of a body that nobody records.
#[tokio::test(start_paused = true)]
async fn a_stalled_upload_outside_of_a_replay_body_counts_as_the_upstreams() {
    for (ends, is_open) in [(Ends::Responds(408), false), (Ends::Responds(504), true)] {
        let http = service_fn(move |_: Request<Upload>| outcome(ends));
        let client = FallbackLayer::fail_open(|_| Response::new("open")).layer(http);
        let ended = client.oneshot(upload(true)).await.unwrap();
        assert_eq!(ended.extensions().get::<Degraded>().is_some(), is_open, "{ends:?}");
    }
}
