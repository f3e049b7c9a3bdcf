//! Calls that are dropped at any point.

use std::convert::Infallible;

use tower::service_fn;

use super::*;
use crate::body::script::{Script, Step};

/// A server that responds after some polls, with a body in this many frames.
fn in_pieces(
    pieces: usize,
    requests: &Arc<AtomicUsize>,
) -> impl Service<Request<Body>, Response = Response<Script>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ use<> {
    let requests = Arc::clone(requests);
    service_fn(move |_: Request<Body>| {
        requests.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            let piece = [Step::Pause, Step::Data(Bytes::from_static(b"x"))];
            Ok(Response::new(Script::new(std::iter::repeat_n(piece, pieces).flatten())))
        }
    })
}

/// Before its first poll, while it waits for the head, while the body arrives, and after its end.
#[tokio::test(start_paused = true)]
async fn a_leader_can_be_dropped_at_any_point_and_its_follower_gets_the_response() {
    for polls in 0..12 {
        let requests = Arc::default();
        let client = layer().layer(in_pieces(4, &requests));
        let (mut leader, mut follower) = (client.clone(), client.clone());
        let mut call = tokio_test::task::spawn(leader.ready().await.unwrap().call(get("/users/1")));
        let waits = tokio::spawn(follower.ready().await.unwrap().call(get("/users/1")));
        for _ in 0..polls {
            if call.poll().is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        let got = read(waits.await.unwrap().unwrap()).await.unwrap();
        assert_eq!((got.body.as_str(), requests.load(Ordering::SeqCst)), ("xxxx", 1), "{polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_polled_is_sent_and_its_response_is_stored() {
    let api = Api::new();
    let mut client = client(&layer(), &api);
    drop(client.ready().await.unwrap().call(get("/users/1")));
    tokio::task::yield_now().await;
    assert_eq!((text(&mut client, "/users/1").await.as_str(), api.requests()), ("/users/1 1", 1));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_shared_is_dropped_with_its_leader() {
    let requests = Arc::default();
    let client = with(|config| config.max_body_bytes(2)).layer(in_pieces(4, &requests));
    let (mut leader, mut follower) = (client.clone(), client.clone());
    let call = leader.ready().await.unwrap().call(get("/users/1"));
    let waits = tokio::spawn(follower.ready().await.unwrap().call(get("/users/1")));
    tokio::task::yield_now().await;
    drop(call);
    let got = read(waits.await.unwrap().unwrap()).await.unwrap();
    assert_eq!((got.body.as_str(), requests.load(Ordering::SeqCst)), ("xxxx", 2));
}

#[tokio::test(start_paused = true)]
async fn a_follower_can_be_dropped_at_any_point() {
    for polls in 0..12 {
        let requests = Arc::default();
        let client = layer().layer(in_pieces(4, &requests));
        let (mut leader, mut follower) = (client.clone(), client.clone());
        let leads = tokio::spawn(leader.ready().await.unwrap().call(get("/users/1")));
        let mut call =
            tokio_test::task::spawn(follower.ready().await.unwrap().call(get("/users/1")));
        for _ in 0..polls {
            if call.poll().is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        let got = read(leads.await.unwrap().unwrap()).await.unwrap();
        assert_eq!((got.body.as_str(), requests.load(Ordering::SeqCst)), ("xxxx", 1), "{polls}");
    }
}

#[test]
#[should_panic(expected = "timers")]
fn a_runtime_without_timers_panics() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut client = client(&layer(), &Api::new());
    drop(runtime.block_on(async { client.ready().await?.call(get("/users/1")).await }));
}
