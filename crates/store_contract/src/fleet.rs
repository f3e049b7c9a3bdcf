//! Fleets: processes that each have a connection of their own and share one token.

use std::{
    collections::BTreeSet,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{Service, ServiceExt};
use tower_heed::{
    TokenCacheLayer,
    error::{TokenError, TokenErrorKind},
    store::{Intent, SealingKeys, SlotReply},
    token_cache::{FetchReason, Shared, Token, TokenKey, TokenRequest},
};

use crate::{
    Store,
    server::Server,
    slots::{self, Slot},
};

const HOUR: Duration = Duration::from_secs(3600);

/// The text that no store may show.
pub const CLIENT: &str = "the-client-id";
pub const AUDIENCE: &str = "the-audience";
pub const TOKEN: &str = "the-token";

/// An issuer of tokens, for all processes.
#[derive(Clone)]
pub struct Issuer(Arc<State>);

struct State {
    begun: AtomicUsize,
    done: AtomicUsize,
    delay: Mutex<Duration>,
    failure: Mutex<Option<TokenError>>,
}

/// One process.
#[derive(Clone)]
pub struct Process {
    source: Shared<Issuer>,
    token: Option<Token>,
}

/// What a fetch took, and its outcome.
pub type Fetched = (Duration, Result<Token, TokenError>);

// === impl Issuer ===

impl Issuer {
    #[must_use]
    pub fn new(delay: Duration) -> Self {
        Self(Arc::new(State {
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            delay: Mutex::new(delay),
            failure: Mutex::new(None),
        }))
    }

    pub fn takes(&self, delay: Duration) {
        *self.0.delay.lock().unwrap() = delay;
    }

    pub fn fails(&self, failure: Option<TokenError>) {
        *self.0.failure.lock().unwrap() = failure;
    }

    #[must_use]
    pub fn begun(&self) -> usize {
        self.0.begun.load(Ordering::SeqCst)
    }

    #[must_use]
    pub fn done(&self) -> usize {
        self.0.done.load(Ordering::SeqCst)
    }
}

impl Service<TokenRequest> for Issuer {
    type Response = Token;
    type Error = TokenError;
    type Future = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TokenError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: TokenRequest) -> Self::Future {
        let number = self.0.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let state = Arc::clone(&self.0);
        Box::pin(async move {
            let delay = *state.delay.lock().unwrap();
            sleep(delay).await;
            let failure = state.failure.lock().unwrap().clone();
            state.done.fetch_add(1, Ordering::SeqCst);
            match failure {
                Some(error) => Err(error),
                None => Ok(Token::bearer(format!("{TOKEN}-{number}"))?.expires_in(HOUR)),
            }
        })
    }
}

// === impl Process ===

impl Process {
    pub fn new<S: Store>(store: S, issuer: &Issuer, scenario: &str) -> Self {
        Self::with_keys(store, issuer, scenario, keys(1))
    }

    pub fn with_keys<S: Store>(
        store: S,
        issuer: &Issuer,
        scenario: &str,
        keys: SealingKeys,
    ) -> Self {
        Self { source: Shared::new(key(scenario), issuer.clone(), store, keys), token: None }
    }

    /// One process for each store.
    pub fn fleet<S: Store>(stores: &[S], issuer: &Issuer, scenario: &str) -> Vec<Self> {
        stores.iter().map(|store| Self::new(store.clone(), issuer, scenario)).collect()
    }

    #[must_use]
    pub fn source(&self) -> Shared<Issuer> {
        self.source.clone()
    }

    pub async fn fetch(&mut self, reason: FetchReason) -> Fetched {
        let begun = Instant::now();
        let mut request = TokenRequest::new(TokenKey::new(), reason);
        if let (FetchReason::Rejected, Some(token)) = (reason, &self.token) {
            request = request.with_rejected(token.clone(), &Default::default());
        }
        let fetched = self.source.clone().oneshot(request).await;
        if let Ok(token) = &fetched {
            self.token = Some(token.clone());
        }
        (Instant::now().saturating_duration_since(begun), fetched)
    }
}

/// The keys of a fleet that seals with this one.
#[must_use]
pub fn keys(id: u16) -> SealingKeys {
    SealingKeys::new(&[7; 32], id, &[u8::try_from(id).unwrap(); 32])
}

#[must_use]
pub fn key(scenario: &str) -> TokenKey {
    TokenKey::new()
        .with_client("https://id.example/oauth/token", CLIENT, "client_secret_post")
        .with_audience(format!("{AUDIENCE}/{scenario}"))
}

/// All processes at once.
pub async fn all(processes: &mut [Process], reason: FetchReason) -> Vec<Fetched> {
    let mut set = JoinSet::new();
    for (at, process) in processes.iter().cloned().enumerate() {
        set.spawn(async move {
            let mut process = process;
            let fetched = process.fetch(reason).await;
            (at, process, fetched)
        });
    }
    let mut fetched = Vec::new();
    while let Some(joined) = set.join_next().await {
        let (at, process, one) = joined.unwrap();
        processes[at] = process;
        fetched.push(one);
    }
    fetched
}

/// The longest of these fetches.
#[must_use]
pub fn longest(fetched: &[Fetched]) -> Duration {
    fetched.iter().map(|(took, _)| *took).max().unwrap_or_default()
}

/// The different tokens of fetches that all succeeded.
pub fn tokens(fetched: &[Fetched]) -> BTreeSet<String> {
    let text = |token: &Token| token.header_value().to_str().unwrap().to_owned();
    fetched.iter().map(|(_, token)| text(token.as_ref().unwrap())).collect()
}

/// All are cold, at once.
pub async fn cold_start<S: Store>(engine: &str, stores: &[S]) {
    let issuer = Issuer::new(Duration::from_millis(500));
    let mut fleet = Process::fleet(stores, &issuer, "cold");
    let fetched = all(&mut fleet, FetchReason::Missing).await;
    println!(
        "{engine}: {} processes, cold: {} exchange, all served after {:?}",
        fleet.len(),
        issuer.begun(),
        longest(&fetched)
    );
    assert_eq!((issuer.begun(), tokens(&fetched).len()), (1, 1));
    assert!(longest(&fetched) < Duration::from_secs(3));

    // All reject it, and then the next one.
    let fetched = all(&mut fleet, FetchReason::Rejected).await;
    println!(
        "{engine}: all reject it: {} more, all served after {:?}",
        issuer.begun() - 1,
        longest(&fetched)
    );
    assert_eq!((issuer.begun(), tokens(&fetched).len()), (2, 1));
    let fetched = all(&mut fleet, FetchReason::Rejected).await;
    println!(
        "{engine}: all reject the next: {} more, told after {:?}",
        issuer.begun() - 2,
        longest(&fetched)
    );
    assert_eq!(issuer.begun(), 2, "the budget of all");
    assert!(fetched.iter().all(|(_, token)| token.is_err()));

    // A refresh is due in all of them.
    let fetched = all(&mut fleet, FetchReason::Due).await;
    assert_eq!((issuer.begun(), tokens(&fetched).len()), (3, 1));
}

/// The issuer rate limits all of them.
pub async fn rate_limited<S: Store>(engine: &str, stores: &[S]) {
    let issuer = Issuer::new(Duration::from_millis(100));
    let mut fleet = Process::fleet(stores, &issuer, "limited");
    let limited = TokenError::new(TokenErrorKind::RateLimited);
    issuer.fails(Some(limited.with_retry_after(Duration::from_secs(2))));
    let fetched = all(&mut fleet, FetchReason::Missing).await;
    let refused = |fetched: &[Fetched]| {
        fetched.iter().all(|(_, token)| {
            let error = token.as_ref().unwrap_err();
            error.kind() == TokenErrorKind::RateLimited
                && error.retry_after().is_some_and(|wait| wait <= Duration::from_millis(4300))
        })
    };
    assert!(refused(&fetched), "{fetched:?}");
    let first = issuer.begun();
    sleep(Duration::from_millis(700)).await;
    let fetched = all(&mut fleet, FetchReason::Missing).await;
    assert!(refused(&fetched), "{fetched:?}");
    let second = issuer.begun() - first;
    issuer.fails(None);
    // A store of whole seconds adds up to two.
    sleep(Duration::from_millis(3700)).await;
    let fetched = all(&mut fleet, FetchReason::Missing).await;
    let third = issuer.begun() - first - second;
    println!(
        "{engine}: 429 for 2 s: {first} exchange; all again after 0.7 s: {second}; after it: {third}"
    );
    assert_eq!((first, second, third, tokens(&fetched).len()), (1, 0, 1, 1));

    // Credentials that are wrong are wrong for all.
    let mut fleet = Process::fleet(stores, &issuer, "rejected");
    issuer.fails(Some(TokenError::new(TokenErrorKind::Rejected)));
    let before = issuer.begun();
    let fetched = all(&mut fleet, FetchReason::Missing).await;
    assert!(fetched.iter().all(|(_, token)| token.is_err()));
    assert_eq!(issuer.begun() - before, 1);
}

/// The leader ends at each point at which it waits; the others are served after its lease, and what comes late does no harm.
pub async fn leader_dies<S: Store>(engine: &str, stores: &[S]) {
    let mut set = JoinSet::new();
    for point in 1..12 {
        let stores = stores.to_vec();
        set.spawn(async move {
            let issuer = Issuer::new(Duration::from_millis(300));
            let mut fleet = Process::fleet(&stores, &issuer, &format!("dies {point}"));
            let mut leader = fleet.pop().unwrap();
            let has_ended = polled(leader.fetch(FetchReason::Missing), point).await;
            let fetched = all(&mut fleet, FetchReason::Missing).await;
            assert!(issuer.begun() <= 2, "{point}: {} exchanges", issuer.begun());
            assert_eq!(tokens(&fetched).len(), 1, "{point}");
            (has_ended, longest(&fetched), issuer.begun())
        });
    }
    let mut outcomes = Vec::new();
    while let Some(outcome) = set.join_next().await {
        outcomes.push(outcome.unwrap());
    }
    let dead = outcomes.iter().filter(|(has_ended, ..)| !has_ended).count();
    let longest = outcomes.iter().map(|(_, took, _)| *took).max().unwrap();
    println!("{engine}: the leader ends at {dead} points: all served after {longest:?} at most");
    assert!(dead >= 3, "{dead} points");
    // The lease, the longest pause of those that wait, and the exchange; and what whole seconds add.
    assert!(longest < Duration::from_millis(3000 + 500 + 300 + 2000), "{longest:?}");
}

/// Polls a future until it is pending for this number of times. Whether it has ended by then.
async fn polled<F: Future>(future: F, times: usize) -> bool {
    let mut future = Box::pin(future);
    let mut pending = 0;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending => {
            pending += 1;
            if pending >= times { Poll::Ready(false) } else { Poll::Pending }
        }
    })
    .await
}

/// A record that is sealed by other keys, of another version, or changed.
pub async fn keys_rotate<S: Store>(engine: &str, store: &S) {
    let issuer = Issuer::new(Duration::ZERO);
    let process = |keys, scenario| Process::with_keys(store.clone(), &issuer, scenario, keys);
    let fetched = async |mut process: Process| {
        let before = issuer.begun();
        let (_, token) = process.fetch(FetchReason::Missing).await;
        let token = token.unwrap().header_value().to_str().unwrap().to_owned();
        (token, issuer.begun() - before)
    };
    let (first, exchanges) = fetched(process(keys(1), "rotate")).await;
    assert_eq!(exchanges, 1);
    let both = || keys(2).also_opens(1, &[1; 32]).unwrap();
    assert_eq!(fetched(process(both(), "rotate")).await, (first.clone(), 0), "the previous key");
    let (alone, exchanges) = fetched(process(keys(3), "rotate")).await;
    assert_eq!(exchanges, 1, "an unknown key");
    assert_ne!(alone, first);
    assert_eq!(fetched(process(keys(1), "rotate")).await, (first, 0), "it was left alone");

    // Every byte of a record that another fetch then finds.
    let (_, exchanges) = fetched(process(keys(1), "bytes")).await;
    assert_eq!(exchanges, 1);
    let slot = Slot::named(store, &process(keys(1), "bytes"));
    let (mut broken, mut not_ours, mut at) = (0, 0, 0);
    loop {
        let SlotReply::Record { id, record, .. } = slot.begin(slots::id()).await else {
            panic!("there is no record");
        };
        if at == record.len() {
            break;
        }
        let mut flipped = record.to_vec();
        flipped[at] ^= 1;
        // A record of the fence that it has itself may be written again.
        let leads = slots::id();
        let fence = slots::fence(slot.begin_as(leads, Some(id), Intent::Fetch, HOUR).await);
        assert_eq!(slot.complete(id, fence, &flipped).await, SlotReply::Done);
        slot.fail(leads, None).await;
        let (_, exchanges) = fetched(process(keys(1), "bytes")).await;
        assert_eq!(exchanges, 1, "byte {at}");
        let SlotReply::Record { id: now, record: there, .. } = slot.begin(slots::id()).await else {
            panic!("byte {at}: there is no record");
        };
        if there == flipped {
            not_ours += 1;
            let leads = slots::id();
            let fence = slots::fence(slot.begin_as(leads, Some(now), Intent::Fetch, HOUR).await);
            assert_eq!(slot.complete(now, fence, &record).await, SlotReply::Done);
            slot.fail(leads, None).await;
        } else {
            broken += 1;
        }
        at += 1;
    }
    println!("{engine}: {at} bytes flipped: {broken} broken, {not_ours} of another version or key");
    assert_eq!(not_ours, 5, "version and key id");
}

/// Everybody in one process.
pub async fn one_process<S: Store>(engine: &str, store: &S) {
    let issuer = Issuer::new(Duration::from_millis(100));
    let layer = TokenCacheLayer::new(Process::new(store.clone(), &issuer, "one").source());
    let mut set = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..1000 {
        let handle = layer.handle();
        set.spawn(async move { handle.token(&TokenKey::new()).await.unwrap() });
    }
    while let Some(token) = set.join_next().await {
        token.unwrap();
    }
    let took = Instant::now().saturating_duration_since(begun);
    println!("{engine}: 1,000 callers in one process: {} exchange, {took:?}", issuer.begun());
    assert_eq!(issuer.begun(), 1);
}

/// Before the first question; while the others wait; just before the lease is renewed; just before the fetch is completed.
const MOMENTS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(1200),
];

/// How many processes an outage meets.
pub const PROCESSES: usize = 8;

/// An [`outage`] at each moment of a fetch, each of a server of its own.
pub async fn outage_at_each_moment<S: Store>(
    engine: &str,
    what: &str,
    is_read: bool,
    start: impl AsyncFn() -> (Server, Vec<S>),
    fail: impl AsyncFn(&mut Server),
) {
    let runs = MOMENTS.map(|moment| {
        let (start, fail) = (&start, &fail);
        async move {
            let (mut server, stores) = start().await;
            let failing = async || fail(&mut server).await;
            (moment, outage(engine, what, &stores, moment, is_read, failing).await)
        }
    });
    let [first, second, third, last] = runs;
    let runs = tokio::join!(first, second, third, last);
    for (moment, exchanges) in [runs.0, runs.1, runs.2, runs.3] {
        assert!(exchanges <= PROCESSES, "{what} after {moment:?}: {exchanges} exchanges");
    }
}

/// A fleet whose store fails after `after`, in the midst of what it does: nobody fails, and nobody waits longer than it may. If the
/// store can still be read, the others wait for the lease of a leader that cannot end it.
pub async fn outage<S: Store>(
    engine: &str,
    what: &str,
    stores: &[S],
    after: Duration,
    is_read: bool,
    fail: impl AsyncFnOnce(),
) -> usize {
    let exchange = Duration::from_millis(1300);
    let issuer = Issuer::new(exchange);
    let mut fleet = Process::fleet(stores, &issuer, what);
    let failing = async {
        sleep(after).await;
        fail().await;
    };
    let (fetched, ()) = tokio::join!(all(&mut fleet, FetchReason::Missing), failing);
    let longest = longest(&fetched);
    let failed = fetched.iter().filter(|(_, token)| token.is_err()).count();
    println!(
        "{engine}: {what} after {after:?}: {} processes, {} exchanges, {failed} failed, all served after {longest:?}",
        fleet.len(),
        issuer.begun()
    );
    assert_eq!(failed, 0, "{what}");
    // Until the failure; three tries with a pause in progress; an exchange alone; or the leader's exchange, and its completion.
    let tries = Duration::from_millis(400 + 3 * 250 + 2 * 150);
    let lease = if is_read { Duration::from_secs(3) } else { Duration::ZERO };
    let bound = after + lease + tries + exchange + Duration::from_millis(1500);
    assert!(longest < bound, "{what}: {longest:?} of {bound:?}");
    issuer.begun()
}

// === impl Slot ===

impl<S: Store> Slot<S> {
    /// The slot of a process' token.
    fn named(store: &S, process: &Process) -> Self {
        let name = process.source.name(&TokenKey::new());
        Self::of(store, name)
    }
}
