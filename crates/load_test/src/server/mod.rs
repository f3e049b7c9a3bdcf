//! A server with a limit: HTTP/1.1 on 127.0.0.1, and a limiter that counts as servers do.
//!
//! An accepted request takes five milliseconds, a rejected one gets 429 at once.

mod ideal;
mod mode;
mod path;
mod state;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use self::state::State;
pub use self::{mode::Mode, path::Path};

/// What an accepted request takes.
pub const TAKES: Duration = Duration::from_millis(5);

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    /// Ends with the server.
    _connections: JoinSet<()>,
}

// === impl Server ===

impl Server {
    /// Starts on `port`, or on any for zero. Each request and response is delayed by what `path` takes.
    pub async fn start(mode: Mode, port: u16, path: Path) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(mode, path));
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { address, state, _connections: connections })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Requests that got 429.
    pub fn rejected(&self) -> usize {
        self.state.rejected()
    }

    /// How long a client that knows the limiter takes, if it begins now. To be asked before the first request.
    pub fn ideal(&self, jobs: usize, workers: usize) -> Duration {
        let nanos = self.state.ideal(jobs, workers);
        Duration::from_nanos(nanos)
    }
}

/// Serves until it is dropped, and every connection with it.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(stream, Arc::clone(&state)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    // A small response leaves at once.
    stream.set_nodelay(true).unwrap_or_default();
    let service = service_fn(move |_| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(state.response().await) }
    });
    // A connection that breaks is the client's to notice.
    let served = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(served);
}
