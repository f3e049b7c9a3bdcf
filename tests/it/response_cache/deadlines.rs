//! The deadline of a fetch, and those of its waiters.

use tokio::time::Instant;
use tower_heed::{
    TimeoutLayer,
    classify::{Classification, ErrorClass},
    extensions::Deadline,
};

use super::*;

fn until(span: Duration) -> Request<Body> {
    let mut request = get("/users/1");
    request.extensions_mut().insert(Deadline::at(Instant::now() + span));
    request
}

/// A server that responds with the seconds until the deadline that reaches it.
fn echo() -> Api {
    Api::scripted(|request| {
        let deadline = Deadline::of(request).expect("a fetch has a deadline");
        Ok(Response::new(full(&deadline.remaining(Instant::now()).as_secs().to_string())))
    })
}

#[tokio::test(start_paused = true)]
async fn a_fetch_has_the_deadline_of_the_call_that_began_it() {
    let api = echo();
    let mut client = client(&layer(), &api);
    assert_eq!(send(&mut client, until(7 * SECOND)).await.unwrap().body, "7");
    let no_cache = with_headers("/users/2", &[("cache-control", "no-cache")]);
    assert_eq!(send(&mut client, no_cache).await.unwrap().body, "30");

    // The deadline of an outer `TimeoutLayer` counts as well.
    let mut limited = TimeoutLayer::new(5 * SECOND).layer(client);
    let response = limited.ready().await.unwrap().call(get("/users/3")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "5");
}

/// It continues in the background of the stale response.
#[tokio::test(start_paused = true)]
async fn a_refresh_has_its_own_deadline() {
    let api = echo();
    let layer = layer();
    let mut client = client(&layer, &api);
    send(&mut client, get("/users/1")).await.unwrap();
    advance(60 * SECOND).await;
    let mut slow = super::client(&layer, &api.clone().taking(3 * SECOND));
    let begun = Instant::now();
    let got = send(&mut slow, until(SECOND)).await.unwrap();
    assert_eq!(
        (got.stale.unwrap().class(), Instant::now() - begun),
        (ErrorClass::Timeout, SECOND / 2)
    );
    sleep(3 * SECOND).await;
    let got = send(&mut client, get("/users/1")).await.unwrap();
    assert_eq!((got.body.as_str(), got.stale), ("27", None));
}

#[tokio::test(start_paused = true)]
async fn each_call_waits_until_its_own_deadline() {
    let api = Api::new().taking(20 * SECOND);
    let client = client(&layer(), &api);
    let patient = spawn(&client, get("/users/1")).await;
    let hasty = spawn(&client, until(2 * SECOND)).await;
    let begun = Instant::now();
    let error = hasty.await.unwrap().unwrap_err();
    assert_eq!(Instant::now() - begun, 2 * SECOND);
    let kind = find::<Error>(error.as_ref()).unwrap().kind();
    assert!(matches!(kind, ErrorKind::Timeout { limit, .. } if *limit == 2 * SECOND), "{kind:?}");
    assert_eq!(patient.await.unwrap().unwrap().body, "/users/1 1");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_cut_short_by_its_leader_is_repeated_for_calls_with_more_time() {
    let api = Api::new().taking(5 * SECOND);
    let client = client(&layer(), &api);
    let hasty = spawn(&client, until(2 * SECOND)).await;
    let mut patient = Vec::new();
    for _ in 0..100 {
        patient.push(spawn(&client, until(20 * SECOND)).await);
    }
    let error = hasty.await.unwrap().unwrap_err();
    let class = Classification::of_error(error.as_ref()).map(|failure| failure.class());
    assert_eq!(class, Some(ErrorClass::Timeout));
    for call in patient {
        assert_eq!(call.await.unwrap().unwrap().body, "/users/1 2");
    }
    assert_eq!(api.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_cut_short_is_repeated_once() {
    let api = Api::new().taking(60 * SECOND);
    let client = client(&layer(), &api);
    let mut calls = Vec::new();
    for seconds in 1..=20 {
        calls.push(spawn(&client, until(seconds * SECOND)).await);
    }
    for call in calls {
        assert!(call.await.unwrap().is_err());
    }
    assert!(api.requests() <= 3, "{} requests", api.requests());
}
