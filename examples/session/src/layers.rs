//! The same with the layers. This is the part to copy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tower::ServiceExt;
use tower_heed::{
    BoxError, ErrorClassifyLayer, Stack, ThrottleLayer, TimeoutLayer, classify::AuthStatus,
};

use super::{
    provider::{Call, Provider},
    user::{Ended, Page},
};

/// How long a user looks at a page that loads.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all sessions of the app share.
pub struct Sessions {
    /// The limit is the app's, so a rejection of one user's recovery holds back that of all others, and nothing else.
    throttle: ThrottleLayer,
    timeout: TimeoutLayer,
}

// === impl Sessions ===

impl Sessions {
    pub fn new() -> Result<Self, BoxError> {
        let throttle = ThrottleLayer::new()
            .endpoint("POST /sessions/{id}/touch".parse()?, |config| config.own_quota());
        Ok(Self { throttle, timeout: TimeoutLayer::new(PATIENCE) })
    }

    /// One user's session.
    pub fn session(
        &self,
        provider: &Provider,
        user: usize,
    ) -> impl Future<Output = Result<Ended, BoxError>> + Send + use<> {
        let http = provider.client();
        let stack = Stack::new().throttle(self.throttle.clone()).call_timeout(self.timeout.clone());

        // The one whose requests start no recovery comes first: it is what recovery sends by.
        let classify = ErrorClassifyLayer::new();
        let recovering = stack.clone().classify(classify.clone()).service(http.clone());
        let sign_outs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sign_outs);
        let classify = classify.on_unauthenticated(move || {
            counted.fetch_add(1, SeqCst);
            let recovering = recovering.clone();
            // A rejection is waited out in here, once for the session and however often it is rejected.
            async move { drop(recovering.oneshot(Call::Touch.of(user)).await) }
        });
        let mut status = classify.status();
        let client = stack.classify(classify).service(http);

        async move {
            let token = client.clone().oneshot(Call::Token.of(user)).await?;
            let mut has_token = token.status().is_success();
            if status.get() == AuthStatus::Unauthenticated {
                // Recovery is under way: the page waits for its end, and asks once more.
                let recovered = status.until(|status| status == AuthStatus::Active);
                if let Ok(Some(_)) = tokio::time::timeout(PATIENCE, recovered).await {
                    has_token = client.oneshot(Call::Token.of(user)).await?.status().is_success();
                }
            }
            let page = if has_token { Page::Wanted } else { Page::Login };
            Ok(Ended { page, sign_outs: sign_outs.load(SeqCst) })
        }
    }
}
