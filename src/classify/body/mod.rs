//! Failures that only the body tells: a spent budget behind a 429, a rate limit in a `200 OK`.
//!
//! [`ClassifyBodyLayer`] reads the beginning of a response's body and asks a [`Classifier`](super::Classifier) what it means. The
//! result is a [`Classification`](super::Classification) on the response, which all layers outside heed: the throttle and the retry
//! layer wait as long as the body says, the session follows, and a body that [rejects the
//! token](super::Classification::rejecting_token) has the effect of a 401. The response itself is returned whole.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};
//! use tower::ServiceBuilder;
//! use tower_heed::{Stack, classify::{ClassifyBodyLayer, Preset}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_heed::BoxError> {
//! let bodies = ClassifyBodyLayer::new()
//!     .endpoint("POST /graphql".parse()?, |config| config.classifier(Preset::GraphQl))
//!     .endpoint("POST /v1/chat/completions".parse()?, |config| config.classifier(Preset::OpenAi));
//! let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
//! let client = Stack::new().service(ServiceBuilder::new().layer(bodies).service(http));
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! # What the presets read
//!
//! | preset | of which responses | what it finds |
//! |---|---|---|
//! | `Standard` | 400, 403, 429, 500, 503 | AWS's codes in JSON or XML: throttling is `RateLimited`, `ExpiredToken` and the kind are `Unauthenticated` and reject the token |
//! | `GitHub` | 403, 429 | a secondary limit is `RateLimited`, for a minute if nothing says how long |
//! | `Google` | 403, 429 | `rateLimitExceeded`, `RESOURCE_EXHAUSTED` are `RateLimited`, for the `retryDelay` of `RetryInfo` |
//! | `OpenAi` | 429 | `insufficient_quota` is `Rejected`: no wait helps |
//! | `GraphQl` | JSON of any status | `errors` without `data` (absent or null) in a body that was read whole: `THROTTLED`, `RATE_LIMITED` are `RateLimited`, for as long as Shopify's cost takes to be restored; `UNAUTHENTICATED` rejects the token; `FORBIDDEN` |
//!
//! The others read nothing, and none reads a body with a `Content-Encoding`: put a layer that decompresses inside of this one.
//!
//! A [`Classifier`](super::Classifier) of your own says by [`reads_body`](super::Classifier::reads_body) which responses it wants, and by
//! [`classify_body`](super::Classifier::classify_body) what they mean:
//! [`Classification::with_retry_after`](super::Classification::with_retry_after) adds the wait that the body names, and
//! [`rejecting_token`](super::Classification::rejecting_token) gives it the effect of a 401.
//!
//! # A body that breaks off
//!
//! A `GET` whose response breaks half way cannot be sent again once the caller has its head. Where responses are small documents, an
//! endpoint can have them read [whole](ClassifyBodyConfig::whole) first, with or without a classifier; the
//! [response cache](crate::guide::failure_modes) does so for what it stores.
//!
//! ```
//! use tower_heed::classify::ClassifyBodyLayer;
//!
//! let bodies = ClassifyBodyLayer::new().endpoint("GET /users/{id}".parse()?, |config| config.whole());
//! # drop(bodies);
//! # Ok::<(), tower_heed::error::InvalidConfig>(())
//! ```
//!
//! # Defaults
//!
//! Nothing is read. An endpoint with a classifier reads [8 KiB](ClassifyBodyConfig::max_bytes) and waits for
//! [2 s](ClassifyBodyConfig::max_wait), at most. A body that is cut is looked at as far as it goes, but for
//! GraphQL's, whose data may follow. Other responses cost nothing but
//! the search for the endpoint.
//!
//! # Ordering
//!
//! Around the client, inside all other layers: a [`Stack`](crate::Stack) goes around it. The time of the attempt counts.
//!
//! # Readiness, cancellation, cloning
//!
//! `poll_ready` is the inner service's. Dropping the future drops the inner one, or the body. Clones share the settings.
//!
//! # Errors
//!
//! The inner service's. An error of the body comes at its place when the body is read, unless the endpoint's are read
//! [whole](ClassifyBodyConfig::whole).
//!
//! # Panics
//!
//! Outside of a tokio runtime with timers the future panics if a body that it reads is not there at once.

mod classified;
mod future;
mod json;
mod layer;
pub(super) mod presets;
mod service;

pub use classified::ClassifiedBody;
pub use future::ClassifyBodyFuture;
pub use layer::{ClassifyBodyConfig, ClassifyBodyLayer};
pub use service::ClassifyBody;
