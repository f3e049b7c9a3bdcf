//! Says in plain words what a response means: `curl -si URL | cargo run -q -p explain`
//!
//! `--now 2026-03-01T12:00:00Z` sets the client's clock, `--json` prints one object instead.

use std::{
    convert::Infallible,
    future::ready,
    io::{self, Read, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    BoxError, RetryOnRateLimit,
    classify::{Classification, Preset},
    clock::Clock,
    headers::{Outcome, RateLimit},
    retry::{Backoff, RetryOutcome, Stopped},
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("explain: {}", printable(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), BoxError> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut input = Vec::new();
    io::stdin().lock().take(1 << 20).read_to_end(&mut input)?;
    let reading = Reading::of(&Head::parse(&input)?, options.now)?;
    let text = if options.json { reading.json() } else { reading.words() };
    for line in text.lines() {
        writeln!(io::stdout().lock(), "{}", printable(line))?;
    }
    Ok(())
}

/// The text without what a terminal obeys: control characters, those of escape sequences among them, and marks that turn the
/// direction of text or are not seen.
fn printable(text: &str) -> String {
    let is_mark = |c| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if c.is_control() || is_mark(c) { '\u{fffd}' } else { c }).collect()
}

struct Options {
    json: bool,
    now: SystemTime,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self { json: false, now: Clock::default().system_time() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => options.json = true,
                "--now" => {
                    let point = arguments
                        .next()
                        .ok_or("--now takes a time such as 2026-03-01T12:00:00Z")?;
                    let point: jiff::Timestamp =
                        point.parse().map_err(|error| format!("--now {point}: {error}"))?;
                    options.now = point.into();
                }
                other => {
                    return Err(format!(
                        "unknown argument `{other}`; there are --json and --now TIME"
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }
}

/// A response head as `curl -i` prints it.
struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

impl Head {
    /// The last head in `input`: interim responses, a proxy's and those of redirects that were followed come before it.
    fn parse(input: &[u8]) -> Result<Self, String> {
        let mut head: Option<Self> = None;
        let mut inside = false;
        for line in input.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match (&mut head, inside) {
                (Some(head), true) if !line.is_empty() => head.add(line),
                (_, true) => inside = false,
                (found, false) if line.starts_with(b"HTTP/") => {
                    *found = Some(Self { status: status(line)?, headers: HeaderMap::new() });
                    inside = true;
                }
                (None, false) if line.is_empty() => {}
                // What follows a head that is not another head is the body.
                (_, false) => break,
            }
        }
        head.ok_or_else(|| "no response head on standard input; try `curl -si URL`".to_owned())
    }

    fn add(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        match (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            _ => eprintln!("explain: passed over `{}`", printable(&String::from_utf8_lossy(line))),
        }
    }
}

/// Without the spaces and tabs around it, which are no part of a value.
fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn status(line: &[u8]) -> Result<StatusCode, String> {
    let code = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    StatusCode::from_bytes(code)
        .map_err(|_| format!("no status code in `{}`", String::from_utf8_lossy(line)))
}

/// What the crate makes of a head.
struct Reading {
    status: StatusCode,
    failure: Option<Classification>,
    rate_limit: Option<RateLimit>,
    wait: Option<Duration>,
    decided_by: Option<String>,
    get: Retry,
    post: Retry,
}

/// How long `RetryOnRateLimit` waits before it sends again, or why it does not.
type Retry = Result<Duration, Stopped>;

impl Reading {
    fn of(head: &Head, now: SystemTime) -> Result<Self, BoxError> {
        let failure =
            Classification::of_response(&Preset::Standard, head.status, &head.headers, now);
        let rate_limit = RateLimit::from_headers(&head.headers, now);
        let outcome = match &failure {
            Some(failure) => failure.outcome(),
            None if head.status.is_redirection() => Outcome::Redirection,
            None => Outcome::Success,
        };
        let limit = rate_limit.as_ref();
        // Time is paused, so that the waits take none.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        Ok(Self {
            status: head.status,
            wait: limit.and_then(|limit| limit.wait(outcome)),
            decided_by: limit.and_then(|limit| limit.decided_by(outcome)).map(Into::into),
            get: runtime.block_on(retry(head, Method::GET, now))?,
            post: runtime.block_on(retry(head, Method::POST, now))?,
            failure,
            rate_limit,
        })
    }

    fn class(&self) -> &'static str {
        self.failure.as_ref().map_or("success", |failure| failure.class().as_str())
    }

    fn json(&self) -> String {
        let limit = self.rate_limit.as_ref();
        let retried = |retry: Retry| match retry {
            Ok(wait) => json!({"retry": true, "after_ms": millis(wait)}),
            Err(stopped) => json!({"retry": false, "why": stopped.as_str()}),
        };
        json!({
            "status": self.status.as_u16(),
            "class": self.class(),
            "wait_ms": self.wait.map(millis),
            "limit": limit.and_then(RateLimit::limit),
            "remaining": limit.and_then(RateLimit::remaining),
            "policy": limit.and_then(RateLimit::policy),
            "decided_by": self.decided_by,
            "get": retried(self.get),
            "post": retried(self.post),
        })
        .to_string()
    }

    fn words(&self) -> String {
        let mut lines = vec![format!("{} means {}.", self.status, self.meaning())];
        lines.extend(self.quota());
        lines.push(match (self.wait, &self.decided_by) {
            (None, _) => "The headers do not say when the next request may be sent.".to_owned(),
            (Some(Duration::ZERO), _) => "The next request may be sent now.".to_owned(),
            (Some(wait), Some(header)) => {
                format!("No request before {wait:?} have passed: `{header}` says so.")
            }
            (Some(wait), None) => format!("No request before {wait:?} have passed."),
        });
        let methods = [("GET", self.get), ("POST", self.post)];
        lines.extend(methods.into_iter().filter_map(|(method, retry)| in_words(method, retry)));
        lines.join("\n")
    }

    fn meaning(&self) -> &'static str {
        match self.class() {
            "success" => "success",
            "rate_limited" => "rate limited: a limit was hit, and this is no sign-out",
            "unauthenticated" => "unauthenticated: the credentials were not accepted",
            "forbidden" => "forbidden: the credentials are good and do not allow this",
            "timeout" => "timeout: the server did not finish in time",
            "unavailable" => "unavailable: the server cannot do it now",
            _ => "rejected: the server does not want this request",
        }
    }

    fn quota(&self) -> Option<String> {
        let limit = self.rate_limit.as_ref()?;
        let name = limit.policy().map(|name| format!(" of `{name}`")).unwrap_or_default();
        match (limit.remaining(), limit.limit()) {
            (Some(remaining), Some(limit)) => {
                Some(format!("Quota{name}: {remaining} of {limit} left."))
            }
            (Some(remaining), None) => Some(format!("Quota{name}: {remaining} left.")),
            (None, Some(limit)) => Some(format!("Quota{name}: {limit} in all.")),
            (None, None) => None,
        }
    }
}

/// Sends a request to a server that responds with this head, through `RetryOnRateLimit` with its defaults and without jitter.
async fn retry(head: &Head, method: Method, now: SystemTime) -> Result<Retry, BoxError> {
    let server = service_fn(|_: Request<String>| {
        let mut response = Response::new(String::new());
        *response.status_mut() = head.status;
        response.headers_mut().clone_from(&head.headers);
        ready(Ok::<_, Infallible>(response))
    });
    let layer = RetryOnRateLimit::new()
        .max_retries(1)
        .backoff(Backoff::default().jitter_ratio(0.0))
        .clock(Clock::from_system_time(move || now));
    let request = Request::builder().method(method).body(String::new())?;
    let response = layer.layer(server).oneshot(request).await?;
    Ok(match response.extensions().get::<RetryOutcome>() {
        Some(outcome) if outcome.attempts() > 1 => Ok(outcome.waited()),
        Some(outcome) => Err(outcome.stopped()),
        None => Err(Stopped::Succeeded),
    })
}

fn in_words(method: &str, retry: Retry) -> Option<String> {
    let why = match retry {
        Ok(wait) => {
            return Some(format!("A {method} would be sent again after {wait:?}, plus jitter."));
        }
        Err(Stopped::Succeeded) => return None,
        Err(Stopped::NotRepeatable) => "the server may have carried it out, and twice may do harm",
        Err(Stopped::MaxWait) => "the wait is longer than a caller should be held",
        Err(_) => "the same request would meet the same response",
    };
    Some(format!("A {method} would not be sent again: {why}."))
}

/// Whole milliseconds, rounded up: never earlier than the server asked.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
