//! A span for each attempt, named and attributed by OpenTelemetry's conventions for HTTP clients.
//!
//! [`AttemptSpanLayer`] makes a [`tracing`] span around each request to the inner service. With `tracing-opentelemetry` in the
//! subscriber, the span is exported as a client span with the name and attributes of the
//! [semantic conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), so any backend shows the attempts of one
//! call side by side: which one was rejected, how long the next one waited, how long it took. Use the layer where the HTTP client
//! makes no such span itself; two spans would count each attempt twice.
//!
//! | attribute | value |
//! |---|---|
//! | name (`otel.name`) | `GET /users/{id}` for a declared endpoint, else `GET`; `HTTP` for an unknown method |
//! | kind (`otel.kind`) | `client` |
//! | `http.request.method` | the method; `_OTHER` for an [unknown](AttemptSpanLayer::known_methods) one, named by `http.request.method_original` |
//! | `http.request.resend_count` | the number of earlier attempts of the call, from the [`Attempt`] that the retry layer or the token layer sets; absent on the first attempt |
//! | `server.address`, `server.port` | host and port of the URI, or the scheme's default port; those of the `Host` field if the URI is only a path |
//! | `url.full` | the URI, with `REDACTED` in place of its credentials and of each query value |
//! | `url.template` | the path of the endpoint's pattern |
//! | `http.response.status_code` | the status |
//! | `network.protocol.version` | `1.1`, `2`: the version of the response |
//! | `error.type` | a status of 400 or above; the name of an error's [`ErrorClass`], or `_OTHER` without one; `cancelled` |
//! | status (`otel.status_code`) | `ERROR` together with `error.type`, else unset; never with a description |
//! | `tower_heed.stack` | the [name](AttemptSpanLayer::name) of the stack, if it has one |
//!
//! These are all the attributes that the conventions require of a client, and all they recommend except the peer's address, which
//! a layer does not see. The conventions' own list of values to redact (`sig`, `Signature`, ...) is shorter: APIs put secrets under
//! many names.
//!
//! A span contains no header field but `Host`, no body, no error text and no query value. The *path* is part of `url.full`; if an
//! API has secrets or e-mail addresses in its paths, [`without_url`](AttemptSpanLayer::without_url) leaves the attribute out, for
//! all endpoints or for one.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceExt, service_fn};
//! use tower_heed::{AttemptSpanLayer, BoxError, Stack};
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
//! let spans = AttemptSpanLayer::new().endpoint("GET /users/{id}".parse()?, |config| config);
//! let client = Stack::new().attempt_span(spans).service(http);
//! client.oneshot(Request::get("https://id.example/users/7").body(String::new())?).await?;
//!
//! assert_eq!(exporter.get_finished_spans()?[0].name, "GET /users/{id}");
//! # Ok(())
//! # }
//! ```
//!
//! # Start and end
//!
//! A span starts with [`Service::call`](tower_service::Service::call) and ends with the response head or the error. It does not
//! cover the body: a caller may read the body late or never, and the conventions ask that a span does not wait for that.
//!
//! Its parent is the span in which the call's future is first polled, also if that differs from the span of `call`, as in
//! `client.ready().await?.call(request).instrument(span)`. Where the subscriber wants the spans, the request is therefore sent at that poll.
//!
//! The span is entered during the inner call and each inner poll only. [`Span::current`](tracing::Span::current) is therefore the
//! attempt's span for the layers inside and for the client (put a layer that writes `traceparent` there), and never for the caller.
//! A task that something inside spawns *in the current span* keeps the span open: hyper-util's
//! connections do so with its feature `rt-tracing-exec-force` or an executor of its `rt::tracing`, until they close.
//!
//! # Durations
//!
//! With the feature `metrics` each attempt is also measured, from its start to the response head or the error: the histogram
//! [`http.client.request.duration`](https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpclientrequestduration). A
//! [`Stack`](crate::Stack) measures its attempts without this layer too.
//!
//! # Defaults
//!
//! No layer makes these spans until this one is added, in a [`Stack`](crate::Stack) as well. They have the level `INFO` and the
//! target `tower_heed::attempt_span`. If a filter disables them, an attempt costs the endpoint lookup and no allocation.
//!
//! # Readiness
//!
//! `poll_ready` is the inner service's, outside of any span.
//!
//! # Cancellation
//!
//! If the future is dropped before the response head, the span ends with the `error.type` `cancelled`: an outer timeout elapsed,
//! for example, or the caller went away.
//!
//! # Cloning
//!
//! A clone shares the endpoints. Each attempt has its own span.
//!
//! # Ordering
//!
//! Inside [`RetryOnRateLimit`](crate::RetryOnRateLimit), [`ThrottleLayer`](crate::ThrottleLayer) and
//! [`TokenCacheLayer`](crate::TokenCacheLayer), so that each attempt has a span and no span includes waiting; outside the
//! [`TimeoutLayer`](crate::TimeoutLayer) of each attempt, so that a timeout is reported as `timeout`.
//! [`Stack::attempt_span`](crate::Stack::attempt_span) puts the layer there. Outside the retry layer there would be one span for the
//! whole call, which the conventions advise against.
//!
//! Layers that respond themselves go **outside** as well, so that there is a span for each request sent and for no other:
//!
//! | layer | outside, as recommended | inside |
//! |---|---|---|
//! | [`FallbackLayer`](crate::FallbackLayer) | the span shows the upstream's failure; the fallback response has no span | the fallback response looks like a success of the upstream |
//! | `ResponseCacheLayer` | one span for each fetch, a child of the call that started it; none for a hit or for other callers that wait for the fetch | a hit looks like an attempt |
//! | [`DetachLayer`](crate::DetachLayer) | the span starts when the request is sent, a child of the call's span, which stays open until then; none for the 202 | the span shows the 202 and stays open until the background work is done |
//!
//! An [`ErrorClassifyLayer`](crate::ErrorClassifyLayer) that turns responses into errors goes outside too: inside, the span gets the
//! class but not the status. Redirects that the client follows itself are part of the span, whose `url.full` is the first URL.
//!
//! # Errors
//!
//! The inner service's, unchanged.
//!
//! [`Attempt`]: crate::extensions::Attempt
//! [`ErrorClass`]: crate::classify::ErrorClass

mod attributes;
mod future;
mod layer;
mod service;
mod span;

pub use future::ResponseFuture;
pub use layer::{AttemptSpanLayer, SpanConfig};
pub use service::AttemptSpan;
