//! How long a circuit is open, and how it closes.

use tokio_test::{assert_pending, task};

use super::*;

#[tokio::test(start_paused = true)]
async fn one_probe_that_succeeds_closes_it() {
    let (layer, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    tokio::time::sleep(4_999 * SECOND / 1_000).await;
    assert_eq!(ended(&client, "/").await, "open");
    wait_for_probe(1).await;
    assert_eq!(state(&layer), CircuitState::HalfOpen);
    assert_eq!(ended(&client, "/").await, "200");
    assert_eq!(state(&layer), CircuitState::Closed);
    for _ in 0..10 {
        assert_eq!(ended(&client, "/").await, "200");
    }
}

#[tokio::test(start_paused = true)]
async fn each_probe_that_fails_doubles_the_time_up_to_a_minute() {
    let (_, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    for secs in [5, 10, 20, 40, 60, 60, 60] {
        tokio::time::sleep(SECOND * secs - SECOND / 1_000).await;
        assert_eq!(ended(&client, "/").await, "open", "{secs}");
        tokio::time::sleep(SECOND * secs / 10 + SECOND / 500).await;
        fail(&client, &watch, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_request_probes_of_a_thousand() {
    let (_, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    wait_for_probe(5).await;
    let before = watch.attempts();
    watch.push(ScriptedResponse::never());
    let mut probing = task::spawn(call(&client, "/"));
    assert_pending!(probing.poll());
    for _ in 0..1_000 {
        assert_eq!(ended(&client, "/").await, "open");
    }
    assert_eq!(watch.attempts(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_leaves_does_not_lock_it() {
    let (layer, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    wait_for_probe(5).await;
    watch.push(ScriptedResponse::never());
    let mut probing = task::spawn(call(&client, "/"));
    assert_pending!(probing.poll());
    drop(probing);
    // At once: that says nothing, and the next one probes.
    assert_eq!(ended(&client, "/").await, "200");
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn callers_who_leave_do_not_keep_it_open() {
    let (layer, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    wait_for_probe(5).await;
    for _ in 0..10 {
        watch.push(ScriptedResponse::never());
        assert!(tokio::time::timeout(2 * SECOND, call(&client, "/")).await.is_err());
    }
    assert_eq!(ended(&client, "/").await, "200");
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_does_not_lock_it() {
    let (layer, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    wait_for_probe(5).await;
    watch.push(ScriptedResponse::never());
    let mut hanging = task::spawn(call(&client, "/"));
    assert_pending!(hanging.poll());
    tokio::time::sleep(10 * SECOND).await;
    // It counts as failed, and the circuit is open for longer.
    assert_eq!(ended(&client, "/").await, "open");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(ended(&client, "/").await, "200");
    drop(hanging);
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_late_response_to_a_probe_closes_it() {
    let (layer, client, watch) = breaker();
    fail(&client, &watch, 5).await;
    wait_for_probe(5).await;
    watch.push(
        ScriptedResponse::from(crate::support::scripted::response(200, &[])).after(30 * SECOND),
    );
    let slow = tokio::spawn({
        let client = client.clone();
        async move { ended(&client, "/").await }
    });
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(ended(&client, "/").await, "open");
    assert_eq!(slow.await.unwrap(), "200");
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_up_to_an_hour() {
    for (asked, secs) in [("2", 5), ("120", 120), ("86400", 3_600)] {
        let (_, client, watch) = breaker();
        for _ in 0..5 {
            watch.respond(503, &[("retry-after", asked)]);
            assert_eq!(ended(&client, "/").await, "503");
        }
        tokio::time::sleep(SECOND * secs - SECOND / 1_000).await;
        assert_eq!(ended(&client, "/").await, "open", "{asked}");
        wait_for_probe(1).await;
        assert_eq!(ended(&client, "/").await, "200", "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_sent_before_do_not_count_afterwards() {
    let (layer, client, watch) = breaker();
    let failing = || ScriptedResponse::from(crate::support::scripted::response(503, &[]));
    let mut late = Vec::new();
    for _ in 0..20 {
        watch.push(failing().after(20 * SECOND));
        let client = client.clone();
        late.push(tokio::spawn(async move { ended(&client, "/").await }));
    }
    tokio::time::sleep(SECOND).await;
    fail(&client, &watch, 5).await;
    wait_for_probe(5).await;
    assert_eq!(ended(&client, "/").await, "200");
    for late in late {
        assert_eq!(late.await.unwrap(), "503");
    }
    assert_eq!(state(&layer), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_limit_or_a_rejection_shows_that_it_is_back() {
    for status in [429, 404, 401] {
        let (layer, client, watch) = breaker();
        fail(&client, &watch, 5).await;
        wait_for_probe(5).await;
        watch.respond(status, &[]);
        assert_eq!(ended(&client, "/").await, status.to_string());
        assert_eq!(state(&layer), CircuitState::Closed);
    }
}
