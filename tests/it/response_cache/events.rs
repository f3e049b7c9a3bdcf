//! Events.

use super::*;
use crate::support::events::Events;

#[tokio::test(start_paused = true)]
async fn state_changes_are_logged_once_with_the_pattern_alone() {
    let events = Events::record();
    let api = Api::new();
    let layer = layer();
    let mut client = client(&layer, &api);
    let secret = || with_headers("/users/sesame", &[("authorization", "Bearer sesame")]);
    send(&mut client, secret()).await.unwrap();
    assert_eq!(events.named("response stored").len(), 1);
    advance(60 * SECOND).await;
    api.responds(429, &[("retry-after", "5")]);
    for _ in 0..3 {
        send(&mut client, secret()).await.unwrap();
    }
    let stale = events.named("serving stale responses");
    assert_eq!(stale.len(), 1);
    assert_eq!(
        (stale[0].field("endpoint"), stale[0].field("class")),
        (Some("GET /users/{id}"), Some("rate_limited"))
    );
    advance(10 * SECOND).await;
    api.responds(200, &[]);
    send(&mut client, secret()).await.unwrap();
    assert_eq!(events.named("server recovered").len(), 1);
    send(&mut client, of("PATCH", "/users/sesame")).await.unwrap();
    assert_eq!(events.named("resource invalidated by a write").len(), 1);
    layer.handle().invalidate("id", "sesame");
    assert_eq!(events.named("responses invalidated").len(), 1);
    assert!(!events.text().contains("sesame"), "{}", events.text());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forbids_storing_is_logged_once() {
    let events = Events::record();
    let api = Api::new();
    api.responds(200, &[("cache-control", "no-store")]);
    let mut client = client(&layer(), &api);
    for user in 0..3 {
        send(&mut client, get(&format!("/users/{user}"))).await.unwrap();
    }
    assert_eq!(events.named("response not stored").len(), 3);
    let warned = events.named("the server's responses cannot be stored, each request is sent");
    assert_eq!(warned.len(), 1);
    assert_eq!(warned[0].field("reason"), Some("no_store"));
}
