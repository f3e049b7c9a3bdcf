//! Connections, of which no more are open at a time than there are workers.
//!
//! A job that begins the moment another ends finds that one's connection not yet back in the pool, and hyper-util would make
//! another. Here it waits until a connection is free, and takes the one from the pool.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::Service;
use tower_heed::BoxError;

use super::tally::Tally;

/// Makes connections and counts them.
#[derive(Clone, Debug)]
pub struct Connector {
    inner: HttpConnector,
    places: Arc<Semaphore>,
    tally: Tally,
}

/// A connection, which has its place until it is closed.
#[derive(Debug)]
pub struct Placed {
    io: TokioIo<TcpStream>,
    _place: OwnedSemaphorePermit,
}

// === impl Connector ===

impl Connector {
    pub fn new(tally: &Tally, most: usize) -> Self {
        let mut inner = HttpConnector::new();
        inner.set_nodelay(true);
        Self { inner, places: Arc::new(Semaphore::new(most)), tally: tally.clone() }
    }
}

impl Service<Uri> for Connector {
    type Response = Placed;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Placed, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (mut inner, places, tally) =
            (self.inner.clone(), Arc::clone(&self.places), self.tally.clone());
        Box::pin(async move {
            let place = places.acquire_owned().await?;
            let io = inner.call(uri).await?;
            tally.connected();
            Ok(Placed { io, _place: place })
        })
    }
}

// === impl Placed ===

impl Connection for Placed {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}

impl Read for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}
