//! What happens when ...: which layer acts, what the caller sees, what to alert on.
//!
//! The columns are for the recommended [`Stack`](crate::Stack) with a token layer. *Sees* is what `client.call(..).await` gives once
//! all has been tried. With a [`FallbackLayer`](crate::FallbackLayer) around it, that is the cause of an open answer or the source
//! of an [`UpstreamUnavailable`](crate::fallback::UpstreamUnavailable).
//!
//! # The API
//!
//! | when | what is done, by whom | the caller sees |
//! |---|---|---|
//! | it answers **429** | `ThrottleLayer` holds all callers of the key as long as was said; `RetryOnRateLimit` sends again after that and jitter | the answer to a later send; nothing was lost |
//! | 429s come in a **storm**, with a wait beyond the deadline | no wait is begun that would be in vain | the 429 at once, class `RateLimited`, its wait in [`RetryOutcome`](crate::retry::RetryOutcome); those in line: [`Throttled`](crate::throttle::Throttled) with `retry_after` |
//! | it has a limit and **shows none** | `ThrottleLayer` learns it from the refusals and stays below | as above; a refusal now and then is retried |
//! | its limit is **shared with others** (another team, another process) | the answers say what is left, whoever used it; what they do not say is found like a limit that is not shown | as above |
//! | a limit comes as **403** (GitHub) | `ErrorClassifyLayer` reads the headers: `RateLimited` | as for 429 |
//! | it answers **5xx** | a repeatable request is sent again with backoff, from the budget; a `POST` only at a 503 with `Retry-After` | the 5xx, class `Unavailable`; `AuthStatus` is `Degraded` |
//! | it **hangs** | the send's `TimeoutLayer` gives it up; a repeatable request is sent again | [`Elapsed`](crate::timeout::Elapsed), class `Timeout`, no later than the call's limit |
//! | it hangs **within the body** | the same limit, in the body | an error of the body: `Elapsed` with `Phase::Body` |
//! | the **connection is refused**, or there is no route | any request is sent again: it never left | the client's error, class `Connect` |
//! | the connection **breaks half way** | a repeatable request is sent again; a `POST` may have been carried out | the client's error, class `Interrupted` |
//! | it is **out for an hour** | the [budget](crate::retry::RetryBudget) ends the retries of all calls together, so that they do not multiply the load | the failure of the first send, once the budget is spent |
//! | it says **`Retry-After: 86400`**, or nonsense | a wait beyond `max_wait` (90 s) is not begun; what cannot be read is ignored; `ThrottleLayer` asks again after an hour at most (`max_hold`) | the answer at once, with what it said |
//! | it is out and there is a `ResponseCacheLayer` | what is stale is served, marked `Stale`, for `stale_for` (10 min) | a success |
//!
//! # Class by class
//!
//! What each layer makes of a failure that is left, by its defaults:
//!
//! | class | safe or marked `Idempotent` | any other request | session | what is stale | fail open | fail closed |
//! |---|---|---|---|---|---|---|
//! | `RateLimited`, `Throttled`, `Connect` | again | again | `Degraded` | served | answered | `UpstreamUnavailable` |
//! | `Unavailable`, `Timeout`, `Interrupted` | again | returned | `Degraded` | served | answered | `UpstreamUnavailable` |
//! | `TokenUnavailable` | by its cause | by its cause | by its cause | served | by its cause | `UpstreamUnavailable` |
//! | `Unauthenticated` | returned | returned | `Unauthenticated` | forgotten | passed on | `UpstreamUnavailable` |
//! | `Forbidden`, `Rejected` | returned | returned | as it was | forgotten | passed on | passed on |
//!
//! * *Again* is within [`max_retries`](crate::RetryOnRateLimit::max_retries) (5), `max_wait` (90 s), the deadline and the budget; why it ended
//!   is in [`RetryOutcome`](crate::retry::RetryOutcome). Not again: 501 and 505. Again although not safe: 503 with `Retry-After`. A 401 to a
//!   token that was fetched is sent once more with another one, and is a failure only if that is rejected too.
//! * *Session* is the `AuthStatus` of [`ErrorClassifyLayer::status`](crate::ErrorClassifyLayer::status). `Degraded` is never a way out
//!   of `Unauthenticated`.
//! * *Stale* is for a response of a named `GET` in `ResponseCacheLayer`. It is served with the mark `Stale`, or forgotten and the
//!   failure passed on. All who shared the flight get the same failure, as `response_cache::FetchFailed` if it is an error.
//! * *Fail open*, *fail closed* are [`FallbackLayer`](crate::FallbackLayer)'s. An open answer has the mark
//!   [`Degraded`](crate::extensions::Degraded). `TokenUnavailable` is answered openly where the issuer is out, and passed on where it refused
//!   the credentials.
//! * A request that [`DetachLayer`](crate::DetachLayer) took on has had its 202. What is left in the end goes to
//!   [`on_failure`](crate::DetachLayer::on_failure) and into the log, whatever its class.
//! * With the feature `axum`, the module `axum` has the status that each becomes for the app's own caller.
//!
//! # Tokens
//!
//! | when | what is done, by whom | the caller sees |
//! |---|---|---|
//! | the **token endpoint is down** and a token is good | it goes on being used; one refresh after each hold-off | nothing |
//! | it is down and **no token is good** | one flight for all callers, then a hold-off | [`TokenError`](crate::token_cache::TokenError) with `retry_after`, at once; class `TokenUnavailable`; nothing was sent |
//! | it answers **429** | the same, held off for as long as it says | the same |
//! | it **refuses our credentials** | a long hold-off, which ends when the credentials are replaced | `TokenError` with the OAuth `error` code |
//! | a token is **revoked** (401 by the API) | that token alone is forgotten, one flight, the request is sent once more | nothing |
//! | **each token** is answered 401 | token calls are bounded ([`RejectionLimit`](crate::token_cache::RejectionLimit)); the session becomes `Unauthenticated`, its handler runs once | the 401 |
//! | the API answers **403** | nothing: a new token may do no more than the old | the 403, class `Forbidden` |
//! | the machine **slept** | the token's age is the larger of two clocks, so it is refreshed | nothing |
//! | an address **from outside** names another server | the token is not sent there | [`OriginRefused`](crate::token_cache::OriginRefused) |
//!
//! # This process
//!
//! | when | what is done, by whom | the caller sees |
//! |---|---|---|
//! | the **clock is wrong** | a reset that is a moment is measured from the answer's own `Date`, where it has one, and a token's life from when it was asked for: neither needs our clock to be right | nothing |
//! | the clock **jumps** | spans are measured on the monotonic clock; a token is never older in truth than it is taken for | nothing, or one refresh too many |
//! | it **restarts** | what was learnt of limits, the tokens and what was kept are gone: one request goes first and asks for all, one token is fetched; detached requests that were not [drained](crate::detach::DetachHandle::shutdown) are lost | the first answers are a little later |
//! | **many processes** share one quota | each reads what is left from its own answers, and slows down when refused; they know nothing else of each other | a refusal now and then, retried |
//! | a process's tokens are not shared | each process fetches its own | one flight per process and life of a token |
//! | the **line is too long** for its deadline | those who would wait in vain are told at once | [`Throttled`](crate::throttle::Throttled), class `Throttled` |
//! | the **detach queue is full** | nothing is taken on | [`NotQueued`](crate::detach::NotQueued), class `Throttled` |
//! | a **caller gives up** (a dropped future) | its place in line and its send end; flights go on for the others | |
//! | a **body cannot be sent twice** | it is sent once | the failure of that send |
//!
//! What was found is told by [`find`](crate::error::find) through any wrapping, and the class of any error by
//! [`Classification::of_error`](crate::classify::Classification::of_error).
//!
//! # What to alert on
//!
//! Events are [`tracing`](https://docs.rs/tracing)'s, at changes of state; their targets begin with `tower_heed::`. Metrics need the
//! feature `metrics`.
//!
//! | wake somebody for | because |
//! |---|---|
//! | `WARN` `auth status changed` to `Unauthenticated`, target `classify` | the API does not accept us, and fresh tokens did not help |
//! | `WARN` `no token, not asking again during the hold-off`, target `token_cache`, with a `code` such as `invalid_client` | the secret was rotated or the client deleted: it does not mend itself |
//! | `tower_heed_fallbacks_total` with `outcome` `closed`, at a rate that users feel | calls fail closed |
//!
//! | look at during the day | because |
//! |---|---|
//! | `tower_heed_refusals_total` against `tower_heed_sends_total`, above a percent | a limit is shared with something that does not hold back, or is not shown |
//! | `tower_heed_wait_seconds`, its upper quantiles | more is asked for than the limit allows: make fewer calls, or have it raised |
//! | `tower_heed_queue_length`, growing | the same, and the deadlines will be next |
//! | `tower_heed_retries_total` by `class`, other than `rate_limited` | the upstream is not well |
//! | `tower_heed_tokens_fetched_total`, more than one for each process and life of a token | an API rejects tokens, or processes restart |
//! | `tower_heed_fallbacks_total` with `outcome` `open` | users see what was made up |
//! | `tower_heed_cache_requests_total` with `outcome` `stale`, for longer than the server was out | what is shown is old |
//! | `tower_heed_detached_ends_total` with another `outcome` than `ok` | a detached request is lost |
//! | `tower_heed_detached_refusals_total`, or `tower_heed_detached_pending` growing | more is detached than the upstream takes |
//! | `WARN` `no room for another key`, target `throttle` | keys are made of something without bound |
//!
//! `WARN` `rate limited`, target `classify`, comes with the limit's own numbers for each refusal. It is for the log and not for an
//! alert: a refusal that was waited out hurt nobody.
