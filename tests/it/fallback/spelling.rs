//! No spelling of a path makes a closed endpoint open.

use http::{Method, Response};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt};
use tower_heed::FallbackLayer;

use super::{Ended, ended};
use crate::support::{
    scripted::{response, scripted},
    spelling::{changes, request, spelled},
};

/// Open, but for what is said of permissions.
fn open() -> FallbackLayer {
    FallbackLayer::fail_open(|_| Response::new("ALLOWED"))
        .endpoint("GET /permissions/{id}".parse().unwrap(), |config| config.fail_closed())
}

/// Closed, but for flags.
fn closed() -> FallbackLayer {
    FallbackLayer::fail_closed().endpoint("GET /flags/{name}".parse().unwrap(), |config| {
        config.fail_open(|_| Response::new("off"))
    })
}

async fn ended_at(layer: &FallbackLayer, method: Method, path: &str) -> Ended {
    let mut client = layer.layer(scripted(|_| response(503, &[])));
    let outcome = client.ready().await.unwrap().call(request(method, path)).await;
    ended(&outcome)
}

#[tokio::test]
async fn a_closed_endpoint_is_closed_in_every_spelling() {
    for path in [
        "/permissions/1",
        "//permissions/1",
        "/permissions//1",
        "/permissions/1/",
        "/%70ermissions/1",
        "/%2570ermissions/1",
        "/permissions;x=1/1",
        "/permissions/1;x",
        "/permissions%3bx/1",
        "/permissions%2F1",
        "/PERMISSIONS/1",
        "/./permissions/1",
        "/flags/../permissions/1",
        "/flags/%2e%2e/permissions/1",
        "/flags/..;/permissions/1",
        "/permissions%5c1",
        "/%u0070ermissions/1",
    ] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(ended_at(&open(), method, path).await, Ended::Closed, "{path}");
        }
    }
    assert_eq!(ended_at(&open(), Method::POST, "/permissions/1").await, Ended::Open);
    assert_eq!(ended_at(&open(), Method::GET, "/permission/1").await, Ended::Open);
    assert_eq!(ended_at(&open(), Method::GET, "/permissions/1/2").await, Ended::Open);
}

#[tokio::test]
async fn parameters_are_spelled_as_they_have_to_be() {
    for path in ["/flags/a", "/flags/A%7Cb", "/flags/my%20flag", "/flags/caf%C3%A9", "/flags/a;v=1"]
    {
        assert_eq!(ended_at(&closed(), Method::GET, path).await, Ended::Open, "{path}");
    }
    // Each could be for an endpoint that is closed.
    for path in ["/flags/a%2Fb", "/flags/a/", "/flags/..", "/FLAGS/a", "/flags/%2e%2e", "/flags/;a"]
    {
        assert_eq!(ended_at(&closed(), Method::GET, path).await, Ended::Closed, "{path}");
    }
}

#[tokio::test]
async fn a_pattern_in_another_spelling_closes_too() {
    for pattern in
        ["/Permissions/{id}", "/%70ermissions/{id}", "/permissions/{id}/", "//permissions/{id}"]
    {
        let layer = FallbackLayer::fail_open(|_| Response::new("ALLOWED"))
            .endpoint(pattern.parse().unwrap(), |config| config.fail_closed());
        assert_eq!(
            ended_at(&layer, Method::GET, "/permissions/1").await,
            Ended::Closed,
            "{pattern}"
        );
        assert_eq!(ended_at(&layer, Method::GET, "/other/1").await, Ended::Open, "{pattern}");
    }
}

#[tokio::test]
async fn a_closed_method_is_closed_beside_an_open_one() {
    for patterns in [["GET /x", "HEAD /x"], ["HEAD /x", "GET /x"]] {
        let mut layer = FallbackLayer::fail_open(|_| Response::new(""));
        for pattern in patterns {
            layer = layer.endpoint(pattern.parse().unwrap(), |config| match pattern {
                "GET /x" => config.fail_closed(),
                _ => config,
            });
        }
        assert_eq!(ended_at(&layer, Method::HEAD, "/x").await, Ended::Closed);
        assert_eq!(ended_at(&layer, Method::POST, "/x").await, Ended::Open);
    }
}

/// A server may see only one of the deviations.
#[tokio::test]
async fn each_deviation_may_be_seen_or_not() {
    let layer = |pattern: &str| {
        FallbackLayer::fail_open(|_| Response::new("ALLOWED"))
            .endpoint(pattern.parse().unwrap(), |config| config.fail_closed())
    };
    for (pattern, path) in [
        ("/admin/{*path}", "/ADMIN/;x"),
        ("/admin/{*path}", "/%61dmin//"),
        ("/admin/{*path}", "/ADMIN/a/"),
        ("/files/{name}.json", "/FILES/1;a.json"),
        ("/users/{id}/roles", "/USERS/;1/roles"),
        ("/users/{id}/roles", "/USERS/1%3Fx/roles"),
        ("/users/{id}", "/USERS/1%3Fx/roles"),
        ("/users/{id}", "/users/1%23x/roles"),
    ] {
        assert_eq!(
            ended_at(&layer(pattern), Method::GET, path).await,
            Ended::Closed,
            "{pattern} {path}"
        );
    }
}

/// A server takes a `POST` for the method that it names.
#[tokio::test]
async fn a_field_with_another_method_opens_no_closed_endpoint() {
    let layer = FallbackLayer::fail_open(|_| Response::new("ALLOWED"))
        .endpoint("DELETE /users/{id}".parse().unwrap(), |config| config.fail_closed());
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let mut client = layer.layer(scripted(|_| response(503, &[])));
        let mut overriding = request(Method::POST, "/users/1");
        overriding.headers_mut().insert(name, "DELETE".parse().unwrap());
        let outcome = client.ready().await.unwrap().call(overriding).await;
        assert_eq!(ended(&outcome), Ended::Closed, "{name}");
    }
    assert_eq!(ended_at(&layer, Method::POST, "/users/1").await, Ended::Open);
}

proptest! {
    #[test]
    fn no_spelling_opens_a_closed_endpoint(changes in changes(), is_head: bool) {
        let path = spelled("/permissions/1", &changes);
        let method = if is_head { Method::HEAD } else { Method::GET };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended = runtime.block_on(ended_at(&open(), method, &path));
        prop_assert_eq!(ended, Ended::Closed, "{}", path);
    }

    /// What is a parameter or an empty segment to one server is a part of the path to another.
    #[test]
    fn no_spelling_of_the_prefix_opens_what_is_under_it(
        changes in changes(),
        end in "(/|//|/;x|/;1/roles|/1;a[.]json|/1/)",
    ) {
        let path = spelled("/permissions", &changes) + &end;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let layer = FallbackLayer::fail_open(|_| Response::new("ALLOWED"))
            .endpoint("/permissions/{*rest}".parse().unwrap(), |config| config.fail_closed());
        let ended = runtime.block_on(ended_at(&layer, Method::GET, &path));
        prop_assert_eq!(ended, Ended::Closed, "{}", path);
    }
}
