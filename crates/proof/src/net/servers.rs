//! What the hosts run, and what they remember across restarts.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};
use tower::{Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError,
    store::{InMemory, SlotReply, SlotRequest},
};
use turmoil::net::{TcpListener, TcpStream};

pub(super) const PORT: u16 = 443;
/// Requests that the API serves in each second.
const LIMIT: u64 = 10;
/// All tokens are revoked once in this time.
const REVOKED_EVERY: u64 = 3 * 3600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Api,
    Issuer,
    Store,
}

/// What the API shows of its limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Counters {
    #[default]
    None,
    /// The time to the end of the window with its fraction.
    Exact,
    /// In whole seconds, which is always one.
    Whole,
}

/// What outlives a restart.
#[derive(Debug, Default)]
pub(super) struct World {
    counters: Counters,
    ids: AtomicU64,
    attempts: AtomicU64,
    rate_limited: AtomicU64,
    tokens: AtomicU64,
    valid: Mutex<HashSet<String>>,
    revocations: AtomicU64,
    /// How often each order and event was made.
    made: Mutex<HashMap<u64, u32>>,
    /// The second of the window, and its requests.
    window: Mutex<(u64, u64)>,
    store: InMemory,
}

// === impl Server ===

impl Server {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Issuer => "issuer",
            Self::Store => "store",
        }
    }
}

// === impl Counters ===

impl Counters {
    pub(super) const fn of(seed: u64) -> Self {
        match seed % 3 {
            0 => Self::None,
            1 => Self::Exact,
            _ => Self::Whole,
        }
    }
}

// === impl World ===

impl World {
    pub(super) fn new(counters: Counters) -> Self {
        Self { counters, ..Self::default() }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Relaxed)
    }

    pub(super) fn attempts(&self) -> u64 {
        self.attempts.load(Relaxed)
    }

    pub(super) fn rate_limited(&self) -> u64 {
        self.rate_limited.load(Relaxed)
    }

    pub(super) fn tokens_issued(&self) -> u64 {
        self.tokens.load(Relaxed)
    }

    pub(super) fn revocations(&self) -> u64 {
        self.revocations.load(Relaxed)
    }

    pub(super) fn made(&self) -> HashMap<u64, u32> {
        self.made.lock().unwrap().clone()
    }

    /// The store as a process reaches it: over the network, a byte there and a byte back.
    pub(super) fn store(
        &self,
    ) -> impl Service<SlotRequest, Response = SlotReply, Error = BoxError, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static {
        let store = self.store.clone();
        service_fn(move |request: SlotRequest| {
            let store = store.clone();
            async move {
                let mut stream = TcpStream::connect((Server::Store.name(), PORT)).await?;
                stream.write_all(&[1]).await?;
                stream.read_exact(&mut [0]).await?;
                Ok(store.oneshot(request).await?)
            }
        })
    }

    /// Counts a request in the window of this second, and returns how many are left in it. `None`: it is over the limit.
    fn count(&self) -> Option<u64> {
        let second = turmoil::sim_elapsed().unwrap_or_default().as_secs();
        let mut window = self.window.lock().unwrap();
        if window.0 != second {
            *window = (second, 0);
        }
        if window.1 >= LIMIT {
            return None;
        }
        window.1 += 1;
        Some(LIMIT - window.1)
    }

    async fn api(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut rng = SmallRng::seed_from_u64(self.attempts.fetch_add(1, Relaxed));
        let (head, body) = request.into_parts();
        // One whose body breaks off was not received.
        if body.collect().await.is_err() {
            return response(400);
        }
        let until = self.revocations.load(Relaxed);
        let now = turmoil::sim_elapsed().unwrap_or_default().as_secs() / REVOKED_EVERY;
        if now > until {
            self.revocations.store(now, Relaxed);
            self.valid.lock().unwrap().clear();
        }
        let token = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if !token.is_some_and(|token| self.valid.lock().unwrap().contains(token)) {
            let mut response = response(401);
            let challenge = http::HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            return response;
        }
        let Some(left) = self.count() else {
            self.rate_limited.fetch_add(1, Relaxed);
            return with(response(429), "retry-after", 1);
        };
        let counted_at = turmoil::sim_elapsed().unwrap_or_default();
        if rng.random_ratio(1, 50) {
            return with(response(503), "retry-after", 1);
        }
        if head.method == Method::POST {
            *self.made.lock().unwrap().entry(super::id_of(head.uri.path())).or_default() += 1;
        }
        // It may be cut off or restarted before it has responded.
        let longest = if rng.random_ratio(1, 20) { 5_000 } else { 100 };
        sleep(Duration::from_millis(rng.random_range(0..longest))).await;
        let reset = match self.counters {
            Counters::None => return response(200),
            Counters::Exact => format!("{:.3}", 1.0 - counted_at.as_secs_f64().fract()),
            Counters::Whole => "1".to_owned(),
        };
        let mut response =
            with(with(response(200), "x-ratelimit-limit", LIMIT), "x-ratelimit-remaining", left);
        response.headers_mut().insert("x-ratelimit-reset-after", reset.parse().unwrap());
        response
    }

    async fn issuer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.into_body().collect().await.is_err() {
            return response(400);
        }
        let number = self.tokens.fetch_add(1, Relaxed);
        let token = format!("token-{number}");
        self.valid.lock().unwrap().insert(format!("Bearer {token}"));
        sleep(Duration::from_millis(50)).await;
        let body =
            format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":600}}"#);
        response(200).map(|_| Full::from(body))
    }
}

pub(super) async fn serve(server: Server, world: Arc<World>) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            if server == Server::Store {
                if stream.read_exact(&mut [0]).await.is_ok() {
                    drop(stream.write_all(&[1]).await);
                }
                return;
            }
            let service = hyper::service::service_fn(move |request| {
                let world = Arc::clone(&world);
                async move {
                    Ok::<_, Infallible>(match server {
                        Server::Api => world.api(request).await,
                        _ => world.issuer(request).await,
                    })
                }
            });
            // A connection that breaks is no fault of the server.
            let connection = auto::Builder::new(TokioExecutor::new());
            drop(connection.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn response(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}

fn with(
    mut response: Response<Full<Bytes>>,
    name: &'static str,
    value: u64,
) -> Response<Full<Bytes>> {
    response.headers_mut().insert(name, value.into());
    response
}
