//! The source around a source: what it asks of the inner one.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use store_contract::fleet::{Issuer, Process, key, keys};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt, service_fn};
use tower_heed::{
    TokenCacheLayer,
    error::{TokenError, TokenErrorKind},
    store::{SlotReply, SlotRequest, StoreName},
    token_cache::{FetchReason, Shared, Token, TokenKey, TokenRequest},
};

use super::Switch;
use crate::token_cache::support::SECOND;

/// A source that panics if a clone is called that was never made ready.
#[derive(Default)]
struct Strict {
    is_ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<TokenRequest> for Strict {
    type Response = Token;
    type Error = TokenError;
    type Future = std::future::Ready<Result<Token, TokenError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TokenError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "it was not made ready");
        std::future::ready(Token::bearer("t"))
    }
}

fn missing() -> TokenRequest {
    TokenRequest::new(TokenKey::new(), FetchReason::Missing)
}

#[tokio::test(start_paused = true)]
async fn the_inner_source_is_made_ready_with_the_store_and_without() {
    let switch = Switch::default();
    let source = Shared::new(key("strict"), Strict::default(), switch.store(), keys(1));
    source.clone().oneshot(missing()).await.unwrap();
    switch.turn(true);
    source.oneshot(missing()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_leaves_its_lease_and_no_more() {
    let switch = Switch::default();
    let panics = service_fn(|_: TokenRequest| async {
        panic!("the source's own panic");
        #[allow(unreachable_code, reason = "gives the type")]
        Ok::<Token, Infallible>(Token::bearer("t").unwrap())
    });
    let source = Shared::new(key("panics"), panics, switch.store(), keys(1));
    let panicked = tokio::spawn(source.oneshot(missing())).await;
    assert!(panicked.unwrap_err().is_panic());
    let issuer = Issuer::new(Duration::ZERO);
    let mut other = Process::new(switch.store(), &issuer, "panics");
    let (took, token) = other.fetch(FetchReason::Missing).await;
    token.unwrap();
    assert!(took < 4 * SECOND, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_22_the_cooldowns_of_all_processes_grow_as_those_of_one() {
    let switch = Switch::default();
    let issuer = Issuer::new(Duration::ZERO);
    issuer.fails(Some(TokenError::new(TokenErrorKind::Rejected)));
    let begun = Instant::now();
    // Each process fails once: a fleet is larger than the number of its failures.
    while Instant::now().saturating_duration_since(begun) < 3600 * SECOND {
        let mut process = Process::new(switch.store(), &issuer, "grows");
        assert!(process.fetch(FetchReason::Missing).await.1.is_err());
        sleep(SECOND).await;
    }
    // 5 s doubling to 5 min, and up to a half longer: as of one process.
    assert!((12..=19).contains(&issuer.begun()), "{} exchanges in an hour", issuer.begun());
}

#[cfg(feature = "client-credentials")]
#[tokio::test(start_paused = true)]
async fn rule_35_a_rejection_of_old_credentials_does_not_keep_new_ones_from_fetching() {
    use tower_heed::oauth::Credentials;

    let switch = Switch::default();
    let issuer = Issuer::new(Duration::ZERO);
    let process = |secret: &Credentials| {
        Process::new(switch.store(), &issuer, "credentials").source().credentials(secret)
    };
    let old = Credentials::secret("old").unwrap();
    issuer.fails(Some(TokenError::new(TokenErrorKind::Rejected)));
    process(&old).oneshot(missing()).await.unwrap_err();
    let told = process(&old).oneshot(missing()).await.unwrap_err();
    assert_eq!((told.kind(), issuer.begun()), (TokenErrorKind::Rejected, 1));
    assert!(!told.is_outdated());
    // This process is started with the new ones, and that one gets them.
    issuer.fails(None);
    let new = Credentials::secret("new").unwrap();
    process(&new).oneshot(missing()).await.unwrap();
    assert_eq!(issuer.begun(), 2);
    old.replace("new").unwrap();
    assert!(told.is_outdated(), "its cooldown ends at once");
    process(&old).oneshot(missing()).await.unwrap();
    assert_eq!(issuer.begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_1_keys_of_two_clients_share_no_token() {
    let (switch, issuer) = (Switch::default(), Issuer::new(Duration::ZERO));
    let source = Process::new(switch.store(), &issuer, "clients").source();
    let client = |id: &str| TokenKey::new().with_client("https://id.example/token", id, "none");
    let (one, other) = (client("one"), client("other"));
    let own = source.name(&TokenKey::new());
    assert_ne!(source.name(&one), source.name(&other));
    assert!(own != source.name(&one) && own == source.name(&key("clients")));
    let mut tokens = Vec::new();
    for key in [one.clone(), other, one] {
        let process = Process::new(switch.store(), &issuer, "clients");
        let request = TokenRequest::new(key, FetchReason::Missing);
        tokens.push(process.source().oneshot(request).await.unwrap());
    }
    assert_eq!(issuer.begun(), 2);
    assert!(tokens[0] == tokens[2] && tokens[0] != tokens[1]);
}

/// The 401s of two keys have used up what all processes together may fetch for them. The issuer is well.
#[tokio::test(start_paused = true)]
async fn rule_43_a_spent_budget_of_two_keys_holds_no_other_back() {
    let store = service_fn(|request: SlotRequest| async move {
        Ok::<_, Infallible>(match request {
            SlotRequest::Begin { slot, .. } if slot == named("well") => {
                SlotReply::Lead { fence: 1, failure: None }
            }
            SlotRequest::Begin { .. } => SlotReply::Keep,
            _ => SlotReply::Done,
        })
    });
    let source = Shared::new(key("budget"), Issuer::new(Duration::ZERO), store, keys(1));
    let handle = TokenCacheLayer::new(source).handle();
    for name in ["one", "other", "one", "other"] {
        let error = handle.token(&tenant(name)).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Unavailable);
        sleep(60 * SECOND).await;
    }
    handle.token(&tenant("one")).await.unwrap_err();
    handle.token(&tenant("other")).await.unwrap_err();
    handle.token(&tenant("well")).await.unwrap();
}

fn tenant(name: &str) -> TokenKey {
    TokenKey::new().with_organization(name)
}

/// The name of a tenant's token in the store of the test above.
fn named(name: &str) -> StoreName {
    let issuer = Issuer::new(Duration::ZERO);
    Shared::new(key("budget"), issuer, Switch::default().store(), keys(1)).name(&tenant(name))
}

#[test]
fn a_shared_source_can_be_a_layers_and_shows_no_secret() {
    fn is_source<S: Clone + Send + Sync + 'static>(source: S) -> S {
        source
    }
    let switch = Switch::default();
    let source = Shared::new(key("shown"), Issuer::new(SECOND), switch.store(), keys(1));
    let shown = format!("{:?}", is_source(source));
    assert!(shown.contains("Shared") && !shown.contains("7, 7"), "{shown}");
}
