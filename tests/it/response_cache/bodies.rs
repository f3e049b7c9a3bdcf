//! Bodies that are stored, that are too long, and that break off.

use std::convert::Infallible;

use http::HeaderMap;
use http_body::Body as _;
use tower::service_fn;

use super::*;
use crate::body::script::{Script, Step};

type Read = Result<(String, Option<HeaderMap>), String>;

/// What two successive requests read of a body, and how many of them were sent.
async fn twice(
    layer: &ResponseCacheLayer,
    body: impl Fn() -> Script + Clone + Send + 'static,
) -> ([Read; 2], usize) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let api = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        let body = body();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let mut client = layer.layer(api);
    let got = [read(&mut client).await, read(&mut client).await];
    (got, requests.load(Ordering::SeqCst))
}

async fn read<S>(client: &mut S) -> Read
where
    S: Service<Request<Body>, Response = Response<CacheBody<Script>>, Error = BoxError>,
{
    let response = client.ready().await.map_err(text)?.call(get("/users/1")).await.map_err(text)?;
    let body = response.into_body().collect().await.map_err(text)?;
    let trailers = body.trailers().cloned();
    let bytes = body.to_bytes();
    Ok((String::from_utf8(bytes.into()).unwrap(), trailers))
}

#[allow(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn text(error: BoxError) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn plain(text: &str) -> Read {
    Ok((text.to_owned(), None))
}

#[tokio::test(start_paused = true)]
async fn a_body_in_several_frames_is_stored_with_its_trailers() {
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
    let sent = trailers.clone();
    let (got, requests) = twice(&layer(), move || {
        let data = |text: &'static str| Step::Data(Bytes::from_static(text.as_bytes()));
        Script::new([data("ab"), Step::Pause, data(""), data("cd"), Step::Trailers(sent.clone())])
    })
    .await;
    let whole = Ok(("abcd".to_owned(), Some(trailers)));
    assert_eq!((got, requests), ([whole.clone(), whole], 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_the_maximum_length_is_stored_and_a_longer_one_passes_through() {
    let layer = with(|config| config.max_body_bytes(8));
    let of = |chunks: &'static [&'static str]| move || Script::of_data(chunks.iter().copied());
    let (got, requests) = twice(&layer, of(&["abcd", "efgh"])).await;
    assert_eq!((got, requests), ([plain("abcdefgh"), plain("abcdefgh")], 1));
    let longer: [(&[&str], &str); 4] = [
        (&["abcd", "efghi"], "abcdefghi"),
        (&["abcdefgh", "i", "j"], "abcdefghij"),
        (&["abcdefghij"], "abcdefghij"),
        (&["abcdefghij", "k"], "abcdefghijk"),
    ];
    for (chunks, whole) in longer {
        let layer = with(|config| config.max_body_bytes(8));
        let (got, requests) = twice(&layer, of(chunks)).await;
        assert_eq!((got, requests), ([plain(whole), plain(whole)], 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_announces_too_great_a_length_passes_through_unread() {
    let layer = with(|config| config.max_body_bytes(8));
    let script = Script::of_data(["abcdefghi"]).promising(9);
    let polls = script.polls();
    let script = Arc::new(Mutex::new(Some(script)));
    let api = service_fn(move |_: Request<Body>| {
        let body = script.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let mut client = layer.layer(api);
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!((polls.load(Ordering::SeqCst), response.body().size_hint().exact()), (0, Some(9)));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "abcdefghi");
}

/// The fetch reads all of it anyway, so its callers need not know.
#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_fetched_once_more() {
    for broken in [
        Script::new([Step::Data(Bytes::from_static(b"half")), Step::Fail("the connection broke")]),
        // Ended before its length, and without an error.
        Script::of_data(["half"]).promising(8),
    ] {
        let mut first = Some(broken);
        let bodies =
            Arc::new(Mutex::new(move || first.take().unwrap_or(Script::of_data(["whole"]))));
        let (got, requests) = twice(&layer(), move || bodies.lock().unwrap()()).await;
        assert_eq!((got, requests), ([plain("whole"), plain("whole")], 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_twice_is_a_failure_and_is_not_stored() {
    let broken = || {
        Script::new([Step::Data(Bytes::from_static(b"half")), Step::Fail("the connection broke")])
    };
    let (got, requests) = twice(&layer(), broken).await;
    let error = Err("the connection broke".to_owned());
    assert_eq!((got, requests), ([error.clone(), error], 4));
    // It is passed on as it is, and the next request passes through.
    let (got, requests) = twice(&layer(), || Script::of_data(["half"]).promising(8)).await;
    assert_eq!((got, requests), ([plain("half"), plain("half")], 3));
}

/// Each attempt has the deadline of the fetch, and its time is not begun anew.
#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_is_not_fetched_again() {
    let hangs = || Script::new([Step::Data(Bytes::from_static(b"half")), Step::Hang]).promising(8);
    let begun = tokio::time::Instant::now();
    let (got, requests) = twice(&layer().fetch_timeout(7 * SECOND), hangs).await;
    assert!(got.iter().all(Result::is_err), "{got:?}");
    assert_eq!((requests, tokio::time::Instant::now() - begun), (2, 14 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_not_fetched_again_if_it_may_be_sent_once_or_fails_anyway() {
    for (status, is_once) in [(200, true), (503, false)] {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let api = service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            let mut response = Response::new(Script::new([Step::Fail("broke")]));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            async move { Ok::<_, Infallible>(response) }
        });
        let mut client = layer().layer(api);
        let mut request = get("/users/1");
        if is_once {
            request.extensions_mut().insert(tower_heed::extensions::NoRetry);
        }
        assert!(client.ready().await.unwrap().call(request).await.is_err());
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn empty_frames_do_not_hold_a_fetch_forever() {
    let api = service_fn(|_: Request<Body>| async {
        let empty = std::iter::repeat_n(Bytes::new(), 5_000);
        Ok::<_, Infallible>(Response::new(Script::of_data(empty)))
    });
    let mut client = layer().layer(api);
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
}

/// Otherwise each waiter would send its own request to a server that is down.
#[tokio::test(start_paused = true)]
async fn a_failing_response_is_shared_even_if_it_is_too_long_to_be_stored() {
    let api = Api::new().taking(SECOND);
    api.becomes(|_| {
        let mut response = Response::new(full(&"x".repeat(1_000)));
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        Ok(response)
    });
    let client = client(&with(|config| config.max_body_bytes(8)), &api);
    let mut calls = Vec::new();
    for _ in 0..100 {
        calls.push(spawn(&client, get("/users/1")).await);
    }
    for call in calls {
        let got = call.await.unwrap().unwrap();
        assert_eq!((got.status, got.body.len()), (503, 1_000));
    }
    assert_eq!(api.requests(), 1);
}

/// RFC 9111 section 3.3: such a response is incomplete.
#[tokio::test(start_paused = true)]
async fn a_body_that_contradicts_its_content_length_is_not_stored() {
    for (length, requests) in [("4", 1), ("3", 2), ("8", 2), ("four", 2)] {
        let api = Api::scripted(move |_| {
            let mut response = Response::new(full("body"));
            response.headers_mut().insert("content-length", length.parse().unwrap());
            Ok(response)
        });
        let mut client = client(&layer(), &api);
        for _ in 0..2 {
            assert_eq!(send(&mut client, get("/users/1")).await.unwrap().body, "body");
        }
        assert_eq!(api.requests(), requests, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_end_a_body() {
    let api = service_fn(|_: Request<Body>| async {
        let trailers = std::iter::repeat_n(Step::Trailers(HeaderMap::new()), 2_000);
        let end = std::iter::once(Step::Panic);
        Ok::<_, Infallible>(Response::new(Script::new(trailers.chain(end))))
    });
    let mut client = layer().layer(api);
    client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
}

/// Otherwise a user who is rejected would get an open response, or a stale one.
#[tokio::test(start_paused = true)]
async fn a_failure_is_what_its_head_says_though_its_body_breaks_or_hangs() {
    use tower_heed::{FallbackLayer, classify::Classification, extensions::Degraded};

    for status in [401, 403, 404, 429, 503] {
        let passes = matches!(status, 429 | 503);
        for (step, takes) in [(Step::Fail("broke"), 0), (Step::Hang, 30)] {
            for is_stored in [false, true] {
                // Behind a stored response the body that hangs is a server that is slow.
                if is_stored && takes > 0 {
                    continue;
                }
                let requests = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&requests);
                let script = step.clone();
                let api = service_fn(move |_: Request<Body>| {
                    let is_good = count.fetch_add(1, Ordering::SeqCst) == 0 && is_stored;
                    let step = if is_good { Step::Data("good".into()) } else { script.clone() };
                    let mut response = Response::new(Script::new([step]));
                    if !is_good {
                        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                    }
                    if passes {
                        response.headers_mut().insert("retry-after", 7.into());
                    }
                    async move { Ok::<_, BoxError>(response) }
                });
                let mut client = layer().layer(api);
                if is_stored {
                    client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
                    sleep(61 * SECOND).await;
                }
                let name = format!("{status} {step:?} {is_stored}");
                let begun = tokio::time::Instant::now();
                let got = client.ready().await.unwrap().call(get("/users/1")).await;
                assert_eq!((tokio::time::Instant::now() - begun).as_secs(), takes, "{name}");
                if is_stored && passes {
                    assert!(got.unwrap().extensions().get::<Stale>().is_some(), "{name}");
                    continue;
                }
                let error = got.expect_err(&name);
                let found = Classification::of_error(&*error).expect(&name);
                assert_eq!(found.status().map(|status| status.as_u16()), Some(status), "{name}");
                assert_eq!(found.retry_after(), passes.then_some(7 * SECOND), "{name}");

                let open = FallbackLayer::fail_open(|_| Response::new("open"));
                let client = client.map_response(|response| response.map(|_| Body::default()));
                let mut open = open.layer(client);
                let got = open.ready().await.unwrap().call(get("/users/2")).await;
                let is_open = got.is_ok_and(|got| got.extensions().get::<Degraded>().is_some());
                assert_eq!(is_open, passes, "{name}");
            }
        }
    }
}
