//! How others see to it that one fetch is made for many callers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::HeaderValue;
use moka::future::Cache;
use tokio::sync::{Mutex, OnceCell, RwLock};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    TokenCacheLayer,
    error::TokenError,
    token_cache::{Token, TokenCache, TokenRequest},
};

use super::{
    places::KEY,
    setting::{Api, DAY, ORIGIN, TOKEN, header, request},
};

pub(super) const FETCH: Duration = Duration::from_millis(50);

/// A token endpoint that takes [`FETCH`] for a response.
#[derive(Clone)]
pub(super) struct Issuer {
    pub(super) fetches: Arc<AtomicUsize>,
    fails: bool,
}

/// Makes a cache with nothing in it.
pub(super) type Empty = fn(&Issuer) -> Sharing;

/// A cold cache of one token.
#[derive(Clone)]
pub(super) enum Sharing {
    Ours(TokenCache<Api>),
    Moka(Cache<&'static str, HeaderValue>),
    Lock(Arc<RwLock<Option<HeaderValue>>>),
    Mutex(Arc<Mutex<Option<HeaderValue>>>),
    Once(Arc<OnceCell<HeaderValue>>),
}

// === impl Issuer ===

impl Issuer {
    pub(super) fn new(fails: bool) -> Self {
        Self { fetches: Arc::default(), fails }
    }

    async fn fetch(&self) -> Result<HeaderValue, TokenError> {
        self.fetches.fetch_add(1, Relaxed);
        tokio::time::sleep(FETCH).await;
        if self.fails { Err(TokenError::of_source("rejected")) } else { Ok(header()) }
    }
}

// === impl Sharing ===

impl Sharing {
    /// Each kind, and how an empty one is made.
    pub(super) const ALL: [(&str, Empty); 5] = [
        ("ours", Self::ours),
        ("moka, try_get_with", |_| Self::Moka(Cache::builder().time_to_live(DAY).build())),
        ("tokio OnceCell", |_| Self::Once(Arc::default())),
        ("tokio RwLock, checked again", |_| Self::Lock(Arc::default())),
        ("tokio Mutex held", |_| Self::Mutex(Arc::default())),
    ];

    fn ours(issuer: &Issuer) -> Self {
        let issuer = issuer.clone();
        let source = service_fn(move |_: TokenRequest| {
            let issuer = issuer.clone();
            async move {
                issuer.fetch().await?;
                Ok::<_, TokenError>(Token::bearer(TOKEN)?.expires_in(DAY))
            }
        });
        Self::Ours(TokenCacheLayer::new(source).allow_origin(ORIGIN.parse().unwrap()).layer(Api))
    }

    /// One caller; whether it was served.
    pub(super) async fn call(self, issuer: Issuer) -> bool {
        match self {
            Self::Ours(client) => client.oneshot(request()).await.is_ok(),
            Self::Moka(cache) => cache.try_get_with(KEY, issuer.fetch()).await.is_ok(),
            Self::Once(cell) => cell.get_or_try_init(|| issuer.fetch()).await.is_ok(),
            Self::Lock(lock) => {
                if lock.read().await.is_some() {
                    return true;
                }
                let mut place = lock.write().await;
                if place.is_none() {
                    *place = issuer.fetch().await.ok();
                }
                place.is_some()
            }
            Self::Mutex(mutex) => {
                let mut place = mutex.lock().await;
                if place.is_none() {
                    *place = issuer.fetch().await.ok();
                }
                place.is_some()
            }
        }
    }
}
