//! Which requests share a circuit, and how many there are.

use http::Request;

use super::*;
use crate::support::scripted::{response, scripted};

async fn ended_at(client: &Client, uri: &str) -> String {
    let mut client = client.clone();
    let request = Request::get(uri).body(Body::default()).unwrap();
    match client.ready().await.unwrap().call(request).await {
        Ok(response) => response.status().as_str().to_owned(),
        Err(error) => if is_open(&error) { "open" } else { "error" }.to_owned(),
    }
}

/// Fails what has `down` in its URI.
fn down(layer: &CircuitBreakerLayer) -> Client {
    layer.layer(scripted(|request| {
        let is_down = request.uri().to_string().to_lowercase().contains("down");
        response(if is_down { 503 } else { 200 }, &[])
    }))
}

#[tokio::test(start_paused = true)]
async fn each_origin_has_a_circuit_however_it_is_spelled() {
    let client = down(&CircuitBreakerLayer::new());
    for uri in [
        "https://down.example/1",
        "https://DOWN.example/2?q=1",
        "https://down.example:443/3",
        "https://user@down.example/4",
        "https://down.example:/5",
    ] {
        assert_eq!(ended_at(&client, uri).await, "503", "{uri}");
    }
    assert_eq!(ended_at(&client, "https://down.example/6").await, "open");
    for other in ["https://down.example:8443/", "http://down.example/", "https://down2.example/"] {
        assert_eq!(ended_at(&client, other).await, "503", "{other}");
    }
    assert_eq!(ended_at(&client, "https://up.example/").await, "200");
}

#[tokio::test(start_paused = true)]
async fn one_endpoint_of_ten_opens_nothing_for_the_others() {
    let client = down(&CircuitBreakerLayer::new());
    for round in 0..100 {
        for endpoint in ["a", "b", "c", "down", "e", "f", "g", "h", "i", "j"] {
            let expected = if endpoint == "down" { "503" } else { "200" };
            let uri = format!("https://api.example/{endpoint}/{round}");
            assert_eq!(ended_at(&client, &uri).await, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_may_have_its_own() {
    let layer = CircuitBreakerLayer::new()
        .endpoint("/down/{id}".parse().unwrap(), |config| config.own_circuit())
        .endpoint("/down/health".parse().unwrap(), |config| config.exempt())
        .endpoint("/down/shared".parse().unwrap(), |config| config.common_circuit());
    let client = down(&layer);
    for id in 0..5 {
        assert_eq!(ended_at(&client, &format!("https://api.example/down/{id}")).await, "503");
        assert_eq!(ended_at(&client, "https://api.example/up").await, "200");
    }
    assert_eq!(ended_at(&client, "https://api.example/down/6").await, "open");
    assert_eq!(ended_at(&client, "https://api.example/up").await, "200");
    for _ in 0..20 {
        assert_eq!(ended_at(&client, "https://api.example/down/health").await, "503");
    }
    let snapshot = layer.handle().snapshot();
    assert_eq!(snapshot.len(), 1);
    assert_eq!(snapshot[0].key(), "https://api.example /down/{id}");
    for _ in 0..5 {
        assert_eq!(ended_at(&client, "https://api.example/down/shared").await, "503");
    }
    assert_eq!(ended_at(&client, "https://api.example/up").await, "open");
}

#[tokio::test(start_paused = true)]
async fn more_keys_than_there_is_room_for_are_protected_in_part() {
    let layer = CircuitBreakerLayer::new();
    let client = down(&layer);
    let mut open = 0;
    for _ in 0..30 {
        for host in 0..2_000 {
            let uri = format!("https://down-{host}.example/");
            open += u32::from(ended_at(&client, &uri).await == "open");
        }
    }
    let snapshot = layer.handle().snapshot();
    let protects = snapshot.iter().filter(|circuit| circuit.state() == CircuitState::Open).count();
    assert!(snapshot.len() <= 1_000, "{} are kept", snapshot.len());
    assert!(protects > 500, "{protects} are open");
    assert!(open > 10_000, "{open} of 60,000 were rejected");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_not_evicted() {
    let layer = CircuitBreakerLayer::new().open_for(600 * SECOND, 600 * SECOND);
    let client = down(&layer);
    for _ in 0..5 {
        assert_eq!(ended_at(&client, "https://down.example/").await, "503");
    }
    for host in 0..20_000 {
        drop(ended_at(&client, &format!("https://down-{host}.example/")).await);
    }
    assert_eq!(ended_at(&client, "https://down.example/").await, "open");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_well_again_holds_nothing() {
    let (layer, client, watch) = breaker();
    fail(&client, &watch, 1).await;
    for _ in 0..200 {
        assert_eq!(ended(&client, "/").await, "200");
    }
    assert!(layer.handle().snapshot().is_empty());
    // Nor does one that nobody calls any more.
    fail(&client, &watch, 5).await;
    tokio::time::sleep(600 * SECOND).await;
    let other = Request::get("https://other.example/").body(Body::default()).unwrap();
    assert!(client.clone().ready().await.unwrap().call(other).await.is_ok());
    assert!(layer.handle().snapshot().is_empty());
}
