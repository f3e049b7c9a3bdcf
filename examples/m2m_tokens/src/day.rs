//! A day in a second: tokio's clock runs while calls are under way, and is put forward by a minute between them.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use fake_idp::{Fault, Idp};
use tokio::{
    task::JoinSet,
    time::{Instant, advance, pause, resume, sleep},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError, TokenCacheLayer,
    clock::Clock,
    error::{TokenError, TokenErrorKind},
    oauth::{ClientCredentials, Credentials},
    token_cache::{Token, TokenRequest},
};

use super::{
    counts::{Counted, Counts},
    http_client, job, report, source,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: u64 = 60;
/// In minutes, as all times of the day here.
const DAY: u64 = 24 * HOUR;
const TOKEN_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);
const NEW_SECRET: &str = "the-new-secret";
/// Calls that go out together at noon, with a token that is no good any more.
const BURST: usize = 50;
const LIMITED: usize = 5;

const TOKENS: &str = "POST /oauth/token";
const USERS: &str = "GET /api/v2/users/{id}";

/// The time of the day.
#[derive(Clone, Copy)]
struct Watch(Instant);

pub async fn run() -> Result<ExitCode, BoxError> {
    println!("A day of one call a minute. Tokens live for two hours.\n");
    let (watch, counts) = (Watch(Instant::now()), Counts::default());
    let idp = Idp::builder().token_lifetime(TOKEN_LIFETIME).start().await;
    let url = idp.url("/api/v2/users/u1");
    let http = http_client::client(&[&url])?;

    let credentials = Credentials::secret(idp.client_secret())?;
    let issuer = (http.clone(), idp.token_url());
    let source = ClientCredentials::new(issuer.0, &issuer.1, idp.client_id(), credentials.clone())?
        .audience(idp.audience());
    let source = reported(source::counted(source, counts.clone()), watch);
    let layer = TokenCacheLayer::new(source)
        .allow_origin(idp.url("").parse()?)
        .clock(Clock::starting_at(SystemTime::UNIX_EPOCH));
    let handle = layer.handle();
    let client = layer.layer(source::counted_api(http, counts.clone()));

    handle.warm_up([handle.key().clone()]).await?;
    let mut rejected_since = None;
    for minute in 0..=DAY {
        if let Some(what) = happens(&idp, minute) {
            watch.say(what);
        }
        let mut calls = JoinSet::new();
        let number = if minute == 12 * HOUR { BURST } else { 1 };
        for _ in 0..number {
            let (client, url, counts) = (client.clone(), url.clone(), counts.clone());
            calls.spawn(async move { job::call(client, &url, counts).await });
        }
        while calls.join_next().await.is_some() {}
        // A refresh goes on behind the calls.
        while handle.snapshot().iter().any(|key| key.is_fetching()) {
            sleep(Duration::from_millis(1)).await;
        }
        let cooldown = handle.snapshot().into_iter().find_map(|key| key.cooldown().cloned());
        let rejected = cooldown.is_some_and(|error| error.kind() == TokenErrorKind::Rejected);
        if rejected && *rejected_since.get_or_insert(minute) + 3 == minute {
            watch.say("the new secret is given to the program");
            credentials.replace(NEW_SECRET)?;
        }
        pause();
        advance(MINUTE).await;
        resume();
    }

    let counted = counts.so_far();
    println!();
    report::table(&counted);
    Ok(verdict(&counted))
}

/// What the day brings in this minute.
fn happens(idp: &Idp, minute: u64) -> Option<&'static str> {
    match minute {
        240 => {
            idp.script(TOKENS, [Fault::Status(503), Fault::Status(503), Fault::Status(503)]);
            Some("the issuer will respond 503 three times")
        }
        480 => {
            idp.script(TOKENS, [Fault::RateLimited(5 * MINUTE)]);
            Some("the issuer will respond 429 once, with five minutes to wait")
        }
        720 => {
            idp.revoke_all();
            Some("all tokens are revoked, and fifty calls go out at once")
        }
        960 => {
            idp.script(USERS, vec![Fault::RateLimited(MINUTE); LIMITED]);
            Some("the API responds 429 to five calls: no reason for a token request")
        }
        1080 => {
            idp.rotate_secret(NEW_SECRET);
            Some("the client secret is rotated at the issuer")
        }
        DAY => Some("the day is over"),
        _ => None,
    }
}

/// Whether it came out as it has to.
fn verdict(counted: &Counted) -> ExitCode {
    let calls = DAY as usize + BURST;
    // Each token lasts for half of its life at least; the rest are those that failed, and the one for the revoked token.
    let most = 24 + 2 + 1 + 3 + 1 + 4;
    let good = counted.ok == calls - LIMITED
        && counted.failed == LIMITED
        && counted.exchanges <= most
        && (counted.rejected, counted.replayed) == (BURST, BURST);
    println!("\n{}", if good { "As it has to be." } else { "This is not as it has to be." });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `source`, which says each outcome.
fn reported<S>(
    source: S,
    watch: Watch,
) -> impl Service<TokenRequest, Response = Token, Error = TokenError, Future: Send> + Clone + Send
where
    S: Service<TokenRequest, Response = Token, Error = TokenError, Future: Send> + Clone + Send,
{
    service_fn(move |request: TokenRequest| {
        let source = source.clone();
        async move {
            let reason = request.reason().as_str();
            let outcome = source.oneshot(request).await;
            watch.say(&match &outcome {
                Ok(_) => format!("  a token was fetched ({reason})"),
                Err(error) => format!("  {error} ({reason})"),
            });
            outcome
        }
    })
}

// === impl Watch ===

impl Watch {
    fn say(self, what: &str) {
        let seconds = Instant::now().saturating_duration_since(self.0).as_secs();
        println!("{:02}:{:02}  {what}", seconds / 3600, seconds / 60 % 60);
    }
}
