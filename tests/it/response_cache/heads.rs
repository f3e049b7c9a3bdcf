//! What the head of a response says, before its body is read.

use std::convert::Infallible;

use http_body_util::channel::{Channel, Sender};
use tower::service_fn;

use super::*;

type Stream = Channel<Bytes, BoxError>;
/// The ends from which the bodies of a server's responses come, in the order of its requests.
type Senders = Arc<Mutex<Vec<Sender<Bytes, BoxError>>>>;

/// A server whose bodies are sent by the test.
fn streams(
    headers: &'static [(&'static str, &'static str)],
    senders: &Senders,
) -> impl Service<Request<Body>, Response = Response<Stream>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<> {
    let senders = Arc::clone(senders);
    service_fn(move |_: Request<Body>| {
        let (sender, body) = Channel::new(8);
        senders.lock().unwrap().push(sender);
        let (head, _) = response(200, headers).into_parts();
        async move {
            sleep(SECOND / 10).await;
            Ok(Response::from_parts(head, body))
        }
    })
}

async fn chunk(body: &mut CacheBody<Stream>) -> Bytes {
    let frame = tokio::time::timeout(SECOND, body.frame()).await.expect("arrives at once");
    frame.unwrap().unwrap().into_data().unwrap()
}

fn sender(senders: &Senders, index: usize) -> Sender<Bytes, BoxError> {
    std::mem::replace(&mut senders.lock().unwrap()[index], Channel::new(1).0)
}

/// For each of these the caller gets the head at once, and then each part of the body as it is sent.
#[tokio::test(start_paused = true)]
async fn what_is_not_stored_by_its_head_is_not_read_before_its_caller_reads_it() {
    for headers in [
        &[("content-type", "text/event-stream")] as &'static [_],
        &[("content-type", "Text/Event-Stream; charset=utf-8"), ("cache-control", "max-age=9")],
        &[("content-type", "application/x-ndjson")],
        &[("content-type", "application/json;stream=watch")],
        &[("content-type", "application/json; stream=watch")],
        &[("content-type", "application/grpc+proto")],
        &[("content-type", "multipart/x-mixed-replace; boundary=x")],
        &[("x-accel-buffering", "no")],
        &[("cache-control", "no-store")],
        &[("cache-control", "private, No-Store")],
        &[("cache-control", "no-cache")],
        &[("cache-control", "max-age=0")],
        &[("set-cookie", "sid=1")],
        &[("vary", "*")],
        &[("vary", "a b")],
        &[("content-length", "1000000")],
    ] {
        let senders = Senders::default();
        let mut client = layer().layer(streams(headers, &senders));
        let begun = tokio::time::Instant::now();
        let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
        assert!(tokio::time::Instant::now() - begun < SECOND, "{headers:?}");
        let (mut sender, mut body) = (sender(&senders, 0), response.into_body());
        for event in ["data: 1", "data: 2"] {
            sender.send_data(event.into()).await.unwrap();
            assert_eq!(chunk(&mut body).await, event, "{headers:?}");
            sleep(3_600 * SECOND).await;
        }
        drop(sender);
        assert!(body.frame().await.is_none());
    }
}

/// Not one after the other, and not through another fetch.
#[tokio::test(start_paused = true)]
async fn callers_who_waited_for_a_stream_open_their_own_at_once() {
    let senders = Senders::default();
    let client = layer().layer(streams(&[("content-type", "text/event-stream")], &senders));
    let begun = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for _ in 0..100 {
        let mut client = client.clone();
        calls.push(tokio::spawn(async move { client.ready().await?.call(get("/users/1")).await }));
        tokio::task::yield_now().await;
    }
    sleep(SECOND / 2).await;
    let mut all: Vec<_> = (0..100).map(|index| sender(&senders, index)).collect();
    for sender in &mut all {
        sender.send_data("event".into()).await.unwrap();
    }
    for call in calls {
        let mut body = call.await.unwrap().unwrap().into_body();
        assert_eq!(chunk(&mut body).await, "event");
    }
    assert!(
        tokio::time::Instant::now() - begun < SECOND,
        "{:?}",
        tokio::time::Instant::now() - begun
    );
    assert_eq!(senders.lock().unwrap().len(), 100);
}

/// A long poll, or a stream that does not say so.
#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_that_goes_on_reaches_its_caller() {
    let senders = Senders::default();
    let layer = layer();
    let mut client = layer.layer(streams(&[("content-type", "application/json")], &senders));
    let begun = tokio::time::Instant::now();
    let sends = async {
        sleep(SECOND).await;
        let mut sender = sender(&senders, 0);
        sender.send_data("early".into()).await.unwrap();
        sender
    };
    let call = client.ready().await.unwrap().call(get("/users/1"));
    let (response, mut sender) = tokio::join!(call, sends);
    let mut body = response.unwrap().into_body();
    assert!(
        tokio::time::Instant::now() - begun < 6 * SECOND,
        "{:?}",
        tokio::time::Instant::now() - begun
    );
    assert_eq!(chunk(&mut body).await, "early");
    sender.send_data("late".into()).await.unwrap();
    assert_eq!(chunk(&mut body).await, "late");
}

/// It is slow and not a stream: one request for all.
#[tokio::test(start_paused = true)]
async fn a_slow_body_of_known_length_is_stored() {
    let api = service_fn(|_: Request<Body>| async {
        let (mut sender, body) = Channel::<Bytes, BoxError>::new(8);
        tokio::spawn(async move {
            for letter in ["a", "b", "c"] {
                sleep(8 * SECOND).await;
                sender.send_data(letter.into()).await.unwrap();
            }
        });
        let (head, ()) = Response::new(()).into_parts();
        Ok::<_, Infallible>(Response::from_parts(head, Sized(body, 3)))
    });
    let layer = layer();
    let mut client = layer.layer(api);
    for _ in 0..2 {
        let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "abc");
    }
    assert_eq!(layer.handle().snapshot().misses(), 1);
}

/// A stream with an announced length.
struct Sized(Stream, u64);

impl http_body::Body for Sized {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.1)
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_in_flight_hold_a_bounded_number_of_bytes_and_the_rest_pass_through() {
    let senders = Senders::default();
    let layer = with(|config| config.max_body_bytes(1 << 20));
    let client = layer.layer(streams(&[], &senders));
    let mut calls = Vec::new();
    for user in 0..40 {
        let mut client = client.clone();
        let request = get(&format!("/users/{user}"));
        calls.push(tokio::spawn(async move { client.ready().await?.call(request).await }));
    }
    sleep(SECOND).await;
    let kib = Bytes::from(vec![b'x'; 512 << 10]);
    let mut sending = Vec::new();
    for index in 0..40 {
        let mut sender = sender(&senders, index);
        sender.send_data(kib.clone()).await.unwrap();
        sending.push(sender);
    }
    sleep(SECOND).await;
    let passed = calls.iter().filter(|call| call.is_finished()).count();
    assert!((20..=30).contains(&passed), "{passed} of 40");
    drop(sending);
    for call in calls {
        let body = call.await.unwrap().unwrap().into_body();
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 512 << 10);
    }
    // There is room again.
    let mut client = client.clone();
    let call = client.ready().await.unwrap().call(get("/users/last"));
    let sends = async {
        sleep(SECOND).await;
        let mut sender = sender(&senders, 40);
        sender.send_data(kib.clone()).await.unwrap();
    };
    let (response, ()) = tokio::join!(call, sends);
    response.unwrap();
    assert!(layer.handle().snapshot().entries() > 10);
}

/// The deadline of a fetch is for its waiters, and ends no body that is passed on.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_passed_on_outlives_the_fetch_also_with_a_timeout_inside() {
    use tower::ServiceBuilder;
    use tower_heed::{TimeoutLayer, extensions::Deadline};

    let senders = Senders::default();
    let api = streams(&[("content-type", "text/event-stream")], &senders);
    let inside = TimeoutLayer::new(3_600 * SECOND);
    let mut client = ServiceBuilder::new().layer(layer()).layer(inside).service(api);
    let mut request = get("/users/1");
    request.extensions_mut().insert(Deadline::at(tokio::time::Instant::now() + 5 * SECOND));
    let mut body = client.ready().await.unwrap().call(request).await.unwrap().into_body();
    let mut sender = sender(&senders, 0);
    for _ in 0..50 {
        sleep(60 * SECOND).await;
        sender.send_data("event".into()).await.unwrap();
        let frame = tokio::time::timeout(SECOND, body.frame()).await.expect("arrives at once");
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "event");
    }
}
