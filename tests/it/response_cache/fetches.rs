//! One request for all who want the same.

use tower_heed::classify::{Classification, ErrorClass, ResponseHead};

use super::*;

#[tokio::test(start_paused = true)]
async fn ten_thousand_readers_of_a_cold_profile_make_one_request() {
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
    assert_eq!(api.sends(), 1);
    let seen = layer.handle().snapshot();
    assert_eq!((seen.misses(), seen.shared(), seen.hits(), seen.stale()), (1, 9_999, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_make_one_request() {
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
        assert_eq!(api.sends(), 1, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_who_began_it_can_go() {
    let api = Api::new().taking(SECOND);
    let client = client(&layer(), &api);
    let leader = spawn(&client, get("/users/1")).await;
    let follower = spawn(&client, get("/users/1")).await;
    leader.abort();
    assert_eq!(follower.await.unwrap().unwrap().body, "/users/1 1");
    // If all have gone, it is kept for those who come.
    spawn(&client, get("/users/2")).await.abort();
    sleep(2 * SECOND).await;
    assert_eq!(text(&mut client.clone(), "/users/2").await, "/users/2 2");
    assert_eq!(api.sends(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_hurts_nobody_for_longer_than_its_flight() {
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
    assert_eq!(api.sends(), 1);
    api.answers(200, &[]);
    assert_eq!(send(&mut client.clone(), get("/users/1")).await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_fails_the_flight() {
    let api = Api::new().taking(SECOND);
    api.answers(503, &[]);
    let panics = |_: &ResponseHead<'_>| -> Option<ErrorClass> { panic!("in the classifier") };
    let client = client(&layer().classifier(panics), &api);
    let calls = [spawn(&client, get("/users/1")).await, spawn(&client, get("/users/1")).await];
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(is_fetch_failed(&error));
    }
    assert_eq!(api.sends(), 1);
}

/// No herd of thousands behind a request that fails, one after the other or all at once.
#[tokio::test(start_paused = true)]
async fn those_who_wait_share_the_failure() {
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
    assert_eq!(api.sends(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_a_refusal_with_all_that_it_says() {
    let api = Api::new().taking(SECOND);
    api.answers(429, &[("retry-after", "7")]);
    let client = client(&layer(), &api);
    let mut calls = Vec::new();
    for _ in 0..100 {
        let mut client = client.clone();
        calls.push(tokio::spawn(async move { client.ready().await?.call(get("/users/1")).await }));
    }
    for call in calls {
        let response: Answered = call.await.unwrap();
        let response = response.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"7".parse().unwrap())
        );
    }
    assert_eq!(api.sends(), 1);
}

/// What is for one alone is not given to others, and they do not wait for it in turns.
#[tokio::test(start_paused = true)]
async fn those_who_waited_for_what_is_not_kept_send_at_once_and_the_next_do_not_wait() {
    let api = Api::new().taking(SECOND);
    let sends = Arc::clone(&api.sends);
    api.becomes(move |_| {
        let mut response = Response::new(full(&sends.load(Ordering::SeqCst).to_string()));
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
    assert_eq!((api.sends(), (tokio::time::Instant::now() - begun).as_secs()), (10, 2));
    let begun = tokio::time::Instant::now();
    let (one, other) =
        (spawn(&client, get("/users/1")).await, spawn(&client, get("/users/1")).await);
    assert!(one.await.unwrap().is_ok() && other.await.unwrap().is_ok());
    assert_eq!((tokio::time::Instant::now() - begun).as_secs(), 1);
    // After a minute one goes ahead again, to see.
    advance(61 * SECOND).await;
    api.answers(200, &[]);
    spawn(&client, get("/users/1")).await.await.unwrap().unwrap();
    let sent = api.sends();
    text(&mut client.clone(), "/users/1").await;
    assert_eq!(api.sends(), sent);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_given_up() {
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
fn a_runtime_that_is_gone_keeps_nobody_waiting() {
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
    assert_eq!(api.sends(), 2, "one begins another for all");
}

/// Those who followed such a flight waited without end, and so did its leader on another runtime.
#[test]
fn a_runtime_that_nobody_drives_keeps_nobody_waiting() {
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
        assert_eq!(api.sends(), 2, "one begins another for all");
        let error = tokio::time::timeout(40 * SECOND, leader).await.unwrap().unwrap_err();
        assert!(is_fetch_failed(&error));
    });
}
