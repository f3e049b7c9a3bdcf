//! Bodies that are kept, that are too long, and that break.

use std::convert::Infallible;

use http::HeaderMap;
use http_body::Body as _;
use tower::service_fn;

use super::*;
use crate::body::script::{Script, Step};

type Read = Result<(String, Option<HeaderMap>), String>;

/// What two requests read of a body, one after the other, and how many of them were sent.
async fn twice(
    layer: &ResponseCacheLayer,
    body: impl Fn() -> Script + Clone + Send + 'static,
) -> ([Read; 2], usize) {
    let sends = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sends);
    let api = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        let body = body();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let mut client = layer.layer(api);
    let got = [read(&mut client).await, read(&mut client).await];
    (got, sends.load(Ordering::SeqCst))
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
async fn a_body_in_pieces_is_kept_whole_with_its_trailers() {
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
    let sent = trailers.clone();
    let (got, sends) = twice(&layer(), move || {
        let data = |text: &'static str| Step::Data(Bytes::from_static(text.as_bytes()));
        Script::new([data("ab"), Step::Pause, data(""), data("cd"), Step::Trailers(sent.clone())])
    })
    .await;
    let whole = Ok(("abcd".to_owned(), Some(trailers)));
    assert_eq!((got, sends), ([whole.clone(), whole], 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_cap_is_kept_and_a_longer_one_comes_through_whole() {
    let layer = with(|config| config.max_body_bytes(8));
    let of = |chunks: &'static [&'static str]| move || Script::of_data(chunks.iter().copied());
    let (got, sends) = twice(&layer, of(&["abcd", "efgh"])).await;
    assert_eq!((got, sends), ([plain("abcdefgh"), plain("abcdefgh")], 1));
    let longer: [(&[&str], &str); 4] = [
        (&["abcd", "efghi"], "abcdefghi"),
        (&["abcdefgh", "i", "j"], "abcdefghij"),
        (&["abcdefghij"], "abcdefghij"),
        (&["abcdefghij", "k"], "abcdefghijk"),
    ];
    for (chunks, whole) in longer {
        let layer = with(|config| config.max_body_bytes(8));
        let (got, sends) = twice(&layer, of(chunks)).await;
        assert_eq!((got, sends), ([plain(whole), plain(whole)], 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_says_that_it_is_too_long_is_not_read_before_it_is_passed_on() {
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

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_is_a_failure_and_half_of_one_is_not_kept() {
    let broken = || {
        Script::new([Step::Data(Bytes::from_static(b"half")), Step::Fail("the connection broke")])
    };
    let (got, sends) = twice(&layer(), broken).await;
    let error = Err("the connection broke".to_owned());
    assert_eq!((got, sends), ([error.clone(), error], 2));
    // Ended before its length, and without an error.
    let (got, sends) = twice(&layer(), || Script::of_data(["half"]).promising(8)).await;
    assert_eq!((got, sends), ([plain("half"), plain("half")], 2));
}

#[tokio::test(start_paused = true)]
async fn frames_without_data_do_not_hold_a_flight_for_ever() {
    let api = service_fn(|_: Request<Body>| async {
        let empty = std::iter::repeat_n(Bytes::new(), 5_000);
        Ok::<_, Infallible>(Response::new(Script::of_data(empty)))
    });
    let mut client = layer().layer(api);
    let response = client.ready().await.unwrap().call(get("/users/1")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
}

/// Otherwise each of those who wait would ask the server that is out, because its page of excuses is long.
#[tokio::test(start_paused = true)]
async fn a_failing_answer_is_shared_also_if_it_is_longer_than_what_is_kept() {
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
    assert_eq!(api.sends(), 1);
}

/// RFC 9111 section 3.3: what has another length than it says is not whole.
#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_than_the_field_says_is_not_kept() {
    for (length, sends) in [("4", 1), ("3", 2), ("8", 2), ("four", 2)] {
        let api = Api::scripted(move |_| {
            let mut response = Response::new(full("body"));
            response.headers_mut().insert("content-length", length.parse().unwrap());
            Ok(response)
        });
        let mut client = client(&layer(), &api);
        for _ in 0..2 {
            assert_eq!(send(&mut client, get("/users/1")).await.unwrap().body, "body");
        }
        assert_eq!(api.sends(), sends, "{length}");
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
