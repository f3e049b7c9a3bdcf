//! What an error means: those of this crate, of tower, of tokio and of `std::io`, and what they are wrapped in.

use std::{error::Error, fmt, future::pending, io, time::Duration};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    BoxError, ErrorClassifyLayer, TimeoutLayer,
    classify::{Classification, ErrorClass},
};

use crate::support::{
    probe::{Body, ProbeError},
    scripted::{get, response, scripted},
};

fn class(error: &(dyn Error + 'static)) -> Option<ErrorClass> {
    let found = Classification::of_error(error)?;
    assert_eq!(found.rate_limit(), None);
    Some(found.class())
}

/// An error around another, as clients make them.
#[derive(Debug)]
struct Wrapper(BoxError);

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request failed")
    }
}

impl Error for Wrapper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[test]
fn io_errors_are_classified_by_kind() {
    use io::ErrorKind as Kind;
    for (kind, expected) in [
        (Kind::ConnectionRefused, Some(ErrorClass::Connect)),
        (Kind::HostUnreachable, Some(ErrorClass::Interrupted)),
        (Kind::NetworkUnreachable, Some(ErrorClass::Interrupted)),
        (Kind::NetworkDown, Some(ErrorClass::Interrupted)),
        (Kind::AddrNotAvailable, Some(ErrorClass::Connect)),
        (Kind::ConnectionReset, Some(ErrorClass::Interrupted)),
        (Kind::ConnectionAborted, Some(ErrorClass::Interrupted)),
        (Kind::BrokenPipe, Some(ErrorClass::Interrupted)),
        (Kind::NotConnected, Some(ErrorClass::Interrupted)),
        (Kind::UnexpectedEof, Some(ErrorClass::Interrupted)),
        (Kind::TimedOut, Some(ErrorClass::Timeout)),
        (Kind::NotFound, None),
        (Kind::PermissionDenied, None),
        (Kind::InvalidData, None),
        (Kind::Other, None),
    ] {
        assert_eq!(class(&io::Error::from(kind)), expected, "{kind}");
    }
}

#[test]
fn an_unknown_error_means_nothing_however_it_is_wrapped() {
    assert_eq!(class(&ProbeError("unknown")), None);
    assert_eq!(class(&Wrapper(ProbeError("unknown").into())), None);
    assert_eq!(class(&io::Error::other(Wrapper(ProbeError("unknown").into()))), None);
}

#[test]
fn an_error_is_found_below_others() {
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    assert_eq!(class(&Wrapper(refused().into())), Some(ErrorClass::Connect));
    assert_eq!(class(&Wrapper(Wrapper(refused().into()).into())), Some(ErrorClass::Connect));
    // `io::Error` hides the error that it was made of from `source()`.
    assert_eq!(class(&io::Error::other(Wrapper(refused().into()))), Some(ErrorClass::Connect));
    // The outer one knows more: what timed out may have been carried out.
    let outer = io::Error::new(io::ErrorKind::TimedOut, refused());
    assert_eq!(class(&outer), Some(ErrorClass::Timeout));
}

#[tokio::test(start_paused = true)]
async fn time_limits_are_time_outs() {
    let hangs = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, BoxError>>());
    let ours = TimeoutLayer::new(Duration::from_secs(1)).layer(hangs);
    let error = ours.oneshot(get("/")).await.map(drop).unwrap_err();
    assert!(error.is::<tower_heed::Error>());
    assert_eq!(class(&*error), Some(ErrorClass::Timeout));
    assert_eq!(class(&Wrapper(error)), Some(ErrorClass::Timeout));

    let towers = tower::timeout::Timeout::new(hangs, Duration::from_secs(1));
    let error = towers.oneshot(get("/")).await.map(drop).unwrap_err();
    assert_eq!(class(&*error), Some(ErrorClass::Timeout));

    let tokios = tokio::time::timeout(Duration::from_secs(1), pending::<()>());
    assert_eq!(class(&tokios.await.unwrap_err()), Some(ErrorClass::Timeout));
}

#[tokio::test]
async fn a_classified_response_keeps_its_classification() {
    let api = scripted(|_| response(429, &[("retry-after", "30")]));
    let api = ErrorClassifyLayer::new().error_for_status().layer(api);
    let error = api.oneshot(get("/")).await.unwrap_err();
    let found = Classification::of_error(&Wrapper(error)).unwrap();
    assert_eq!(found.class(), ErrorClass::RateLimited);
    assert_eq!(found.retry_after(), Some(Duration::from_secs(30)));
    assert_eq!(found.status().unwrap(), 429);
}

/// What tower's own layers say: each through the layer that says it.
#[tokio::test(start_paused = true)]
async fn the_errors_of_towers_layers_have_the_class_of_what_they_mean() {
    use tower::{
        BoxError, Service, ServiceBuilder, buffer::error::Closed,
        limit::GlobalConcurrencyLimitLayer,
    };

    let hangs = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, BoxError>>());
    let second = Duration::from_secs(1);

    let late = ServiceBuilder::new().timeout(second).service(hangs);
    let error = late.oneshot(get("/")).await.unwrap_err();
    assert_eq!(class(&*error), Some(ErrorClass::Timeout));

    #[cfg(feature = "tower-http")]
    {
        let stalls = service_fn(async |_: Request<Body>| {
            let (sender, body) = http_body_util::channel::Channel::<bytes::Bytes>::new(1);
            std::mem::forget(sender);
            Ok::<_, BoxError>(Response::new(body))
        });
        let body = tower_http::timeout::ResponseBodyTimeoutLayer::new(second);
        let response = body.layer(stalls).oneshot(get("/")).await.unwrap();
        let error = http_body_util::BodyExt::collect(response.into_body()).await.unwrap_err();
        assert!(error.is::<tower_http::timeout::TimeoutError>());
        assert_eq!(class(&*error), Some(ErrorClass::Timeout));
    }

    // The second call has no permit.
    let shed = ServiceBuilder::new().load_shed().concurrency_limit(1).service(hangs);
    let mut first = tokio_test::task::spawn(shed.clone().oneshot(get("/")));
    assert!(first.poll().is_pending());
    let error = shed.clone().oneshot(get("/")).await.unwrap_err();
    assert_eq!(class(&*error), Some(ErrorClass::Throttled));
    // By itself it only waits.
    let limited = ServiceBuilder::new()
        .layer(TimeoutLayer::new(second))
        .layer(GlobalConcurrencyLimitLayer::new(0))
        .service(hangs);
    let error = limited.oneshot(get("/")).await.unwrap_err();
    assert_eq!(class(&*error), Some(ErrorClass::Throttled));

    // A buffer keeps the error of the service inside, and gives it to all later callers.
    let mut refused = ServiceBuilder::new()
        .buffer(1)
        .service(NeverReady(|| io::Error::from(io::ErrorKind::ConnectionRefused)));
    for _ in 0..2 {
        let error = match refused.ready().await {
            Ok(ready) => ready.call(get("/")).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(class(&*error), Some(ErrorClass::Connect), "{error:?}");
    }
    // Its worker has gone with its runtime: that is neither the server's failure nor one that passes.
    let closed = closed().await;
    assert!(closed.is::<Closed>());
    assert_eq!(class(&*closed), None);
}

/// The error of a buffer without a worker.
async fn closed() -> BoxError {
    let (mut buffer, worker) =
        tower::buffer::Buffer::pair(NeverReady(|| io::ErrorKind::Other.into()), 1);
    drop(worker);
    buffer.ready().await.map(drop).unwrap_err()
}

/// A service whose readiness fails for good.
struct NeverReady(fn() -> io::Error);

impl tower::Service<Request<Body>> for NeverReady {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Response<Body>>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Err((self.0)()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        std::future::ready(Err((self.0)()))
    }
}
