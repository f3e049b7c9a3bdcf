//! An issuer in trouble.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::sleep;
use tower_service::Service;

use super::{
    HOUR,
    world::{Exchange, World},
};
use crate::{
    error::{TokenError, TokenErrorKind},
    token_cache::{Token, TokenRequest},
};

/// An issuer whose tokens have this lifetime.
#[derive(Clone)]
pub(super) struct Issuer {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) lifetime: Duration,
}

// === impl Issuer ===

impl Service<TokenRequest> for Issuer {
    type Response = Token;
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TokenError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        let (lifetime, mut world) = (self.lifetime, self.world.lock().unwrap());
        let fault = world.fault();
        let unreachable = match &fault {
            Some((delay, error)) => {
                *delay == HOUR
                    || error.as_ref().is_none_or(|e| e.kind() == TokenErrorKind::Unavailable)
            }
            None => false,
        };
        let at = world.now();
        world.exchanges.push(Exchange { at, unreachable });
        let number = world.exchanges.len();
        drop(world);
        Box::pin(async move {
            if let Some((delay, error)) = fault {
                sleep(delay).await;
                match error {
                    Some(error) => return Err(error),
                    None => panic!("the source's own panic"),
                }
            }
            Ok(Token::bearer(format!("token-{number}"))?.expires_in(lifetime))
        })
    }
}
