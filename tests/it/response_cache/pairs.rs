//! Random pairs of requests that differ in one thing: no response crosses.
//!
//! `PAIRS` sets their number; `scripts/proof optimized` takes more than a usual run.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use rand::{RngExt as _, SeedableRng, rngs::StdRng, seq::IndexedRandom as _};

use super::*;

/// The fields that need not count, and are none of the differences here.
const NEUTRAL: [&str; 32] = [
    "accept-encoding",
    "b3",
    "cache-control",
    "connection",
    "correlation-id",
    "date",
    "grpc-trace-bin",
    "idempotency-key",
    "keep-alive",
    "pragma",
    "proxy-connection",
    "request-id",
    "sentry-trace",
    "te",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "user-agent",
    "x-amzn-trace-id",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-trace-id",
    "x-request-id",
    // These pass by the cache.
    "range",
    "upgrade",
];

/// Names that servers take users, tenants and content from, to be found more often than by chance.
const NAMES: [&str; 24] = [
    "accept",
    "accept-language",
    "authorization",
    "cookie",
    "cookie2",
    "content-language",
    "dpop",
    "forwarded",
    "from",
    "host",
    "origin",
    "x-amz-date",
    "x-api-key",
    "x-forwarded-email",
    "x-forwarded-for",
    "x-forwarded-groups",
    "x-forwarded-host",
    "x-forwarded-user",
    "x-original-url",
    "x-real-ip",
    "x-ssl-client-dn",
    "x-tenant",
    "x-tenant-id",
    "x-user",
];

fn word(random: &mut StdRng, letters: &[u8], longest: usize) -> Vec<u8> {
    let length = random.random_range(1..=longest);
    (0..length).map(|_| *letters.choose(random).unwrap()).collect()
}

fn name(random: &mut StdRng) -> HeaderName {
    loop {
        let name = match random.random_bool(0.5) {
            true => HeaderName::from_static(NAMES.choose(random).unwrap()),
            false => HeaderName::from_bytes(&word(random, b"abcxyz-_019", 8)).unwrap(),
        };
        if !NEUTRAL.contains(&name.as_str()) && !name.as_str().starts_with("if-") {
            return name;
        }
    }
}

fn value(random: &mut StdRng) -> HeaderValue {
    let mut value = HeaderValue::from_bytes(&word(random, b"ab ,;=\"\xe4\xff1", 6)).unwrap();
    value.set_sensitive(random.random_bool(0.2));
    value
}

fn request(random: &mut StdRng) -> Request<Body> {
    let hosts = ["a.example", "b.example", "u@a.example", "a.example:8443"];
    let query = String::from_utf8(word(random, b"ab=&%27?", 6)).unwrap();
    let host = hosts.choose(random).unwrap();
    let mut request = get("/");
    *request.uri_mut() = format!("https://{host}/users/1?{query}").parse().unwrap();
    for _ in 0..random.random_range(0..5) {
        let (name, value) = (name(random), value(random));
        request.headers_mut().append(name, value);
    }
    request
}

/// All that a server may see of a request, without the order of different fields.
fn seen(request: &Request<Body>) -> String {
    let mut fields: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
    fields.sort_unstable();
    let values = |name: &&str| {
        let all = request.headers().get_all(*name);
        let bytes: Vec<_> = all.iter().map(|value| value.as_bytes().to_vec()).collect();
        format!("{name}{bytes:?}")
    };
    let fields: Vec<_> = fields.iter().map(values).collect();
    format!("{} {fields:?} {:?}", request.uri(), request.body())
}

/// A request that differs from this one in one thing.
fn other(random: &mut StdRng, request: &Request<Body>) -> Request<Body> {
    let mut other = request.clone();
    let names: Vec<_> = request.headers().keys().cloned().collect();
    let Some(chosen) = names.choose(random).cloned() else {
        let (name, value) = (name(random), value(random));
        other.headers_mut().append(name, value);
        return other;
    };
    let values: Vec<_> = request.headers().get_all(&chosen).iter().cloned().collect();
    let mut replace = |name: HeaderName, values: Vec<HeaderValue>| {
        let headers: &mut HeaderMap = other.headers_mut();
        headers.remove(&chosen);
        for value in values {
            headers.append(&name, value);
        }
    };
    match random.random_range(0..10) {
        0 => replace(name(random), values),
        1 => replace(chosen.clone(), vec![]),
        2 => replace(chosen.clone(), vec![value(random)]),
        3 => replace(chosen.clone(), [values, vec![value(random)]].concat()),
        4 => replace(chosen.clone(), values.into_iter().rev().collect()),
        5 => {
            // Two values in one line.
            let joined =
                values.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
            replace(chosen.clone(), vec![HeaderValue::from_bytes(&joined).unwrap()]);
        }
        6 => {
            // One letter.
            let mut bytes = values[0].as_bytes().to_vec();
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 0x20;
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                replace(chosen.clone(), [vec![value], values[1..].to_vec()].concat());
            }
        }
        7 => {
            let mut parts = request.uri().clone().into_parts();
            let query = String::from_utf8(word(random, b"ab=&%27?", 6)).unwrap();
            parts.path_and_query = Some(format!("/users/1?{query}").parse().unwrap());
            *other.uri_mut() = Uri::from_parts(parts).unwrap();
        }
        8 => *other.body_mut() = full("a body"),
        _ => {
            let uri = request.uri().to_string().replace("https", "http");
            *other.uri_mut() = uri.parse().unwrap();
        }
    }
    other
}

#[tokio::test(start_paused = true)]
async fn no_response_crosses_between_requests_that_differ() {
    let pairs = std::env::var("PAIRS").map_or(10_000, |pairs| pairs.parse().unwrap());
    let seed = std::env::var("SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let api = Api::scripted(|request| Ok(Response::new(full(&seen(request)))));
    let layer = layer();
    let mut client = client(&layer, &api);
    let mut differing = 0;
    for _ in 0..pairs {
        let one = request(&mut random);
        let other = other(&mut random, &one);
        differing += usize::from(seen(&one) != seen(&other));
        for request in [&one, &other, &one] {
            let got = send(&mut client, request.clone()).await.unwrap();
            assert_eq!(got.body, seen(request));
        }
    }
    assert!(differing > pairs * 7 / 10, "{differing} of {pairs}");
    assert!(layer.handle().snapshot().hits() > (pairs / 2) as u64, "stored responses are served");
}
