//! Every function that a user gives to a layer panics, for each kind of response, in the layer alone and in the stack: calls end, and
//! afterwards the layer works as before.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, UNIX_EPOCH},
};

use http::{Request, Response};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_heed::{
    BoxError, CircuitBreakerLayer, DetachLayer, ErrorClassifyLayer, FallbackLayer,
    RetryOnRateLimit, Stack, ThrottleLayer, TokenCacheLayer,
    classify::{
        Classification, Classifier, ClassifyBodyConfig, ClassifyBodyLayer, ErrorClass, Preset,
        ResponseHead,
    },
    clock::Clock,
    token_cache::{Token, TokenRequest},
};

use crate::{
    contract::subjects::{Client, SUBJECTS, boxed, layered},
    support::probe::{Body, Probe, ProbeError, ScriptedResponse, Watch},
};

const PERMITS: usize = 4;

/// Panics while it is armed, and counts how often.
#[derive(Clone, Default)]
struct Bomb(Arc<(AtomicBool, AtomicUsize)>);

/// Where the bomb is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Classify,
    ReadsBody,
    ClassifyBody,
    Handler,
    HandlerFuture,
    Retry,
    Throttle,
    ThrottleKey,
    Breaker,
    Fallback,
    Respond,
    RespondFuture,
    Source,
    SourceFuture,
    #[cfg(feature = "response-cache")]
    Cache,
    #[cfg(feature = "response-cache")]
    Credential,
    Detach,
    OnSuccess,
    OnFailure,
    Time,
}

const ALL: &[At] = &[
    At::Classify,
    At::ReadsBody,
    At::ClassifyBody,
    At::Handler,
    At::HandlerFuture,
    At::Retry,
    At::Throttle,
    At::ThrottleKey,
    At::Breaker,
    At::Fallback,
    At::Respond,
    At::RespondFuture,
    At::Source,
    At::SourceFuture,
    #[cfg(feature = "response-cache")]
    At::Cache,
    #[cfg(feature = "response-cache")]
    At::Credential,
    At::Detach,
    At::OnSuccess,
    At::OnFailure,
    At::Time,
];

/// The standard classifier, with a bomb in each of its functions.
struct Classifies {
    head: Bomb,
    reads: Bomb,
    body: Bomb,
}

impl Classifier for Classifies {
    fn classify(&self, head: &ResponseHead<'_>) -> Option<ErrorClass> {
        self.head.hit();
        Preset::Standard.classify(head)
    }

    fn reads_body(&self, _: &ResponseHead<'_>) -> bool {
        self.reads.hit();
        true
    }

    fn classify_body(&self, _: &ResponseHead<'_>, _: &[u8], _: bool) -> Option<Classification> {
        self.body.hit();
        None
    }
}

impl Bomb {
    fn hit(&self) {
        if self.0.0.load(SeqCst) {
            self.0.1.fetch_add(1, SeqCst);
            panic!("the user's own fault");
        }
    }

    fn arm(&self, is_armed: bool) {
        self.0.0.store(is_armed, SeqCst);
    }

    fn count(&self) -> usize {
        self.0.1.load(SeqCst)
    }
}

/// Puts around `probe` the layer that has the bomb, or the whole stack.
fn client(probe: Probe, at: At, bomb: &Bomb, is_stacked: bool) -> Client {
    let bomb_at = |here| if here == at { bomb.clone() } else { Bomb::default() };
    let classifier = |here| Classifies {
        head: bomb_at(here),
        reads: bomb_at(At::ReadsBody),
        body: bomb_at(At::ClassifyBody),
    };
    let [handler, handler_future] = [At::Handler, At::HandlerFuture].map(bomb_at);
    let classify = ErrorClassifyLayer::new().classifier(classifier(At::Classify));
    let classify = classify.on_unauthenticated(move || {
        handler.hit();
        let later = handler_future.clone();
        async move { later.hit() }
    });
    let retry = RetryOnRateLimit::new().classifier(classifier(At::Retry));
    let key = bomb_at(At::ThrottleKey);
    let throttle = ThrottleLayer::new().classifier(classifier(At::Throttle)).key(move |_| {
        key.hit();
        None
    });
    let breaker = CircuitBreakerLayer::new().classifier(classifier(At::Breaker));
    let [respond, respond_future] = [At::Respond, At::RespondFuture].map(bomb_at);
    let fallback = match at {
        At::RespondFuture => FallbackLayer::fail_open_async(move |_| {
            let later = respond_future.clone();
            async move {
                sleep(Duration::from_millis(5)).await;
                later.hit();
                Response::new("")
            }
        }),
        _ => FallbackLayer::fail_open(move |_| {
            respond.hit();
            Response::new("")
        }),
    };
    let fallback = fallback.classifier(classifier(At::Fallback));
    let [source, source_future] = [At::Source, At::SourceFuture].map(bomb_at);
    let source = service_fn(move |_: TokenRequest| {
        source.hit();
        let later = source_future.clone();
        async move {
            sleep(Duration::from_millis(5)).await;
            later.hit();
            Ok::<_, BoxError>(Token::bearer("token")?.expires_in(Duration::from_secs(60)))
        }
    });
    let token = TokenCacheLayer::new(source).allow_any_https_origin();
    #[cfg(feature = "response-cache")]
    let cache = {
        let credential = bomb_at(At::Credential);
        tower_heed::ResponseCacheLayer::new()
            .classifier(classifier(At::Cache))
            .credential(move |_| {
                credential.hit();
                None
            })
            .endpoint("GET /users/{id}".parse().unwrap(), |config| {
                config.ttl(Duration::from_secs(5))
            })
    };
    let [on_success, on_failure] = [At::OnSuccess, At::OnFailure].map(bomb_at);
    let detach = DetachLayer::new()
        .classifier(classifier(At::Detach))
        .on_success(move |_, _| on_success.hit())
        .on_failure(move |_, _| on_failure.hit())
        .endpoint("GET /users/{id}".parse().unwrap(), |config| config);
    let time = bomb_at(At::Time);
    let clock = Clock::from_system_time(move || {
        time.hit();
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    });

    if is_stacked {
        let stack = Stack::new()
            .clock(clock)
            .fallback(fallback)
            .retry(retry)
            .circuit_breaker(breaker)
            .throttle(throttle)
            .classify(classify)
            .token_cache(token);
        #[cfg(feature = "response-cache")]
        let stack = stack.response_cache(cache);
        // Responses of detached requests reach no caller.
        return match at {
            At::Detach | At::OnSuccess | At::OnFailure => {
                boxed(detach.layer(BoxCloneSyncService::new(stack.service(probe))))
            }
            _ => boxed(stack.service(probe)),
        };
    }
    match at {
        At::Classify | At::Handler | At::HandlerFuture => layered(&classify, probe),
        At::ReadsBody | At::ClassifyBody => {
            let all = "/{*path}".parse().unwrap();
            let reads = |config: ClassifyBodyConfig| config.classifier(classifier(At::Classify));
            layered(&ClassifyBodyLayer::new().endpoint(all, reads), probe)
        }
        At::Retry => layered(&retry, probe),
        At::Throttle | At::ThrottleKey => layered(&throttle, probe),
        At::Breaker => layered(&breaker, probe),
        At::Fallback | At::Respond | At::RespondFuture => layered(&fallback, probe),
        At::Source | At::SourceFuture => layered(&token, probe),
        #[cfg(feature = "response-cache")]
        At::Cache | At::Credential => layered(&cache, probe),
        At::Detach | At::OnSuccess | At::OnFailure => layered(&detach, probe),
        At::Time => layered(&ErrorClassifyLayer::new().clock(clock), probe),
    }
}

/// What the API responds now: a status with a header field, or an error.
type Now = Arc<Mutex<Option<(u16, &'static str, &'static str)>>>;

const OK: Option<(u16, &str, &str)> = Some((200, "etag", "\"v7\""));

fn api(respond: impl Fn() + Send + 'static) -> (Probe, Watch, Now) {
    let now = Now::new(Mutex::new(OK));
    let responds = Arc::clone(&now);
    let probe = Probe::new().permits(PERMITS).counts_unready_calls().otherwise(move |_| {
        respond();
        match *responds.lock().unwrap() {
            Some((status, name, value)) => ScriptedResponse::status(status).header(name, value),
            None => ScriptedResponse::error(ProbeError("of unknown meaning")),
        }
    });
    let watch = probe.handle();
    (probe, watch, now)
}

async fn call(client: Client) -> Result<u16, BoxError> {
    let request = Request::get("https://id.example/users/1").body(Body::default()).unwrap();
    Ok(client.oneshot(request).await?.status().as_u16())
}

/// Calls while the bomb is armed, and then while it is not.
async fn survives(name: &str, client: Client, watch: &Watch, now: &Now, bomb: &Bomb) {
    bomb.arm(true);
    for response in [
        OK,
        Some((429, "retry-after", "1")),
        Some((429, "retry-after", "Fri, 15 Jan 2027 08:00:01 GMT")),
        Some((503, "retry-after", "1")),
        Some((401, "www-authenticate", "Bearer error=\"invalid_token\"")),
        Some((403, "x", "y")),
        None,
    ] {
        *now.lock().unwrap() = response;
        let calls: Vec<_> = (0..3).map(|_| tokio::spawn(call(client.clone()))).collect();
        for call in calls {
            let ended = timeout(Duration::from_secs(300), call).await;
            assert!(ended.is_ok(), "{name}: a call does not end after {response:?}");
        }
        sleep(Duration::from_secs(7)).await;
    }
    bomb.arm(false);
    *now.lock().unwrap() = OK;
    // Cooldowns, open circuits, a budget that is used up.
    sleep(Duration::from_secs(1800)).await;
    watch.take_requests();
    for round in 0..3 {
        let calls: Vec<_> = (0..8).map(|_| tokio::spawn(call(client.clone()))).collect();
        for call in calls {
            let status = call.await.unwrap();
            let status = status.unwrap_or_else(|error| panic!("{name}: {error} in round {round}"));
            assert!(matches!(status, 200 | 202), "{name}: {status} in round {round}");
        }
        sleep(Duration::from_secs(10)).await;
    }
    assert!(watch.attempts() > 0, "{name}: nothing was sent");
    assert_eq!(watch.permits(), PERMITS, "{name}: a permit is kept");
    assert_eq!(watch.in_flight(), 0, "{name}: an attempt is left");
    assert_eq!(watch.unready_calls(), 0, "{name}: an unready instance was called");
}

#[tokio::test(start_paused = true)]
async fn every_function_of_a_user_panics_and_its_layer_goes_on() {
    for at in ALL {
        let bomb = Bomb::default();
        let (probe, watch, now) = api(|| ());
        let client = client(probe, *at, &bomb, false);
        survives(&format!("{at:?} alone"), client, &watch, &now, &bomb).await;
        assert!(bomb.count() > 0, "{at:?} was not called");
    }
}

#[tokio::test(start_paused = true)]
async fn every_function_of_a_user_panics_and_the_stack_goes_on() {
    for at in ALL {
        let bomb = Bomb::default();
        let (probe, watch, now) = api(|| ());
        let client = client(probe, *at, &bomb, true);
        survives(&format!("{at:?} in the stack"), client, &watch, &now, &bomb).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_panics_and_every_layer_goes_on() {
    for subject in SUBJECTS {
        let bomb = Bomb::default();
        let in_client = bomb.clone();
        let (probe, watch, now) = api(move || in_client.hit());
        let client = (subject.wrap)(probe);
        survives(subject.name, client, &watch, &now, &bomb).await;
        assert!(bomb.count() > 0, "the client of {} was not called", subject.name);
    }
}

/// The table above would notice a layer that keeps a permit.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "a call does not end")]
async fn a_layer_that_keeps_its_permit_is_noticed() {
    let bomb = Bomb::default();
    let (probe, watch, now) = api(|| ());
    let leaky = service_fn(move |request: Request<Body>| {
        let mut kept = std::mem::ManuallyDrop::new(probe.clone());
        async move {
            kept.ready().await?;
            Ok::<_, BoxError>(Probe::clone(&kept).oneshot(request).await?)
        }
    });
    survives("leaky", boxed(leaky), &watch, &now, &bomb).await;
}
