//! What happens when something fails: which layer acts, what the caller sees, how to handle it, what to alert on.
//!
//! The tables describe the recommended [`Stack`](crate::Stack) with a token layer. *The caller sees* is the result of
//! `client.call(..).await` after everything was tried. With a [`FallbackLayer`](crate::FallbackLayer) around it, that result causes
//! the fallback response, or is the source of an error of the kind
//! [`UpstreamUnavailable`](crate::ErrorKind::UpstreamUnavailable).
//!
//! # The API
//!
//! | when | what is done, by which layer | the caller sees |
//! |---|---|---|
//! | it responds **429** | `ThrottleLayer` queues the requests of that route for as long as the server asks, and those of the whole key once another route shows the same limit; `RetryOnRateLimit` sends again after that, plus jitter | the response to a later attempt |
//! | 429s come in a **storm**, with a wait beyond the deadline | no hopeless wait is begun | the 429 at once, class `RateLimited`, its wait in [`RetryOutcome`](crate::retry::RetryOutcome); queued requests: [`Throttled`](crate::ErrorKind::Throttled) with `retry_after` |
//! | it has a limit and **does not announce it** | `ThrottleLayer` learns it from 429s and stays below | as above; an occasional 429 is retried |
//! | its limit is **shared with others** (another team, another process) | counters in responses include what others used; without counters, the share is learned from 429s | as above |
//! | a limit comes as **403** (GitHub) | `ErrorClassifyLayer` reads the header fields: `RateLimited` | as for 429 |
//! | it responds **5xx** | a repeatable request is sent again twice within about a second, from the budget; a `POST` only after a 503 or 529 with `Retry-After`, which `ThrottleLayer` obeys as it does that of a 429 | the 5xx, class `Unavailable` (`Timeout` for a 504); `AuthStatus` is `Degraded` |
//! | it responds **501 or 505** | nothing: the same request can only fail again | the response, class `Unavailable`; `AuthStatus` stays as it was |
//! | it responds **503 or 529 to everything**, without `Retry-After` | after at least seven in a row, over at least two seconds, `ThrottleLayer` sends one request per 600 ms and queues none (not with `fleet`) | [`Throttled`](crate::ErrorKind::Throttled) with the cause `Unavailable` and `retry_after`, at once |
//! | it **hangs** | the attempt's `TimeoutLayer` ends it; a repeatable request is sent again | [`Timeout`](crate::ErrorKind::Timeout), class `Timeout`, within the call's limit |
//! | it hangs **in the body** | the same limit, in the body | an error of the body: `Timeout` with `Phase::Body` |
//! | a **stream falls silent** (events, a long download; an endpoint that is [`unlimited`](crate::timeout::TimeoutConfig::unlimited)) | its [`idle`](crate::timeout::TimeoutConfig::idle) limit, if it has one, in the attempt's `TimeoutLayer`: a stream that goes on may take any time | the same; before the head a repeatable request is sent again |
//! | the **connection hangs** (SYN, TLS handshake) | [`ConnectTimeout`](crate::timeout::ConnectTimeout) around the connector, or reqwest's `connect_timeout`: any request is sent again | [`Timeout`](crate::ErrorKind::Timeout) with `Phase::Connecting`, class `Connect`; without such a limit as for one that hangs |
//! | it hangs or fails, and there is a `CircuitBreakerLayer` | after five failures in a row no request is sent but single probes | [`CircuitOpen`](crate::ErrorKind::CircuitOpen) with `retry_after`, at once |
//! | the **client sheds load** or has no permit (tower's `LoadShed`, `ConcurrencyLimit` inside the stack) | `Overloaded` is `Throttled`: any request is sent again; a wait for readiness ends by the limit of the call | the failure, class `Throttled`: 503 from an axum app |
//! | the **connection is refused**, or there is no route | any request is sent again, since it never left | the client's error, class `Connect` |
//! | the connection **breaks half way** | a repeatable request is sent again, the first time at once, since a pooled connection may have been closed; `PUT` and `DELETE` that once only; a `POST` may have been processed | the client's error, class `Interrupted` |
//! | HTTP/2: a **connection is dead** (a middlebox has forgotten it) | each attempt goes to it, until the system gives it up after minutes: have the client send pings (`http2_keep_alive_interval` and `http2_keep_alive_while_idle` of hyper-util and reqwest), and the next attempt has another connection | as for one that hangs; with pings the response to a later attempt |
//! | HTTP/2: it **goes away or refuses the stream** without processing the request | any request is sent again at once, on the next connection | the client's error, class `Connect`, if ten connections in a row do that |
//! | HTTP/2: it says **`ENHANCE_YOUR_CALM`** | as for a 429 without a wait | the client's error, class `RateLimited` |
//! | it **can never succeed**: no trust in the certificate, `https` over a clear-text connector, a response that is no HTTP | nothing | the client's error at once, class `Connect` or `Interrupted` |
//! | the **caller's own upload breaks off**, or is not there when the time is over | nothing: it says nothing about the API. That it is not there is known inside a [`ReplayBodyLayer`](crate::body::ReplayBodyLayer) only: put one around the stack for bodies that come from a network | an error without a class, never a fallback response; `AuthStatus` stays as it was |
//! | it is **down for an hour** | the [budget](crate::retry::RetryBudget) ends the retries of all calls together, so that they do not multiply the load | the failure of the first attempt, once the budget is spent |
//! | it says **`Retry-After: 86400`**, or nonsense | a wait beyond `max_wait` (90 s) or the call's deadline (30 s in a `Stack`) is not begun: for a longer one give the call a longer `call_timeout`; an unreadable value is ignored; `ThrottleLayer` tries again after an hour at most (`max_block`) | the response at once, with the server's wait |
//! | it is down and there is a `ResponseCacheLayer` | a stale response is served, marked `Stale`, for `stale_for` (10 min) or the server's shorter `stale-if-error` | a success |
//! | the body of a cached endpoint **breaks half way** | `ResponseCacheLayer` sends the request once more, within the same limit | a success |
//! | the **body breaks half way** elsewhere | nothing once the caller has the head; with [`whole`](crate::classify::ClassifyBodyConfig::whole), for small documents, a repeatable request is sent again | an error of the body, class `Interrupted`; or a success |
//! | a cached endpoint responds with a **stream**, or with what it forbids to store | its head decides: the body is passed on unread, callers that waited send their own requests at once | the parts as they arrive |
//!
//! # Class by class
//!
//! What each layer does with a failure that reaches it, by its defaults:
//!
//! | class | safe or marked `Idempotent` | any other request | session | stored response | fail open | fail closed |
//! |---|---|---|---|---|---|---|
//! | `RateLimited`, `Throttled`, `Connect` | again | again | `Degraded` | served | fallback response | `UpstreamUnavailable` |
//! | `Unavailable`, `Timeout`, `Interrupted` | again | returned | `Degraded` | served | fallback response | `UpstreamUnavailable` |
//! | `TokenUnavailable` | by its cause | by its cause | by its cause | served | by its cause | `UpstreamUnavailable` |
//! | `Unauthenticated` | returned | returned | `Unauthenticated` | removed | returned | `UpstreamUnavailable` |
//! | `Forbidden`, `Rejected` | returned | returned | as it was | removed | returned | returned |
//!
//! * *Again*: sent again within [`max_retries`](crate::RetryOnRateLimit::max_retries) (5) for rate limits and two for
//!   [failures](crate::RetryOnRateLimit::failures), `max_wait` (90 s), the deadline (30 s in a `Stack`) and
//!   the budget; [`RetryOutcome`](crate::retry::RetryOutcome) tells why it ended. 501 and 505 are not retried. A 425, and a 503 or 529
//!   with `Retry-After`, are retried for unsafe methods too. After a 401 to a fetched token the request is sent once more with another
//!   token; it is a failure
//!   only if that is rejected too.
//!   `Throttled` by an open circuit, or because the server fails everything, is not sent again.
//! * *Session*: the `AuthStatus` of [`ErrorClassifyLayer::status`](crate::ErrorClassifyLayer::status). `Degraded` never replaces
//!   `Unauthenticated`.
//! * *Stored response*: in `ResponseCacheLayer`. It is served with the mark `Stale`, or removed and the failure is returned.
//!   All waiters of a fetch get the same failure; an error comes as the kind [`FetchFailed`](crate::ErrorKind::FetchFailed).
//! * *Fail open*, *fail closed*: [`FallbackLayer`](crate::FallbackLayer). A fallback response has the mark
//!   [`Degraded`](crate::extensions::Degraded). `TokenUnavailable` fails open if the issuer is down, and is returned if it rejected
//!   the credentials.
//! * A request that [`DetachLayer`](crate::DetachLayer) queued has had its 202. Its final failure goes to
//!   [`on_failure`](crate::DetachLayer::on_failure) and into the log, whatever its class.
//! * With the feature `axum`, the module `integrations::axum` lists the status that each becomes for the app's own caller.
//!
//! # Tokens
//!
//! | when | what is done, by which layer | the caller sees |
//! |---|---|---|
//! | the **token endpoint is down** and a token is valid | the token stays in use; one refresh after each cooldown | nothing |
//! | it is down and **no token is valid** | one fetch for all callers, then a cooldown | [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable) with `retry_after`, at once; nothing was sent |
//! | it responds **429** | the same, with a cooldown as long as it asks | the same |
//! | it **rejects our credentials** | a long cooldown, which ends when the credentials are replaced | [`TokenError`](crate::error::TokenError) with the OAuth `error` code |
//! | a token is **revoked** (401 by the API) | that token is replaced: one fetch, and the request is sent once more | nothing |
//! | **every token** gets a 401 | token fetches are [bounded](crate::token_cache#when-the-api-responds-401); the session becomes `Unauthenticated`, its handler runs once | the 401 |
//! | the API responds **403** | nothing: a new token has no more rights than the old one | the 403, class `Forbidden` |
//! | the machine **slept** | the token's age is the larger of two clocks, so it is refreshed | nothing |
//! | a **URL from outside** names another server | the token is not sent there | [`OriginNotAllowed`](crate::ErrorKind::OriginNotAllowed), unless [`elsewhere_without_token`](crate::TokenCacheLayer::elsewhere_without_token) is set |
//!
//! # The store of a fleet
//!
//! With [`token_cache::Shared`](crate::token_cache::Shared), feature `shared`. No request fails that would have been served without the
//! store; `docs/fleet.md` has figures.
//!
//! | when | what is done | the caller sees |
//! |---|---|---|
//! | the store is **down, slow or hangs** | three tries within a second, then each process fetches by itself; the store is not called for 30 s | nothing; the first call without a token takes a second longer |
//! | it is **read-only or full** | tokens in it are used; one that expires is fetched by each process by itself | nothing; a call without a token may wait for the lease of a fetch that cannot be stored, 3 s |
//! | it was **emptied**, or a token evicted | the next fetch is for all again | nothing |
//! | it **fails over** and loses what was last written | two processes may fetch; the later token stays | nothing |
//! | a process **dies while it fetches** | its lease ends after 3 s, and another one fetches | nothing |
//! | an **issuer hangs** for one process | after 6 s another one fetches as well, after 8 s each by itself | nothing |
//! | the **issuer rate limits or rejects** one process | the cooldown is that of all processes | [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable) with `retry_after`; nothing was sent |
//! | a **record is changed or copied** | it does not open, and the next token replaces it | nothing |
//! | a record is of **another version or key** | it is left alone, and the process fetches by itself | nothing; `record is not ours` is logged |
//!
//! With [`ThrottleLayer::fleet`](crate::ThrottleLayer::fleet) as well:
//!
//! | when | what is done | the caller sees |
//! |---|---|---|
//! | the store is **down, slow or hangs** | each process uses the permits that it holds; after two questions in vain it sends at its last known share of the limit, after a minute by what it learns itself; the store is asked each second | a few 429s, retried |
//! | it **comes back empty**, or a record is evicted | the process that asks first puts back what it knows | nothing |
//! | a process **dies** | its permits lapse with their window | nothing |
//! | the **model is wrong**, or the limit has changed | it follows rejections and what is left over; if most requests are rejected it is learned anew | some 429s, retried |
//! | a record is of **another version** | it is left alone, and each process sends at its last known share of the limit | the same as when the store is down |
//! | a record is **changed by someone else** | records of quotas are not sealed: whoever can write to the store can stop the fleet or lift its limit | requests wait, or 429s |
//!
//! # This process
//!
//! | when | what is done, by which layer | the caller sees |
//! |---|---|---|
//! | the **clock is wrong** | an absolute reset is measured against the response's own `Date`, if it has one, and a token's life from its request: neither needs a right clock | nothing |
//! | the clock **jumps** | spans are measured on the monotonic clock; a token is never treated as younger than it is | nothing, or one early refresh |
//! | it **restarts** | learned limits, tokens and stored responses are gone: one request goes first to learn the limit, one token is fetched; detached requests that were not [drained](crate::detach::DetachHandle::shutdown) are lost | the first responses take a little longer |
//! | **many processes** share one quota | each reads what is left from its own responses, and slows down when rate limited; they do not communicate, unless they share the quota by `ThrottleLayer::fleet` (feature `shared`) | an occasional 429, retried; next to none by `fleet` |
//! | many processes need one token | each process fetches its own; with `token_cache::Shared` one of them fetches for all | one fetch per process and token life; or one for all |
//! | the **queue is too long** for its deadline | requests that cannot make it fail at once | [`Throttled`](crate::ErrorKind::Throttled) |
//! | the **detach queue is full** | the request is not queued | [`NotQueued`](crate::ErrorKind::NotQueued), class `Throttled` |
//! | a **caller gives up** (a dropped future) | its queue position and its attempt end; fetches continue for the others. A cache fetch without others ends after three seconds, and at once beyond 256 of them | |
//! | a **body cannot be sent twice** | it is sent once | the failure of that attempt |
//!
//! # Handling failures
//!
//! By default a failing response stays an `Ok`, with its [`Classification`](crate::classify::Classification) in the extensions. With
//! [`error_for_status`](crate::ErrorClassifyLayer::error_for_status) it is an error like all others, and one conversion handles
//! everything that can go wrong:
//!
//! * [`Classification::of_error`](crate::classify::Classification::of_error) tells the class of any error, a client's own included, and
//!   how long to wait. Errors of a response *body* take the same path.
//! * [`find`](crate::error::find) reaches an error through any wrapping: the [`Error`](crate::Error) of a layer, the
//!   [`TokenError`](crate::error::TokenError) behind a missing token.
//! * Both take what is in the box: `&*error` of a [`BoxError`](crate::BoxError).
//!
//! ```
//! use std::time::Duration;
//! # use std::convert::Infallible;
//! use axum::body::Body;
//! use bytes::Bytes;
//! use http::Request;
//! # use http::Response;
//! use http_body_util::BodyExt;
//! # use http_body_util::{Full, channel::Channel};
//! # use tower::service_fn;
//! use tower::{Service, ServiceExt};
//! use tower_heed::{
//!     BoxError, ErrorClassifyLayer, Stack,
//!     classify::{Classification, ErrorClass},
//!     error::{TokenError, find},
//! };
//!
//! /// What an app may want to know.
//! #[derive(Debug)]
//! enum Failure {
//!     TryLater(Option<Duration>),
//!     TimedOut,
//!     SignedOut,
//!     NoToken { code: Option<String> },
//!     Other(BoxError),
//! }
//!
//! impl From<BoxError> for Failure {
//!     fn from(error: BoxError) -> Self {
//!         let Some(found) = Classification::of_error(&*error) else { return Self::Other(error) };
//!         match found.class() {
//!             ErrorClass::RateLimited | ErrorClass::Throttled | ErrorClass::Unavailable => Self::TryLater(found.retry_after()),
//!             ErrorClass::Timeout => Self::TimedOut,
//!             ErrorClass::Unauthenticated => Self::SignedOut,
//!             ErrorClass::TokenUnavailable => {
//!                 let code = find::<TokenError>(&*error).and_then(|token| token.code());
//!                 Self::NoToken { code: code.map(Into::into) }
//!             }
//!             _ => Self::Other(error), // the connection; a 4xx that is about the request
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! # let http = service_fn(async |request: Request<Full<Bytes>>| {
//! #     let response = match request.uri().path() {
//! #         "/429" => Response::builder().status(429).header("retry-after", 600),
//! #         "/401" => Response::builder().status(401),
//! #         _ => Response::builder(),
//! #     };
//! #     let body = match request.uri().path() {
//! #         "/hangs" => {
//! #             let (sender, body) = Channel::<Bytes>::new(1);
//! #             std::mem::forget(sender);
//! #             Body::new(body)
//! #         }
//! #         _ => Body::empty(),
//! #     };
//! #     Ok::<_, Infallible>(response.body(body).unwrap())
//! # });
//! let client = Stack::new()
//!     .classify(ErrorClassifyLayer::new().error_for_status())
//!     # .endpoint("/429".parse()?, |e| e.throttle(|config| config.own_quota()))
//!     .service(http);
//! let read = async |path: &str| -> Result<Bytes, Failure> {
//!     let request = Request::get(format!("https://id.example{path}")).body(Full::default()).unwrap();
//!     let response = client.clone().oneshot(request).await?;
//!     Ok(response.into_body().collect().await?.to_bytes())
//! };
//!
//! assert!(matches!(read("/users").await, Ok(_)));
//! assert!(matches!(read("/429").await, Err(Failure::TryLater(Some(_)))));
//! assert!(matches!(read("/401").await, Err(Failure::SignedOut)));
//! assert!(matches!(read("/hangs").await, Err(Failure::TimedOut))); // in the body
//! # Ok(())
//! # }
//! ```
//!
//! # In a 429 storm
//!
//! * **What is known** of each key: its limit, what is left, when it resets, how many requests are queued and in flight. Keep the
//!   handle before the stack takes the layer:
//!
//!   ```
//!   use tower_heed::{Stack, ThrottleLayer};
//!
//!   let throttle = ThrottleLayer::new();
//!   let quotas = throttle.handle();
//!   let stack = Stack::new().throttle(throttle);
//!   # drop(stack);
//!
//!   for quota in quotas.snapshot() {
//!       println!(
//!           "{}: {} of {:?} left {:?}, more in {:?}; {} queued, {} in flight",
//!           quota.key(), quota.kind(), quota.limit(), quota.remaining(), quota.reset(), quota.queued(), quota.in_flight(),
//!       );
//!   }
//!   ```
//! * **What callers get**: the response to a later attempt; the 429 itself if the server asks for longer than the call has;
//!   [`Throttled`](crate::ErrorKind::Throttled) if a queued request gets no permit, at once where that is known, else at its deadline.
//!   The queue is bounded in time and not in length: see [readiness](super::readiness#what-each-layer-does).
//! * **Retries are queued like any request.** One after a 429 takes nothing from the [budget](crate::retry::RetryBudget): only
//!   `max_retries`, `max_wait`, the deadline and the throttle bound it. The throttle spaces the attempts, and up to eight probes of a
//!   closed server within one backoff step count as one retry: a call makes 1 + 8 × 5 attempts at most by default for rate
//!   limits, 2 more for failures, 10 for servers that go away without processing it, and one if its token is replaced: 54, and usually
//!   few.
//! * **Who goes first**: `e.priority(Priority::High)` for logins, `Priority::Low` and a short `max_wait` for bulk jobs, by
//!   [`Stack::endpoint`](crate::Stack::endpoint). A path that is not counted with the others gets its own quota.
//! * **Recovery** needs nobody: when the block is over, requests go out at the pace that is known or probed for.
//!   [How the throttle finds the limit](https://docs.rs/crate/tower-heed/latest/source/docs/throttle.md) says how soon.
//!   All settings are fixed when the service is built. The handle shows what was learned, and
//!   [`forget`](crate::throttle::ThrottleHandle::forget) drops what was learned of a key.
//! * **The log**: two lines for each 429, `rate limited` (`WARN`) and `waiting to retry` (`INFO`), and one for each call that gives up,
//!   `not retried` (`WARN`) or `failed closed` (`INFO`). The throttle and the token cache log changes of state only. Filter
//!   `tower_heed::classify`, `tower_heed::retry` and `tower_heed::fallback`, and count with the metrics.
//!
//! # What to alert on
//!
//! [`events`](super::events) lists all events and metrics.
//!
//! | wake someone for | because |
//! |---|---|
//! | `WARN` `auth status changed` with `to` `unauthenticated`, target `tower_heed::classify` | the API does not accept us, and fresh tokens did not help |
//! | `WARN` `no token, in cooldown`, target `tower_heed::token_cache`, with a `code` such as `invalid_client` | the secret was rotated or the client deleted: it does not recover by itself |
//! | `tower_heed_circuits_open`, for longer than a few minutes | an upstream is down |
//! | `tower_heed_fallbacks_total` with `outcome` `fail_closed`, at a rate that users notice | calls fail closed |
//!
//! | look at during the day | because |
//! |---|---|
//! | `tower_heed_rate_limited_total` over `tower_heed_attempts_total`, above a percent | a limit is shared with a client that does not slow down, or is not announced |
//! | `tower_heed_queue_wait_seconds`, its upper quantiles | the load exceeds the limit: make fewer calls, or have it raised |
//! | `tower_heed_queue_length`, growing | the same, and deadlines will be missed next |
//! | `tower_heed_retries_total` by `class`, other than `rate_limited` | the upstream is unhealthy |
//! | `tower_heed_shared_tokens_total` with the `outcome` `alone` or `not_ours`, for longer than a deployment takes | the store is down, or processes have different keys |
//! | `tower_heed_permits_total` with the `outcome` `by_share`, for longer than a deployment takes; `lapsed`, above a tenth of `used` | the store is down; or processes take permits that they do not use |
//! | `tower_heed_token_fetches_total`, more than one per process and token life | an API rejects tokens, or processes restart |
//! | `tower_heed_fallbacks_total` with `outcome` `fail_open` | users see substituted responses |
//! | `tower_heed_response_cache_requests_total` with `outcome` `stale`, for longer than the server was down | users see old data |
//! | `tower_heed_detached_completed_total` with another `outcome` than `ok` | a detached request is lost |
//! | `tower_heed_detached_rejected_total`, or `tower_heed_detached_pending` growing | more is detached than the upstream takes |
//! | `WARN` `too many keys`, target `tower_heed::throttle` | keys are made of something without bound |
//!
//! `WARN` `rate limited`, target `tower_heed::classify`, has the limit's own numbers for each 429. It is for the log and not for an
//! alert: a 429 that was waited out did no harm.
