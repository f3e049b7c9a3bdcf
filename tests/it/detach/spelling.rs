//! No spelling of a path detaches a request that is another endpoint's.

use http::Method;
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt};
use tower_heed::DetachLayer;

use crate::support::{
    scripted::{response, scripted},
    spelling::{changes, request, spelled},
};

async fn is_detached(layer: &DetachLayer, method: Method, path: &str) -> bool {
    let mut client = layer.layer(scripted(|_| response(200, &[])));
    client.ready().await.unwrap().call(request(method, path)).await.unwrap().status() == 202
}

fn layer(pattern: &str) -> DetachLayer {
    DetachLayer::new()
        .endpoint(pattern.parse().unwrap(), |config| config)
        .endpoint("POST /logs/audit".parse().unwrap(), |config| config.attached())
}

#[tokio::test]
async fn an_endpoint_is_detached_as_it_is_named_only() {
    let logs = layer("POST /logs/{*rest}");
    for path in ["/logs/a", "/logs/a/B", "/logs/a%7Cb", "/logs/A;v=1", "/logs/a%2Fb"] {
        assert!(is_detached(&logs, Method::POST, path).await, "{path}");
    }
    for path in [
        "/logs/../audit",
        "/logs/%2e%2E/audit",
        "/logs/..;/audit",
        "/logs/..%2faudit",
        "/logs/AUDIT",
        "/logs/%61udit",
        "/logs//audit",
        "/logs/audit/",
        "/logs/audit;x",
        "/Logs/a",
        "//logs/a",
        "/logs",
    ] {
        assert!(!is_detached(&logs, Method::POST, path).await, "{path}");
    }
}

#[tokio::test]
async fn a_safe_method_is_detached_only_by_name() {
    let any = layer("/logs/{*rest}");
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"] {
        let method: Method = method.parse().unwrap();
        assert!(!is_detached(&any, method, "/logs/a").await);
    }
    assert!(is_detached(&any, Method::PUT, "/logs/a").await);
    let get = layer("GET /logs/{*rest}");
    assert!(is_detached(&get, Method::GET, "/logs/a").await);
    assert!(!is_detached(&get, Method::HEAD, "/logs/a").await);
}

proptest! {
    #[test]
    fn no_spelling_detaches_a_foreign_endpoint(changes in changes(), within: bool) {
        let path = spelled(if within { "/logs/audit" } else { "/audit/1" }, &changes);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let logs = layer("POST /logs/{*rest}");
        prop_assert!(!runtime.block_on(is_detached(&logs, Method::POST, &path)), "{}", path);
    }
}
