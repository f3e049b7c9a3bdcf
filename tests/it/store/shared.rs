//! Fleets of processes that share a token.

use std::time::Duration;

use store_contract::fleet::{self, Issuer, Process, all, longest, tokens};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;
use tower_heed::{
    TokenCacheLayer,
    error::TokenErrorKind,
    token_cache::{FetchReason, TokenKey, TokenRequest},
};

use super::Switch;
use crate::token_cache::support::{HOUR, SECOND};

#[tokio::test(start_paused = true)]
async fn rule_30_a_thousand_processes_share_one_token() {
    let switch = Switch::default();
    let stores: Vec<_> = (0..1000).map(|_| switch.store()).collect();
    fleet::cold_start("memory", &stores).await;
    let calls = switch.calls();
    // Four fetches each, one of which is denied at once.
    assert!(calls <= 1000 * 24, "{calls} calls");
}

#[tokio::test(start_paused = true)]
async fn rule_30_a_token_at_hand_costs_no_call_of_the_store() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let source = Process::new(switch.store(), &issuer, "hot").source();
    let handle = TokenCacheLayer::new(source).handle();
    handle.token(&TokenKey::new()).await.unwrap();
    let calls = switch.calls();
    assert_eq!(calls, 2, "begin and complete");
    for _ in 0..1000 {
        handle.token(&TokenKey::new()).await.unwrap();
    }
    assert_eq!(switch.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn rule_31_a_lease_is_renewed_while_an_issuer_is_slow() {
    let (switch, issuer) = (Switch::default(), Issuer::new(4 * SECOND));
    let mut processes = Process::fleet(&vec![switch.store(); 8], &issuer, "slow");
    let fetched = all(&mut processes, FetchReason::Missing).await;
    assert_eq!((issuer.begun(), tokens(&fetched).len()), (1, 1));
    assert!(longest(&fetched) < 5 * SECOND, "{:?}", longest(&fetched));
}

/// The issuer is well, and the leader's own network is not.
#[tokio::test(start_paused = true)]
async fn rule_31_a_leader_that_hangs_is_not_waited_for() {
    let (switch, issuer) = (Switch::default(), Issuer::new(HOUR));
    let mut fleet = Process::fleet(&vec![switch.store(); 8], &issuer, "hangs");
    let mut leader = fleet.pop().unwrap();
    let hangs = tokio::spawn(async move { leader.fetch(FetchReason::Missing).await });
    while issuer.begun() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    issuer.takes(SECOND / 2);
    let fetched = all(&mut fleet, FetchReason::Missing).await;
    assert!(longest(&fetched) < 9 * SECOND, "{:?}", longest(&fetched));
    assert_eq!((issuer.begun(), tokens(&fetched).len()), (2, 1));
    hangs.abort();
}

#[tokio::test(start_paused = true)]
async fn rule_31_each_goes_on_alone_when_no_leader_gets_a_token() {
    let (switch, issuer) = (Switch::default(), Issuer::new(HOUR));
    let mut fleet = Process::fleet(&vec![switch.store(); 4], &issuer, "all hang");
    let mut leaders: Vec<_> = fleet.drain(..2).collect();
    let hang = tokio::spawn(async move { all(&mut leaders, FetchReason::Missing).await });
    while issuer.begun() < 2 {
        sleep(Duration::from_millis(100)).await;
    }
    issuer.takes(SECOND / 2);
    let fetched = all(&mut fleet, FetchReason::Missing).await;
    assert!(longest(&fetched) <= 9 * SECOND, "{:?}", longest(&fetched));
    assert!(fetched.iter().all(|(_, token)| token.is_ok()));
    hang.abort();
}

#[tokio::test(start_paused = true)]
async fn rule_34_a_leader_that_dies_costs_its_lease_at_every_point() {
    let switch = Switch::default();
    fleet::leader_dies("memory", &vec![switch.store(); 4]).await;
}

#[tokio::test(start_paused = true)]
async fn rule_34_a_token_from_the_store_lives_as_long_as_it_has_left() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let first = TokenCacheLayer::new(Process::new(switch.store(), &issuer, "left").source());
    first.handle().token(&TokenKey::new()).await.unwrap();
    sleep(HOUR / 2).await;
    let second = TokenCacheLayer::new(Process::new(switch.store(), &issuer, "left").source());
    second.handle().token(&TokenKey::new()).await.unwrap();
    let shared = [&first, &second].map(|layer| layer.handle().snapshot()[0].is_shared());
    assert_eq!(shared, [false, true], "the first got it from the issuer");
    let left = second.handle().snapshot()[0].expires_in().unwrap();
    assert!(HOUR / 2 - SECOND < left && left <= HOUR / 2, "{left:?}");
    assert_eq!(issuer.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_35_what_the_issuer_says_to_one_it_says_to_all() {
    let switch = Switch::default();
    fleet::rate_limited("memory", &vec![switch.store(); 32]).await;
}

#[tokio::test(start_paused = true)]
async fn rule_35_a_late_401_of_an_old_token_costs_nothing() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let mut fleet = Process::fleet(&vec![switch.store(); 3], &issuer, "late");
    all(&mut fleet, FetchReason::Missing).await;
    fleet[0].fetch(FetchReason::Rejected).await.1.unwrap();
    assert_eq!(issuer.begun(), 2);
    sleep(HOUR / 4).await;
    for process in &mut fleet[1..] {
        process.fetch(FetchReason::Rejected).await.1.unwrap();
    }
    assert_eq!(issuer.begun(), 2, "they find the other one");
}

#[tokio::test(start_paused = true)]
async fn rule_32_keys_rotate_and_no_byte_can_be_changed() {
    fleet::keys_rotate("memory", &Switch::default().store()).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_in_one_process_are_one_fetch() {
    fleet::one_process("memory", &Switch::default().store()).await;
}

#[tokio::test(start_paused = true)]
async fn rule_33_a_store_that_is_down_fails_nothing_and_is_not_called_for_a_while() {
    let (switch, issuer) = (Switch::default(), Issuer::new(SECOND));
    let mut process = Process::new(switch.store(), &issuer, "down");
    switch.turn(true);
    let (took, token) = process.fetch(FetchReason::Missing).await;
    token.unwrap();
    assert!(took < 2 * SECOND, "{took:?}");
    assert_eq!(switch.calls(), 3);
    let (took, token) = process.fetch(FetchReason::Due).await;
    token.unwrap();
    assert_eq!((took, switch.calls()), (SECOND, 3));
    switch.turn(false);
    sleep(30 * SECOND).await;
    process.fetch(FetchReason::Due).await.1.unwrap();
    assert!(switch.calls() > 3);
    let mut other = Process::new(switch.store(), &issuer, "down");
    other.fetch(FetchReason::Missing).await.1.unwrap();
    assert_eq!(issuer.begun(), 3, "it is shared again");
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_does_not_come_back_from_the_store() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let source = Process::new(switch.store(), &issuer, "invalidated").source();
    let handle = TokenCacheLayer::new(source).handle();
    let first = handle.token(&TokenKey::new()).await.unwrap();
    handle.invalidate(&TokenKey::new());
    assert_ne!(handle.token(&TokenKey::new()).await.unwrap(), first);
    assert_ne!(handle.force_refresh(&TokenKey::new()).await.unwrap(), first);
    assert_eq!(issuer.begun(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_forgotten_is_fetched_by_the_next_that_has_none() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let mut fleet = Process::fleet(&vec![switch.store(); 3], &issuer, "forgotten");
    fleet[0].fetch(FetchReason::Missing).await.1.unwrap();
    fleet[1].source().forget(&TokenKey::new()).await.unwrap();
    fleet[2].fetch(FetchReason::Missing).await.1.unwrap();
    assert_eq!(issuer.begun(), 2);
    switch.turn(true);
    let error = fleet[1].source().forget(&TokenKey::new()).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn keys_are_shared_each_by_itself() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let process = Process::new(switch.store(), &issuer, "keys");
    let other = Process::new(switch.store(), &issuer, "other keys");
    for (source, audience) in
        [(&process, "a"), (&process, "b"), (&other, "c"), (&process, "a"), (&other, "c")]
    {
        let key = TokenKey::new().with_organization(audience);
        let request = TokenRequest::new(key, FetchReason::Missing);
        source.source().oneshot(request).await.unwrap();
    }
    assert_eq!(issuer.begun(), 3, "a missing token is taken, whoever stored it");
    let fresh = Process::new(switch.store(), &issuer, "keys");
    let request = TokenRequest::new(TokenKey::new().with_organization("b"), FetchReason::Missing);
    fresh.source().oneshot(request).await.unwrap();
    assert_eq!(issuer.begun(), 3);
}

/// A caller that leaves takes nothing with it: the fetch is the layer's.
#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_does_not_end_the_fetch_of_all() {
    let (switch, issuer) = (Switch::default(), Issuer::new(2 * SECOND));
    let source = Process::new(switch.store(), &issuer, "leaves").source();
    let handle = TokenCacheLayer::new(source).handle();
    let begun = Instant::now();
    assert!(timeout(SECOND, handle.token(&TokenKey::new())).await.is_err());
    let mut other = Process::new(switch.store(), &issuer, "leaves");
    other.fetch(FetchReason::Missing).await.1.unwrap();
    assert_eq!(issuer.begun(), 1);
    assert!(Instant::now().saturating_duration_since(begun) < 3 * SECOND);
}

/// Two layers around one source, as in a program that makes a stack for each of its APIs.
#[tokio::test(start_paused = true)]
async fn rule_30_a_second_layer_of_the_same_source_takes_the_token_of_the_first() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let source = Process::new(switch.store(), &issuer, "two layers").source();
    let [one, other] = [(); 2].map(|()| TokenCacheLayer::new(source.clone()).handle());
    let key = TokenKey::new();
    let first = one.token(&key).await.unwrap();
    assert_eq!((other.token(&key).await.unwrap(), issuer.begun()), (first.clone(), 1));
    // When it is due, each of them takes the next one, whichever fetches it.
    let mut present = first;
    for (round, handles) in [(1, [&one, &other]), (2, [&other, &one])] {
        sleep(3300 * SECOND).await;
        let mut next = Vec::new();
        for handle in handles {
            assert_eq!(handle.token(&key).await.unwrap(), present, "due, and fetched aside");
            sleep(SECOND).await;
            next.push(handle.token(&key).await.unwrap());
        }
        assert!(next[0] != present && next[0] == next[1], "{round}");
        assert_eq!(issuer.begun(), 1 + round);
        present = next.remove(0);
    }
}

/// The negative: what was invalidated is not taken again.
#[tokio::test(start_paused = true)]
async fn rule_36_a_token_that_was_invalidated_is_not_taken_from_the_store() {
    let (switch, issuer) = (Switch::default(), Issuer::new(SECOND));
    let source = Process::new(switch.store(), &issuer, "invalidated").source();
    let handle = TokenCacheLayer::new(source).handle();
    let key = TokenKey::new();
    let first = handle.token(&key).await.unwrap();
    handle.invalidate(&key);
    let second = handle.token(&key).await.unwrap();
    assert!(second != first && issuer.begun() == 2);
    // While another one is fetched, which then is of no use either.
    handle.invalidate(&key);
    let waits = tokio::spawn({
        let handle = handle.clone();
        async move { handle.token(&TokenKey::new()).await }
    });
    while issuer.begun() < 3 {
        sleep(Duration::from_millis(10)).await;
    }
    handle.invalidate(&key);
    let third = waits.await.unwrap().unwrap();
    let fourth = handle.token(&key).await.unwrap();
    assert!(fourth != third && issuer.begun() == 4, "{} exchanges", issuer.begun());
}
