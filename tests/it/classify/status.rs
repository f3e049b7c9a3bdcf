//! The session's status: what responses make of it, and who sees it.

use std::{future::ready, io};

use http::Request;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    ErrorClassifyLayer,
    classify::{
        AuthStatus::{self, *},
        Preset,
    },
    error::find,
    extensions::TokenReplaced,
};

use crate::support::{
    probe::{Body, ScriptedResponse, probe},
    scripted::{as_asked, get, response, scripted},
};

/// Brings a new session through these responses.
async fn after(layer: &ErrorClassifyLayer, statuses: &[u16]) -> AuthStatus {
    for status in statuses {
        let api = layer.layer(as_asked());
        api.oneshot(get(&format!("/{status}"))).await.unwrap();
    }
    layer.status().get()
}

#[tokio::test]
async fn a_response_changes_the_status_by_its_class() {
    for (status, from_active) in [
        (200, Active),
        (204, Active),
        (301, Active),
        (304, Active),
        (400, Active),
        (401, Unauthenticated),
        (403, Active),
        (404, Active),
        (408, Active),
        (409, Active),
        (420, Degraded),
        (422, Active),
        (425, Active),
        (429, Degraded),
        (500, Degraded),
        (501, Active),
        (503, Degraded),
        (504, Degraded),
        (505, Active),
        (529, Degraded),
    ] {
        assert_eq!(
            after(&ErrorClassifyLayer::new(), &[200, status]).await,
            from_active,
            "{status}"
        );
    }
}

#[tokio::test]
async fn only_a_success_ends_a_sign_out() {
    for status in [400, 401, 403, 404, 408, 429, 500, 503, 504] {
        let after = after(&ErrorClassifyLayer::new(), &[401, status]).await;
        assert_eq!(after, Unauthenticated, "{status}");
    }
    for status in [200, 204, 302, 304] {
        assert_eq!(after(&ErrorClassifyLayer::new(), &[401, status]).await, Active, "{status}");
    }
}

#[tokio::test]
async fn a_response_that_says_nothing_leaves_the_status_unknown() {
    assert_eq!(after(&ErrorClassifyLayer::new(), &[]).await, Unknown);
    assert_eq!(after(&ErrorClassifyLayer::new(), &[403, 404, 409]).await, Unknown);
}

#[tokio::test]
async fn the_classifier_decides_what_signs_out_but_for_a_429() {
    let clerk = ErrorClassifyLayer::new().classifier(Preset::Clerk);
    assert_eq!(after(&clerk, &[200, 422]).await, Unauthenticated);

    let strict = ErrorClassifyLayer::new().classifier(
        |response: &tower_heed::classify::ResponseHead<'_>| {
            (response.status() != 200).then_some(tower_heed::classify::ErrorClass::Unauthenticated)
        },
    );
    assert_eq!(after(&strict, &[200, 429]).await, Degraded);
    assert_eq!(after(&strict, &[418]).await, Unauthenticated);
}

#[tokio::test]
async fn an_error_changes_the_status_by_its_class() {
    let layer = ErrorClassifyLayer::new();
    let fails = |kind: io::ErrorKind| {
        layer.layer(service_fn(move |_: Request<Body>| {
            ready(Err::<http::Response<Body>, _>(io::Error::from(kind)))
        }))
    };
    for kind in
        [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset, io::ErrorKind::TimedOut]
    {
        assert_eq!(after(&layer, &[200]).await, Active);
        let error = fails(kind).oneshot(get("/")).await.unwrap_err();
        assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), kind);
        assert_eq!(layer.status().get(), Degraded, "{kind}");
    }
    assert_eq!(after(&layer, &[200]).await, Active);
    drop(fails(io::ErrorKind::Other).oneshot(get("/")).await.unwrap_err());
    assert_eq!(layer.status().get(), Active, "an error of unknown meaning");

    assert_eq!(after(&layer, &[401]).await, Unauthenticated);
    drop(fails(io::ErrorKind::ConnectionRefused).oneshot(get("/")).await.unwrap_err());
    assert_eq!(layer.status().get(), Unauthenticated);
}

#[tokio::test]
async fn the_error_of_a_layer_inside_counts_as_its_response_did() {
    let outer = ErrorClassifyLayer::new();
    let inner = ErrorClassifyLayer::new().error_for_status();
    let api = outer.layer(inner.layer(as_asked()));
    assert!(api.clone().oneshot(get("/429")).await.is_err());
    assert_eq!(outer.status().get(), Degraded);
    assert!(api.oneshot(get("/401")).await.is_err());
    assert_eq!(outer.status().get(), Unauthenticated);
}

#[tokio::test]
async fn clones_share_one_session_and_another_layer_has_its_own() {
    let layer = ErrorClassifyLayer::new();
    let clone = layer.clone().error_for_status();
    let other = ErrorClassifyLayer::new();
    assert_eq!(after(&layer, &[401]).await, Unauthenticated);
    assert_eq!(clone.status().get(), Unauthenticated);
    assert_eq!(other.status().get(), Unknown);
}

#[tokio::test]
async fn a_receiver_wakes_at_each_change_and_at_nothing_else() {
    let layer = ErrorClassifyLayer::new();
    let mut status = layer.status();
    for (response, changes) in [
        (404, false),
        (200, true),
        (200, false),
        (503, true),
        (429, false),
        (401, true),
        (429, false),
        (200, true),
    ] {
        after(&layer, &[response]).await;
        let mut change = task::spawn(status.changed());
        assert_eq!(change.poll().is_ready(), changes, "{response}");
    }
    drop(layer);
    assert_eq!(status.changed().await, None);
    assert_eq!(status.get(), Active, "the status stays what it was");
}

#[tokio::test]
async fn who_waits_for_a_status_sees_it_whenever_it_came_and_a_dropped_wait_misses_nothing() {
    let layer = ErrorClassifyLayer::new();
    let mut status = layer.status();
    assert_eq!(status.until(|now| now == Unknown).await, Some(Unknown), "at once");

    let mut copy = status.clone();
    let mut waiting = task::spawn(async move { copy.until(|now| now == Active).await });
    assert_pending!(waiting.poll());
    assert_pending!(task::spawn(status.changed()).poll());
    after(&layer, &[401]).await;
    assert!(waiting.is_woken());
    assert_pending!(waiting.poll(), "it is not what is wanted");
    after(&layer, &[503, 200]).await;
    assert_eq!(assert_ready!(waiting.poll()), Some(Active));

    assert_eq!(status.changed().await, Some(Active), "the last of several");
    let mut waiting = task::spawn(status.until(|now| now == Degraded));
    assert_pending!(waiting.poll());
    drop(layer);
    assert!(waiting.is_woken());
    assert_eq!(assert_ready!(waiting.poll()), None, "there will be none");
}

#[tokio::test]
async fn a_public_endpoint_says_nothing_about_the_session() {
    let layer =
        ErrorClassifyLayer::new().endpoint("GET /200".parse().unwrap(), |config| config.public());
    assert_eq!(after(&layer, &[401, 200]).await, Unauthenticated);
    assert_eq!(after(&layer, &[204]).await, Active);
    let layer =
        ErrorClassifyLayer::new().endpoint("/401".parse().unwrap(), |config| config.public());
    assert_eq!(after(&layer, &[401]).await, Unknown);
}

#[tokio::test]
async fn a_call_that_is_given_up_before_its_response_says_nothing() {
    let layer = ErrorClassifyLayer::new();
    let (api, watch) = probe(1);
    watch.push(ScriptedResponse::never());
    let mut call = task::spawn(layer.layer(api).oneshot(get("/")));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(layer.status().get(), Unknown);
    assert_eq!(watch.in_flight(), 0);
}

#[tokio::test]
async fn the_headers_can_make_a_403_a_limit_and_the_status_follows() {
    let limited = scripted(|_| response(403, &[("retry-after", "60")]));
    let layer = ErrorClassifyLayer::new().classifier(Preset::GitHub);
    layer.layer(limited.clone()).oneshot(get("/")).await.unwrap();
    assert_eq!(layer.status().get(), Degraded);
    let layer = ErrorClassifyLayer::new().classifier(Preset::Auth0);
    layer.layer(limited).oneshot(get("/")).await.unwrap();
    assert_eq!(layer.status().get(), Unknown);
}

#[test]
fn a_status_is_named_as_in_events() {
    for (status, name) in [
        (Unknown, "unknown"),
        (Active, "active"),
        (Degraded, "degraded"),
        (Unauthenticated, "unauthenticated"),
    ] {
        assert_eq!((status.as_str(), status.to_string()), (name, name.to_owned()));
    }
}

#[tokio::test]
async fn the_rejection_of_a_token_that_has_been_replaced_is_no_sign_out() {
    let api = scripted(|_| {
        let mut response = response(401, &[]);
        response.extensions_mut().insert(TokenReplaced);
        response
    });
    for layer in [ErrorClassifyLayer::new(), ErrorClassifyLayer::new().error_for_status()] {
        assert_eq!(after(&layer, &[200]).await, Active);
        let replaced = match layer.layer(api.clone()).oneshot(get("/")).await {
            Ok(response) => response.extensions().get().copied(),
            Err(error) => find::<tower_heed::Error>(&*error)
                .unwrap()
                .response()
                .unwrap()
                .extensions()
                .get()
                .copied(),
        };
        assert_eq!(replaced, Some(TokenReplaced), "the layers outside can act on it");
        assert_eq!(layer.status().get(), Active);
    }
}
