//! The cases. Each gets a way to wrap a probe, and says what went wrong.

use std::{future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Version, header::ETAG};
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tokio_test::task;
use tower::{Service, ServiceExt};
use tower_heed::error::find;

use super::subjects::{Client, Wrap};
use crate::support::probe::{Body, ProbeError, ScriptedResponse, Watch, probe};

type Outcome = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: fn(Wrap) -> Outcome,
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) const CASES: &[Case] =
            &[$(Case { name: stringify!($name), run: |wrap| Box::pin($name(wrap)) }),*];
    };
}

cases![
    the_readied_instance_is_called,
    pending_is_passed_on_and_wakes,
    a_readiness_error_arrives_unchanged_and_is_not_retried,
    readiness_asked_twice_takes_one_permit,
    a_clone_starts_without_a_permit,
    readiness_given_up_before_a_call_gives_the_permit_back,
    a_dropped_future_stops_the_inner_call,
    a_success_passes_untouched,
    an_error_passes_untouched,
    every_attempt_asks_for_readiness,
    dropped_at_any_poll_it_leaves_nothing,
];

macro_rules! check {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err(format!($($why)+));
        }
    };
}

/// The field's most repeated bug: a clone is called that was never made ready.
async fn the_readied_instance_is_called(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    for _ in 0..2 {
        call(&mut client).await?;
    }
    check!(watch.unready_calls() == 0, "{} calls of unready instances", watch.unready_calls());
    check!(watch.attempts() == 2, "{} attempts instead of 2", watch.attempts());
    Ok(())
}

async fn pending_is_passed_on_and_wakes(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    let permits = watch.permits();
    let holders = hold_all_permits(&watch).await;
    let mut ready = task::spawn(client.ready());
    check!(ready.poll().is_pending(), "ready although the inner service is not");
    drop(holders);
    check!(watch.permits() == permits, "the test's own permits did not come back");
    check!(ready.is_woken(), "not woken when the inner service became ready");
    check!(ready.poll().is_ready(), "not ready when woken");
    Ok(())
}

async fn a_readiness_error_arrives_unchanged_and_is_not_retried(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    watch.break_readiness(ProbeError("broken for good"));
    let asked = watch.poll_ready_calls();
    let Err(error) = client.ready().await else { return Err("ready although broken".to_owned()) };
    check!(
        find::<ProbeError>(error.as_ref()) == Some(&ProbeError("broken for good")),
        "the error became `{error}`"
    );
    check!(watch.poll_ready_calls() == asked + 1, "asked more than once");
    Ok(())
}

async fn readiness_asked_twice_takes_one_permit(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    let permits = watch.permits();
    ready(&mut client).await?;
    ready(&mut client).await?;
    check!(watch.permits() == permits - 1, "{} permits taken", permits - watch.permits());
    Ok(())
}

async fn a_clone_starts_without_a_permit(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    let permits = watch.permits();
    ready(&mut client).await?;
    let mut clone = client.clone();
    check!(watch.permits() == permits - 1, "the clone took a permit");
    ready(&mut clone).await?;
    check!(watch.permits() == permits - 2, "the clone says that it is ready without a permit");
    call(&mut clone).await?;
    check!(watch.unready_calls() == 0, "an unready instance was called");
    Ok(())
}

async fn readiness_given_up_before_a_call_gives_the_permit_back(wrap: Wrap) -> Result<(), String> {
    let (client, watch) = warm(wrap).await?;
    let permits = watch.permits();
    let mut given_up = client.clone();
    ready(&mut given_up).await?;
    drop(given_up);
    check!(watch.permits() == permits, "{} permits kept", permits - watch.permits());
    Ok(())
}

async fn a_dropped_future_stops_the_inner_call(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    let permits = watch.permits();
    watch.push(ScriptedResponse::never());
    ready(&mut client).await?;
    let mut future = task::spawn(client.call(request()));
    check!(future.poll().is_pending(), "done although the inner call is not");
    // A broken layer may have handed the call to another task: let that one run.
    tokio::task::yield_now().await;
    check!(watch.in_flight() == 1, "{} inner calls in flight", watch.in_flight());
    drop(future);
    tokio::task::yield_now().await;
    check!(watch.in_flight() == 0, "the inner call goes on");
    check!(watch.permits() == permits, "{} permits kept", permits - watch.permits());
    Ok(())
}

async fn a_success_passes_untouched(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    let response = Response::builder().status(203).version(Version::HTTP_11).header(ETAG, "\"v7\"");
    let response = response.header("x-ratelimit-remaining", "41").extension(7_u8);
    watch.push(ScriptedResponse::from(response.body(Full::from("the body")).unwrap()));
    ready(&mut client).await?;
    let response = client.call(request()).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    check!(head.status == 203 && head.version == Version::HTTP_11, "the head is another");
    check!(head.headers.len() == 2, "the headers became {:?}", head.headers);
    check!(head.headers[ETAG] == "\"v7\"", "the headers became {:?}", head.headers);
    check!(head.extensions.get() == Some(&7_u8), "the extension is lost");
    check!(head.extensions.len() == 1, "{} extensions instead of 1", head.extensions.len());
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    check!(body == "the body", "the body became {body:?}");

    let sent = watch.take_requests().pop().ok_or("nothing was sent")?;
    check!(
        sent.method() == "PATCH" && *sent.uri() == *request().uri(),
        "the request line is another"
    );
    check!(
        sent.headers()["x-kept"] == "as it was",
        "the request's headers became {:?}",
        sent.headers()
    );
    let sent = sent.into_body().collect().await.unwrap().to_bytes();
    check!(sent == "sent", "the request's body became {sent:?}");
    Ok(())
}

async fn an_error_passes_untouched(wrap: Wrap) -> Result<(), String> {
    let (mut client, watch) = warm(wrap).await?;
    watch.push(ScriptedResponse::error(ProbeError("of unknown meaning")));
    ready(&mut client).await?;
    let Err(error) = client.call(request()).await else { return Err("no error".to_owned()) };
    check!(
        find::<ProbeError>(error.as_ref()) == Some(&ProbeError("of unknown meaning")),
        "the error became `{error}`"
    );
    check!(watch.attempts() == 1, "{} attempts instead of 1", watch.attempts());
    Ok(())
}

/// Whatever a layer does about a failing response, it does with instances that are ready.
async fn every_attempt_asks_for_readiness(wrap: Wrap) -> Result<(), String> {
    for (status, headers) in [
        (429, &[("retry-after", "1")]),
        (503, &[("retry-after", "2")]),
        (401, &[("www-authenticate", "Bearer error=\"invalid_token\"")]),
    ] {
        let (mut client, watch) = warm(wrap).await?;
        let permits = watch.permits();
        watch.respond(status, headers);
        let answered = call(&mut client).await;
        check!(watch.unready_calls() == 0, "after a {status} an unready instance was called");
        check!(watch.permits() == permits, "after a {status} {answered:?} a permit is kept");
    }
    Ok(())
}

/// A call whose attempts take time is dropped after each number of polls that it takes: at each point at which it waits.
async fn dropped_at_any_poll_it_leaves_nothing(wrap: Wrap) -> Result<(), String> {
    let responses: [fn() -> ScriptedResponse; 5] = [
        ScriptedResponse::default,
        || ScriptedResponse::status(429).header("retry-after", "1"),
        || ScriptedResponse::status(503).header("retry-after", "2"),
        || {
            ScriptedResponse::status(401)
                .header("www-authenticate", "Bearer error=\"invalid_token\"")
        },
        || ScriptedResponse::error(ProbeError("of unknown meaning")),
    ];
    for (number, response) in responses.iter().enumerate() {
        for polls in 0.. {
            let (mut client, watch) = warm(wrap).await?;
            let (mut other, permits) = (client.clone(), watch.permits());
            // A new token may still be unknown to the API for a while.
            sleep(Duration::from_secs(6)).await;
            let late = Duration::from_millis(50);
            watch.push(response().after(late));
            watch.push(ScriptedResponse::default().after(late));
            ready(&mut client).await?;
            let mut future = task::spawn(call(&mut client));
            let ended = polled(&mut future, polls).await;
            drop(future);
            sleep(Duration::from_secs(1)).await;
            let why = || format!("dropped after {polls} polls of response {number}");
            check!(watch.in_flight() == 0, "{}: an attempt goes on", why());
            drop(client);
            check!(watch.permits() == permits, "{}: a permit is kept", why());
            // What was not sent is left in the script, so the first may fail.
            for _ in 0..3 {
                let followed = timeout(Duration::from_secs(120), call(&mut other)).await;
                check!(followed.is_ok(), "{}: the next call does not end", why());
            }
            check!(call(&mut other).await.is_ok(), "{}: the next calls fail", why());
            check!(watch.unready_calls() == 0, "{}: an unready instance was called", why());
            if ended {
                break;
            }
            check!(polls < 50, "{}: it is polled in a loop", why());
        }
    }
    Ok(())
}

/// Polls so often, each time when the future is woken. Returns whether it ended.
async fn polled<T>(future: &mut task::Spawn<impl Future<Output = T>>, polls: u32) -> bool {
    for _ in 0..polls {
        if future.poll().is_ready() {
            return true;
        }
        for _ in 0..1_000 {
            if future.is_woken() {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
    false
}

fn request() -> Request<Body> {
    let request = Request::patch("https://id.example/users/1").header("x-kept", "as it was");
    request.body(Full::from(Bytes::from_static(b"sent"))).unwrap()
}

/// A wrapped probe with four permits that has been called once, so that what is fetched once has been fetched.
async fn warm(wrap: Wrap) -> Result<(Client, Watch), String> {
    let (probe, watch) = probe(4);
    let mut client = wrap(probe);
    call(&mut client).await?;
    drop(watch.take_requests());
    Ok((client, watch))
}

async fn ready(client: &mut Client) -> Result<(), String> {
    client.ready().await.map(drop).map_err(|error| error.to_string())
}

async fn call(client: &mut Client) -> Result<(), String> {
    ready(client).await?;
    let response = client.call(request()).await.map_err(|error| error.to_string())?;
    response.into_body().collect().await.map(drop).map_err(|error| error.to_string())
}

async fn hold_all_permits(watch: &Watch) -> Vec<crate::support::probe::Probe> {
    let mut holders = Vec::new();
    while watch.permits() > 0 {
        let mut holder = watch.service();
        holder.ready().await.unwrap();
        holders.push(holder);
    }
    holders
}
