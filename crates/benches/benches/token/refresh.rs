//! How long a caller waits at most while tokens end and are replaced.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    TokenCacheLayer,
    error::TokenError,
    token_cache::{Token, TokenRequest},
};

use super::{
    setting::{Api, ORIGIN, TOKEN, request},
    sharing::FETCH,
};

const LIFE: Duration = Duration::from_secs(1);
const SPAN: Duration = Duration::from_secs(5);

pub(super) async fn refresh() {
    let fetches = Arc::new(AtomicUsize::new(0));
    let source = service_fn({
        let fetches = Arc::clone(&fetches);
        move |_: TokenRequest| {
            fetches.fetch_add(1, Relaxed);
            async {
                tokio::time::sleep(FETCH).await;
                Ok::<_, TokenError>(Token::bearer(TOKEN)?.expires_in(LIFE))
            }
        }
    });
    let client = TokenCacheLayer::new(source).allow_origin(ORIGIN.parse().unwrap()).layer(Api);
    client.clone().oneshot(request()).await.unwrap();
    let (start, mut calls, mut longest) = (Instant::now(), 0_u32, Duration::ZERO);
    while start.elapsed() < SPAN {
        let begun = Instant::now();
        client.clone().oneshot(request()).await.unwrap();
        longest = longest.max(begun.elapsed());
        calls += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!(
        "\ntokens of {LIFE:?}, a fetch of {FETCH:?}: {} fetches in {SPAN:?}, {calls} calls, the longest took {longest:?}",
        fetches.load(Relaxed),
    );
}
