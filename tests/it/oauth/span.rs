//! The span of an exchange.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{ServiceExt, service_fn};
use tower_heed::{
    oauth::{ClerkM2m, ClientCredentials, RefreshToken},
    token_cache::{FetchReason, TokenKey, TokenRequest},
};
use tracing::{
    Dispatch, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::NoSubscriber,
};
use tracing_subscriber::layer::{Context, SubscriberExt};

type Fields = BTreeMap<String, String>;

/// The fields of each span of this crate.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

struct Values<'a>(&'a mut Fields);

impl Visit for Values<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(&self, span: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut fields = Fields::from([("name".to_owned(), span.metadata().name().to_owned())]);
        span.record(&mut Values(&mut fields));
        self.0.lock().unwrap().push(fields);
    }

    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        values.record(&mut Values(self.0.lock().unwrap().last_mut().unwrap()));
    }
}

#[tokio::test]
async fn rule_28_an_exchange_has_a_span_without_secrets() {
    let spans = Spans::default();
    // While there is one subscriber alone, a span that another test's thread meets first is off for all.
    let _second = Dispatch::new(NoSubscriber::default());
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    let _subscribed = tracing::subscriber::set_default(subscriber);

    let http = service_fn(|request: Request<Full<Bytes>>| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let is_wrong = String::from_utf8_lossy(&body).contains("wrong");
        let (status, body) = match is_wrong {
            true => (401, r#"{"error":"invalid_client","error_description":"wrong-hush"}"#),
            false => (200, r#"{"access_token":"sesame","token_type":"Bearer","expires_in":60}"#),
        };
        let response = Response::builder().status(status).body(Full::<Bytes>::from(body));
        Ok::<_, Infallible>(response.unwrap())
    });
    let client = |secret: &str| {
        ClientCredentials::new(http, "https://id.example/token?t=1", "app", secret).unwrap()
    };
    let request = || TokenRequest::new(TokenKey::new(), FetchReason::Missing);
    client("hush").oneshot(request()).await.unwrap();
    client("wrong-hush").oneshot(request()).await.unwrap_err();
    RefreshToken::new(client("hush"), "hush").unwrap().oneshot(request()).await.unwrap();
    ClerkM2m::new(http, "ak_hush").unwrap().oneshot(request()).await.unwrap_err();

    let seen = std::mem::take(&mut *spans.0.lock().unwrap());
    let expected = [
        ("client_credentials", "id.example", "ok"),
        ("client_credentials", "id.example", "rejected"),
        ("refresh_token", "id.example", "ok"),
        ("clerk_m2m", "api.clerk.com", "malformed"),
    ];
    let expected = expected.map(|(grant, address, outcome)| {
        Fields::from(
            [
                ("name", "token exchange"),
                ("otel.kind", "client"),
                ("oauth.grant_type", grant),
                ("server.address", address),
                ("outcome", outcome),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
    });
    assert_eq!(seen, expected);
}
