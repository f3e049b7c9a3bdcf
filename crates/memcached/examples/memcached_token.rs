//! Four processes, one token: `cargo run -p tower-heed-memcached --example memcached_token`.
//!
//! `MEMCACHED_ADDRESS` names the server, `127.0.0.1:11211` if it is not set. Without a server it works as well: each process then fetches
//! a token of its own.

#![allow(clippy::print_stdout, reason = "an example")]

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};
use tower::service_fn;
use tower_heed::{
    BoxError, TokenCacheLayer,
    error::TokenError,
    store::SealingKeys,
    token_cache::{Shared, Token, TokenKey, TokenRequest},
};
use tower_heed_memcached::Store;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let address = env::var("MEMCACHED_ADDRESS").unwrap_or_else(|_| "127.0.0.1:11211".to_owned());
    let exchanges = Arc::new(AtomicUsize::new(0));
    let mut processes = JoinSet::new();
    for process in 1..=4 {
        let store = Store::tcp(address.as_str());
        let exchanges = Arc::clone(&exchanges);
        // Stands for `ClientCredentials`.
        let source = service_fn(move |_: TokenRequest| {
            let number = exchanges.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                sleep(Duration::from_millis(300)).await;
                let token = Token::bearer(format!("token-{number}"))?;
                Ok::<_, TokenError>(token.expires_in(Duration::from_secs(60)))
            }
        });
        let own = TokenKey::new().with_client("https://id.example/token", "example", "none");
        // From a secret store, the same in all processes.
        let keys = SealingKeys::new(&[1; 32], 1, &[2; 32]);
        let source = Shared::new(own, source, store, keys);
        let handle = TokenCacheLayer::new(source).handle();
        processes.spawn(async move {
            let token = handle.token(&TokenKey::new()).await?;
            let shown = String::from_utf8_lossy(token.header_value().as_bytes()).into_owned();
            Ok::<_, TokenError>((process, shown))
        });
    }
    while let Some(joined) = processes.join_next().await {
        let (process, token) = joined??;
        println!("process {process} has {token}");
    }
    println!("{} requests to the issuer", exchanges.load(Ordering::Relaxed));
    Ok(())
}
