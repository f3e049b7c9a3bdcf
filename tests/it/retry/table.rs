//! The retry table through the layer: which responses and errors are sent again, with the negative of each.

use std::{io, time::Duration};

use http::{Method, Request, StatusCode};
use tower::{ServiceBuilder, ServiceExt};
use tower_heed::{
    BoxError, Error, ErrorClassifyLayer, RetryOnRateLimit, TimeoutLayer,
    classify::{Classification, Classifier, ErrorClass, Preset, ResponseHead},
    extensions::Idempotent,
    retry::Stopped,
};

use super::api::{Body, Script, api, get, outcome, post, request, response, script, send, stopped};
use crate::support::probe::probe;

/// Sends a request that fails once like this, and gives how often it was sent.
async fn attempts(request: Request<Body>, status: u16, headers: &'static [(&str, &str)]) -> usize {
    let api = api(move |send| response(if send == 0 { status } else { 200 }, headers));
    send(&RetryOnRateLimit::new(), &api, request).await.unwrap();
    api.count()
}

#[tokio::test(start_paused = true)]
async fn safe_methods_and_marked_requests_are_repeated_and_others_not() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        assert_eq!(attempts(request(method.clone()), 500, &[]).await, 2, "{method}");
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let with = |change: fn(&mut Request<Body>)| {
            let mut request = request(method.clone());
            change(&mut request);
            attempts(request, 500, &[])
        };
        assert_eq!(with(|_| {}).await, 1, "{method}");
        assert_eq!(with(|request| _ = request.extensions_mut().insert(Idempotent)).await, 2);
        let keyed = with(|request| {
            request.headers_mut().insert("Idempotency-Key", "8e03978e".parse().unwrap());
        });
        assert_eq!(keyed.await, 2);
        let other = with(|request| {
            request.headers_mut().insert("x-idempotency", "8e03978e".parse().unwrap());
        });
        assert_eq!(other.await, 1);
    }
}

/// The server may carry out the other method.
#[tokio::test(start_paused = true)]
async fn a_request_for_another_method_than_its_own_is_repeated_only_if_marked() {
    for name in ["X-HTTP-Method-Override", "x-http-method", "x-method-override"] {
        let with = |method: Method, is_marked: bool| {
            let mut request = request(method);
            request.headers_mut().insert(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                "POST".parse().unwrap(),
            );
            if is_marked {
                request.extensions_mut().insert(Idempotent);
            }
            request
        };
        for status in [500, 502, 504] {
            assert_eq!(attempts(with(Method::GET, false), status, &[]).await, 1, "{name}");
            assert_eq!(attempts(with(Method::GET, true), status, &[]).await, 2, "{name}");
        }
        for method in [Method::GET, Method::PUT] {
            let api = failing(io::ErrorKind::ConnectionReset);
            send(&RetryOnRateLimit::new(), &api, with(method, false)).await.unwrap_err();
            assert_eq!(api.count(), 1, "{name}");
        }
        // What was not processed is sent again, whatever the method.
        assert_eq!(attempts(with(Method::GET, false), 429, &[]).await, 2);
    }
}

fn failing(kind: io::ErrorKind) -> super::api::Api {
    api(move |send| if send == 0 { Err(io::Error::from(kind).into()) } else { response(200, &[]) })
}

#[tokio::test(start_paused = true)]
async fn a_429_is_sent_again_whatever_the_method() {
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        assert_eq!(attempts(request(method.clone()), 429, &[]).await, 2, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_is_sent_again_on_5xx_and_time_outs_and_a_post_is_not() {
    for status in [500, 502, 503, 504, 408] {
        assert_eq!(attempts(get(), status, &[]).await, 2, "GET on {status}");
        assert_eq!(attempts(post(), status, &[]).await, 1, "POST on {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_425_was_not_processed_and_is_sent_again_whatever_the_method() {
    for request in [get(), post()] {
        assert_eq!(attempts(request, 425, &[]).await, 2);
    }
    // Its neighbours are final.
    for status in [424, 426] {
        assert_eq!(attempts(post(), status, &[]).await, 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_is_sent_again_on_a_503_that_says_when_and_on_no_other_5xx() {
    assert_eq!(attempts(post(), 503, &[("retry-after", "3")]).await, 2);
    assert_eq!(attempts(post(), 500, &[("retry-after", "3")]).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_can_be_declared_idempotent_and_others_stay_as_they_are() {
    let layer =
        RetryOnRateLimit::new().endpoint("POST /users/{id}".parse().unwrap(), |it| it.idempotent());
    let failing: Script = &[(500, &[])];
    let api = script(failing);
    send(&layer, &api, post()).await.unwrap();
    assert_eq!(api.count(), 2);

    let api = script(failing);
    send(&layer, &api, request(Method::PATCH)).await.unwrap();
    assert_eq!(api.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn responses_that_would_be_the_same_again_are_returned_at_once() {
    for status in [400, 401, 403, 404, 409, 422, 501, 505] {
        let api = api(move |_| response(status, &[]));
        let response = send(&RetryOnRateLimit::new(), &api, get()).await.unwrap();
        assert_eq!((api.count(), response.status().as_u16()), (1, status));
        assert_eq!(stopped(&response), Stopped::Final);
        assert_eq!(outcome(&response).attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_never_made_is_tried_again_for_a_post_and_one_that_broke_is_not() {
    let refused = failing(io::ErrorKind::ConnectionRefused);
    assert_eq!(send(&RetryOnRateLimit::new(), &refused, post()).await.unwrap().status(), 200);

    let broken = failing(io::ErrorKind::ConnectionReset);
    let error = send(&RetryOnRateLimit::new(), &broken, post()).await.unwrap_err();
    let error = error.downcast::<io::Error>().unwrap();
    assert_eq!((error.kind(), broken.count()), (io::ErrorKind::ConnectionReset, 1));

    let broken = failing(io::ErrorKind::ConnectionReset);
    assert_eq!(send(&RetryOnRateLimit::new(), &broken, get()).await.unwrap().status(), 200);
}

/// Time-out and retry layers that did not share an error class (quickwit #5775).
#[tokio::test(start_paused = true)]
async fn an_attempt_that_ran_out_of_its_own_time_is_sent_again_unless_it_may_have_been_carried_out()
{
    for (request, attempts) in [(get(), 2), (post(), 1)] {
        let (inner, watch) = probe(1);
        watch.push(crate::support::probe::ScriptedResponse::never());
        let client = ServiceBuilder::new()
            .layer(RetryOnRateLimit::new())
            .layer(TimeoutLayer::new(Duration::from_secs(2)))
            .service(inner);
        let answered = client.oneshot(request).await;
        assert_eq!((watch.attempts(), answered.is_ok()), (attempts, attempts == 2));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_unknown_meaning_is_returned() {
    let api = api(|_| Err("something else".into()));
    let error = send(&RetryOnRateLimit::new(), &api, get()).await.unwrap_err();
    assert_eq!((error.to_string(), api.count()), ("something else".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_success_carries_no_outcome_unless_it_took_more_than_one_attempt() {
    let plain = script(&[]);
    let response = send(&RetryOnRateLimit::new(), &plain, get()).await.unwrap();
    assert!(response.extensions().is_empty());

    let rejected_once = script(&[(429, &[("retry-after", "2")])]);
    let response = send(&RetryOnRateLimit::new(), &rejected_once, get()).await.unwrap();
    let outcome = outcome(&response);
    assert_eq!((outcome.attempts(), outcome.stopped()), (2, Stopped::Succeeded));
    assert_eq!(outcome.retry_after(), None);
    assert_eq!(outcome.waited().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_another_layer_has_left_about_a_response_counts() {
    let marked = |class| {
        api(move |send| {
            let mut response = response(if send == 0 { 404 } else { 200 }, &[])?;
            if send == 0 {
                response.extensions_mut().insert(Classification::of_class(class));
            }
            Ok(response)
        })
    };
    let limited = marked(ErrorClass::RateLimited);
    send(&RetryOnRateLimit::new(), &limited, post()).await.unwrap();
    assert_eq!(limited.count(), 2);

    let rejected = marked(ErrorClass::Rejected);
    send(&RetryOnRateLimit::new(), &rejected, post()).await.unwrap();
    assert_eq!(rejected.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_response_that_was_made_an_error_waits_as_long_as_the_server_asked() {
    let api = script(&[(429, &[("retry-after", "7")]), (404, &[])]);
    let client = ServiceBuilder::new()
        .layer(RetryOnRateLimit::new())
        .layer(ErrorClassifyLayer::new().error_for_status())
        .service(api.clone());
    let error = ServiceExt::<Request<Body>>::oneshot(client, post()).await.unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    assert_eq!((error.class(), api.count()), (Some(ErrorClass::Rejected), 2));
    assert!((7..=8).contains(&api.gaps()[0].as_secs()), "{:?}", api.gaps());
}

/// A gateway that responds 418 while it starts, and 200 with a header when it has had enough.
struct Gateway;

impl Classifier for Gateway {
    fn classify(&self, response: &ResponseHead<'_>) -> Option<ErrorClass> {
        match response.status() {
            StatusCode::IM_A_TEAPOT => Some(ErrorClass::Unavailable),
            StatusCode::OK if response.headers().contains_key("x-enough") => {
                Some(ErrorClass::RateLimited)
            }
            _ => Preset::Standard.classify(response),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_classifier_of_the_users_own_decides_what_responses_mean() -> Result<(), BoxError> {
    let replies: Script = &[(418, &[]), (200, &[("x-enough", "1")])];
    let api = script(replies);
    let response = send(&RetryOnRateLimit::new().classifier(Gateway), &api, get()).await?;
    assert_eq!((outcome(&response).attempts(), api.count()), (3, 3));

    let api = script(replies);
    let response = send(&RetryOnRateLimit::new(), &api, get()).await?;
    assert_eq!((response.status().as_u16(), api.count()), (418, 1));
    Ok(())
}
