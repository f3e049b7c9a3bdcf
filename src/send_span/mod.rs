//! A span for each send, by OpenTelemetry's conventions for HTTP clients.
//!
//! [`SendSpanLayer`] makes a [`tracing`] span around each request that goes to what is inside of it. With `tracing-opentelemetry` as
//! a layer of the subscriber it is exported as a client span whose name and attributes are those of the
//! [semantic conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), so that any backend shows the sends of
//! one call beside each other: which was refused, how long the next one waited, what it took. Use it where the HTTP client makes
//! no such span itself; a second one would count each send twice.
//!
//! | attribute | |
//! |---|---|
//! | name (`otel.name`) | `GET /users/{id}` for an endpoint that was declared, else `GET`; `HTTP` for a method that is not known |
//! | kind (`otel.kind`) | `client` |
//! | `http.request.method` | the method; `_OTHER` for one that is [not known](SendSpanLayer::known_methods), which `http.request.method_original` then names |
//! | `http.request.resend_count` | for a send after the first of its call: how many came before, as the [`Attempt`] of the retry layer or the token layer says |
//! | `server.address`, `server.port` | host and port of the URI, or the usual port of its scheme; those of the `Host` field where the URI is a path alone |
//! | `url.full` | the URI, with `REDACTED` for its credentials and for each value of its query |
//! | `url.template` | the path of the endpoint's pattern |
//! | `http.response.status_code` | the status |
//! | `network.protocol.version` | `1.1`, `2`: that of the answer |
//! | `error.type` | the status if it is 400 or above; for an error the name of its [`ErrorClass`], or `_OTHER` if it has none; `cancelled` |
//! | status (`otel.status_code`) | `ERROR` together with `error.type`, else unset; never with a description |
//!
//! These are all that the conventions require of a client, and what they recommend but for the address of the peer, which the
//! layers do not see. Their own list of values to be redacted (`sig`, `Signature`, ...) is shorter: APIs have
//! secrets under many names.
//!
//! No header field but `Host`, no body, no text of an error and no value of a query is in a span. The *path* is in `url.full`, and no
//! attribute where [`without_url`](SendSpanLayer::without_url) says so, for all or for one endpoint: APIs that have secrets or e-mail addresses
//! in their paths are a reason to.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_heed::{BoxError, SendSpanLayer, Stack};
//! use tracing_opentelemetry::OpenTelemetryLayer;
//! use tracing_subscriber::layer::SubscriberExt;
//! use opentelemetry::trace::TracerProvider;
//! use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // Stands for an exporter to a collector.
//! let exporter = InMemorySpanExporter::default();
//! let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
//! let tracer = provider.tracer("my-app");
//! let subscriber = tracing_subscriber::registry().with(OpenTelemetryLayer::new(tracer));
//! let _guard = tracing::subscriber::set_default(subscriber);
//!
//! let http = service_fn(async |_: Request<String>| Ok::<_, BoxError>(Response::new(String::new())));
//! let spans = SendSpanLayer::new().endpoint("GET /users/{id}", |config| config)?;
//! let client = Stack::new().send_span(spans).layer(http);
//! client.oneshot(Request::get("https://id.example/users/7").body(String::new())?).await?;
//!
//! assert_eq!(exporter.get_finished_spans()?[0].name, "GET /users/{id}");
//! # Ok(())
//! # }
//! ```
//!
//! # From when to when
//!
//! A span begins with [`Service::call`](tower_service::Service::call) and ends with the head of the answer, or the error. The body is
//! not part of it: a caller may read it late or not at all, and the conventions ask that a span does not wait for that.
//!
//! It is entered around the call and each poll inside, and nowhere else: [`Span::current`](tracing::Span::current) is the send's own for
//! the layers inside and the client (one that writes `traceparent` goes there), and not for what the caller does
//! meanwhile. The caller's span is its parent. A task that something inside spawns *in the current span* holds it open: so do
//! hyper-util's connections with its feature `rt-tracing-exec-force` or an executor of its `rt::tracing`, until they close.
//!
//! # Defaults
//!
//! Nothing makes such spans until this layer is added, in a [`Stack`](crate::Stack) too. They have the level `INFO` and the target
//! `tower_heed::send_span`; where a filter leaves them out, a send costs the look for its endpoint and no allocation.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, outside of any span.
//!
//! # Cancellation
//!
//! A future that is dropped before the head came ends its span with `error.type` `cancelled`: a time limit around the retry ran
//! out, for example, or the caller lost interest.
//!
//! # Cloning
//!
//! A clone shares the endpoints. Each send has a span of its own.
//!
//! # Ordering
//!
//! Inside of [`RetryOnRateLimit`](crate::RetryOnRateLimit), [`ThrottleLayer`](crate::ThrottleLayer) and
//! [`TokenCacheLayer`](crate::TokenCacheLayer), so that there is one span for each send and no waiting in it; around the
//! [`TimeoutLayer`](crate::TimeoutLayer) of each send, so that `timeout` is seen. [`Stack::send_span`](crate::Stack::send_span) puts it there.
//! Outside of the retry it would be one span for the call, which the conventions advise against where there can be more.
//!
//! What answers by itself goes **outside** too, so that there is a span for what was sent and none for what was not:
//!
//! | layer | outside, as it should be | inside |
//! |---|---|---|
//! | [`FallbackLayer`](crate::FallbackLayer) | the span is the upstream's failure; the answer in its place has none | that answer looks like a success of the upstream |
//! | `ResponseCacheLayer` | one span for a flight, beneath the call that began it; none for a hit, nor for those who share the flight | a hit looks like a send |
//! | [`DetachLayer`](crate::DetachLayer) | the span begins when the request is sent, beneath the one of the call, which stays open until then; none for the 202 | the 202 is in the span, which stays open until the background is done |
//!
//! So does an [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) that makes errors of answers: inside, it leaves the span the class
//! and takes the status. Redirects that the client follows itself are inside of the span, whose `url.full` is the first of the URLs.
//!
//! # Errors
//!
//! Those of the inner service, unchanged.
//!
//! [`Attempt`]: crate::extensions::Attempt
//! [`ErrorClass`]: crate::classify::ErrorClass

mod attributes;
mod config;
mod future;
mod layer;
mod methods;
mod service;
mod span;

pub use config::Config;
pub use future::ResponseFuture;
pub use layer::SendSpanLayer;
pub use service::SendSpan;
