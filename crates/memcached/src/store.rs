//! The store.

use std::{
    fmt,
    future::Future,
    io::{Error, Result},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tower_heed::store::{QuotaReply, QuotaRequest, SlotReply, SlotRequest};
use tower_service::Service;

use crate::{
    client::{Client, Io},
    clock::Clock,
    quota, slot,
};

/// The reply of a [`Store`], on its way.
pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// What processes share, in one Memcached server.
///
/// Clones share the connections. See the [front page](crate) for an example.
#[derive(Clone)]
pub struct Store {
    client: Arc<Client>,
    /// The time that all processes share.
    clock: Arc<Mutex<Clock>>,
}

// === impl Store ===

impl Store {
    /// Shares through the server at this address, `memcached.internal:11211` for example, in clear text: what is stored is sealed. The
    /// name is looked up for each new connection.
    #[must_use]
    pub fn tcp(address: impl Into<String>) -> Self {
        let address: Arc<str> = address.into().into();
        Self::new(move || {
            let address = Arc::clone(&address);
            async move {
                let stream = TcpStream::connect(&*address).await?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
        })
    }

    /// Shares through the server that `connect` makes a connection to: over TLS, over a Unix socket, or with a login. It is called when
    /// no connection is idle, so that a server that was started anew is found again.
    pub fn new<F, R, T>(connect: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connect = move || {
            let connecting = connect();
            let boxed = async move { Ok(Box::new(connecting.await?) as Box<dyn Io>) };
            Box::pin(boxed) as _
        };
        let client = Arc::new(Client::new(Box::new(connect)));
        Self { client, clock: Arc::new(Mutex::new(Clock::new())) }
    }
}

impl Service<SlotRequest> for Store {
    type Response = SlotReply;
    type Error = Error;
    type Future = Reply<SlotReply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: SlotRequest) -> Self::Future {
        let client = Arc::clone(&self.client);
        Box::pin(async move { slot::call(&client, request).await })
    }
}

impl Service<QuotaRequest> for Store {
    type Response = QuotaReply;
    type Error = Error;
    type Future = Reply<QuotaReply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: QuotaRequest) -> Self::Future {
        let (client, clock) = (Arc::clone(&self.client), Arc::clone(&self.clock));
        Box::pin(async move { quota::call(&client, &clock, request).await })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
