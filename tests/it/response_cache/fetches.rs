//! Single flight.

use tower_heed::classify::{Classification, ErrorClass, ResponseHead};

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_concurrent_requests_make_one_fetch() {
    let api = Api::new().taking(SECOND);
    let layer = layer();
    let client = client(&layer, &api);
    let calls: Vec<_> = (0..10_000)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { text(&mut client, "/users/1").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "/users/1 1");
    }
    assert_eq!(api.requests(), 1);
    let seen = layer.handle().snapshot();
    assert_eq!((seen.misses(), seen.shared(), seen.hits(), seen.stale()), (1, 9_999, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_on_many_threads_make_one_fetch() {
    for round in 0..20 {
        let api = Api::new();
        let client = client(&layer(), &api);
        let calls: Vec<_> = (0..200)
            .map(|_| {
                let mut client = client.clone();
                tokio::spawn(async move { text(&mut client, "/users/1").await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), "/users/1 1");
        }
        assert_eq!(api.requests(), 1, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_outlives_its_leader() {
    let api = Api::new().taking(SECOND);
    let client = client(&layer(), &api);
    let leader = spawn(&client, get("/users/1")).await;
    let follower = spawn(&client, get("/users/1")).await;
    leader.abort();
    assert_eq!(follower.await.unwrap().unwrap().body, "/users/1 1");
    // Without any caller left, the response is stored.
    spawn(&client, get("/users/2")).await.abort();
    sleep(2 * SECOND).await;
    assert_eq!(text(&mut client.clone(), "/users/2").await, "/users/2 2");
    assert_eq!(api.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_fetch_alone() {
    let api = Api::new().taking(SECOND);
    api.becomes(|_| panic!("in the client"));
    let client = client(&layer(), &api);
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(spawn(&client, get("/users/1")).await);
    }
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(is_fetch_failed(&error));
    }
    assert_eq!(api.requests(), 1);
    api.responds(200, &[]);
    assert_eq!(send(&mut client.clone(), get("/users/1")).await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_classifier_fails_the_fetch() {
    let api = Api::new().taking(SECOND);
    api.responds(503, &[]);
    let panics = |_: &ResponseHead<'_>| -> Option<ErrorClass> { panic!("in the classifier") };
    let client = client(&layer().classifier(panics), &api);
    let calls = [spawn(&client, get("/users/1")).await, spawn(&client, get("/users/1")).await];
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(is_fetch_failed(&error));
    }
    assert_eq!(api.requests(), 1);
}

/// A failed fetch is not repeated by each of its waiters.
#[tokio::test(start_paused = true)]
async fn waiters_share_an_error() {
    let api = Api::new().taking(SECOND);
    api.becomes(|_| Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()));
    let client = client(&layer(), &api);
    let mut calls = Vec::new();
    for _ in 0..1_000 {
        calls.push(spawn(&client, get("/users/1")).await);
    }
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        let class = Classification::of_error(error.as_ref()).map(|failure| failure.class());
        assert_eq!(class, Some(ErrorClass::Interrupted));
        assert_eq!(
            find::<std::io::Error>(error.as_ref()).unwrap().kind(),
            std::io::ErrorKind::ConnectionReset
        );
    }
    assert_eq!(api.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_share_a_failing_response_with_its_header_fields() {
    let api = Api::new().taking(SECOND);
    api.responds(429, &[("retry-after", "7")]);
    let client = client(&layer(), &api);
    let mut calls = Vec::new();
    for _ in 0..100 {
        let mut client = client.clone();
        calls.push(tokio::spawn(async move { client.ready().await?.call(get("/users/1")).await }));
    }
    for call in calls {
        let response: CallResult = call.await.unwrap();
        let response = response.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"7".parse().unwrap())
        );
    }
    assert_eq!(api.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_for_a_response_that_cannot_be_stored_send_at_once_and_later_requests_do_not_wait()
{
    let api = Api::new().taking(SECOND);
    let requests = Arc::clone(&api.requests);
    api.becomes(move |_| {
        let mut response = Response::new(full(&requests.load(Ordering::SeqCst).to_string()));
        response.headers_mut().insert("cache-control", "no-store".parse().unwrap());
        Ok(response)
    });
    let client = client(&layer(), &api);
    let begun = tokio::time::Instant::now();
    let mut calls = Vec::new();
    for _ in 0..10 {
        calls.push(spawn(&client, get("/users/1")).await);
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status, 200);
    }
    assert_eq!((api.requests(), (tokio::time::Instant::now() - begun).as_secs()), (10, 2));
    let begun = tokio::time::Instant::now();
    let (one, other) =
        (spawn(&client, get("/users/1")).await, spawn(&client, get("/users/1")).await);
    assert!(one.await.unwrap().is_ok() && other.await.unwrap().is_ok());
    assert_eq!((tokio::time::Instant::now() - begun).as_secs(), 1);
    // After a minute a fetch is tried again.
    advance(61 * SECOND).await;
    api.responds(200, &[]);
    spawn(&client, get("/users/1")).await.await.unwrap().unwrap();
    let sent = api.requests();
    text(&mut client.clone(), "/users/1").await;
    assert_eq!(api.requests(), sent);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_times_out() {
    let api = Api::new().taking(3_600 * SECOND);
    let layer = layer().fetch_timeout(5 * SECOND);
    let mut client = client(&layer, &api);
    let begun = tokio::time::Instant::now();
    let error = send(&mut client, get("/users/1")).await.unwrap_err();
    assert_eq!((tokio::time::Instant::now() - begun).as_secs(), 5);
    let class = Classification::of_error(error.as_ref()).map(|failure| failure.class());
    assert_eq!(class, Some(ErrorClass::Timeout));
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap()
}

#[test]
fn a_fetch_whose_runtime_is_dropped_is_repeated() {
    let api = Api::new().taking(SECOND);
    let client = client(&layer(), &api);
    let (first, second) = (runtime(), runtime());
    first.block_on(async { drop(spawn(&client, get("/users/1")).await) });
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(second.block_on(spawn(&client, get("/users/1"))));
    }
    drop(first);
    for call in waiting {
        assert_eq!(second.block_on(call).unwrap().unwrap().body, "/users/1 2");
    }
    assert_eq!(api.requests(), 2, "one waiter begins another fetch for all");
}

/// Otherwise its waiters, and its leader on another runtime, would wait forever.
#[test]
fn a_fetch_whose_runtime_is_not_driven_is_repeated() {
    let api = Api::new().taking(SECOND);
    let client = client(&layer(), &api);
    let (first, second) = (runtime(), runtime());
    let mut leading = client.clone();
    let leader = {
        let _runtime = first.enter();
        leading.call(get("/users/1"))
    };
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(second.block_on(spawn(&client, get("/users/1"))));
    }
    second.block_on(async {
        let limit = |call| tokio::time::timeout(40 * SECOND, call);
        for call in waiting {
            assert_eq!(limit(call).await.unwrap().unwrap().unwrap().body, "/users/1 2");
        }
        assert_eq!(api.requests(), 2, "one waiter begins another fetch for all");
        let error = tokio::time::timeout(40 * SECOND, leader).await.unwrap().unwrap_err();
        assert!(is_fetch_failed(&error));
    });
}

/// One caller takes a substitute for the server's response, and another asks for none.
#[tokio::test(start_paused = true)]
async fn a_response_that_failed_open_is_for_its_own_caller() {
    use tower_heed::{FallbackLayer, extensions::Degraded, fallback::OnFailure};

    let api = Api::scripted(|_| Ok(response(503, &[]))).taking(SECOND);
    let fallback = FallbackLayer::fail_open(|_| Response::new("ALLOWED"));
    let client = layer().layer(fallback.layer(api.clone()));
    let mut closed = get("/users/1");
    closed.extensions_mut().insert(OnFailure::fail_closed());
    let (open, closed, later) = tokio::join!(
        client.clone().oneshot(get("/users/1")),
        client.clone().oneshot(closed.clone()),
        async {
            sleep(5 * SECOND).await;
            client.clone().oneshot(closed.clone()).await
        },
    );
    assert!(open.unwrap().extensions().get::<Degraded>().is_some());
    assert!(closed.is_err(), "it joined the fetch");
    assert!(later.is_err(), "nothing was stored");
    assert_eq!(api.requests(), 3);
}
