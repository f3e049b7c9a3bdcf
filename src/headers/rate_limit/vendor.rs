//! Vendors' own grammars.

use super::{
    clock::seconds,
    dialect::{Attribute, Dialect},
    reader::Reader,
    text::{latin1, split, split_once},
    window::{Limit, Reset, Spelling, Window},
};
use crate::headers::number::{Number, digits};

/// Shopify: `32/40`, used and limit of a leaky bucket.
pub(super) fn shopify(
    reader: &mut Reader<'_, '_>,
    dialect: &'static Dialect,
    _: &str,
    value: &[u8],
) {
    used_of_limit(reader, dialect, None, value);
}

/// Salesforce: `api-usage=18/5000; per-app-api-usage=17/250(appName=sample)`.
pub(super) fn salesforce(
    reader: &mut Reader<'_, '_>,
    dialect: &'static Dialect,
    _: &str,
    value: &[u8],
) {
    for member in value.split(|byte| matches!(byte, b';' | b',')) {
        let Some((name, usage)) = split_once(member, b'=') else { continue };
        let name = match name {
            b"api-usage" => "api-usage",
            b"per-app-api-usage" => "per-app-api-usage",
            _ => continue,
        };
        let usage = split_once(usage, b'(').map_or(usage, |(usage, _)| usage);
        used_of_limit(reader, dialect, Some(name), usage);
    }
}

fn used_of_limit(
    reader: &mut Reader<'_, '_>,
    dialect: &'static Dialect,
    name: Option<&str>,
    usage: &[u8],
) {
    let Some(slash) = usage.iter().position(|byte| *byte == b'/') else { return };
    let (Some(used), Some(limit)) = (digits(&usage[..slash]), digits(&usage[slash + 1..])) else {
        return;
    };
    if let Some(window) = reader.window(dialect, name) {
        window.add_limit(Limit::units(limit));
        window.add_remaining(Number::from(limit.saturating_sub(used)));
    }
}

/// Auth0's quotas: `b=per_hour;q=10;r=7;t=3540,b=per_day;q=50;r=47;t=43200`; its SDKs also accept them without `b=`.
pub(super) fn auth0(reader: &mut Reader<'_, '_>, dialect: &'static Dialect, _: &str, value: &[u8]) {
    for bucket in split(value, b',') {
        let mut window = Window::new(dialect, None);
        for part in split(bucket, b';') {
            match split_once(part, b'=') {
                Some((b"b", name)) => window.name = Some(latin1(name)),
                Some((b"q", limit)) => add_limit(&mut window, limit),
                Some((b"r", remaining)) => add_remaining(&mut window, remaining),
                Some((b"t", reset)) => add_reset(&mut window, reset, Spelling::Bare),
                None if window.name.is_none() => window.name = Some(latin1(part)),
                _ => {}
            }
        }
        // A reset without units has no meaning.
        if window.has_units() {
            reader.push(window);
        }
    }
}

/// Azure Compute: `Microsoft.Compute/HighCostGet3Min;46,Microsoft.Compute/HighCostGet30Min;0`.
pub(super) fn azure_resource(
    reader: &mut Reader<'_, '_>,
    dialect: &'static Dialect,
    _: &str,
    value: &[u8],
) {
    for policy in split(value, b',') {
        let Some((name, remaining)) = split_once(policy, b';') else { continue };
        if let Some(remaining) = Number::parse(remaining) {
            let mut window = Window::new(dialect, Some(latin1(name)));
            window.add_remaining(remaining);
            reader.push(window);
        }
    }
}

/// Zendesk, per endpoint: `total=100; remaining=99; resets=60`.
pub(super) fn zendesk(
    reader: &mut Reader<'_, '_>,
    dialect: &'static Dialect,
    endpoint: &str,
    value: &[u8],
) {
    if endpoint.is_empty() {
        return;
    }
    let mut window = Window::new(dialect, Some(endpoint.into()));
    for part in split(value, b';') {
        match split_once(part, b'=') {
            Some((b"total", limit)) => add_limit(&mut window, limit),
            Some((b"remaining", remaining)) => add_remaining(&mut window, remaining),
            Some((b"resets", reset)) => add_reset(&mut window, reset, Spelling::Key),
            _ => {}
        }
    }
    reader.push(window);
}

fn add_limit(window: &mut Window, limit: &[u8]) {
    if let Some(limit) = Limit::parse(Attribute::Limit, limit) {
        window.add_limit(limit);
    }
}

fn add_remaining(window: &mut Window, remaining: &[u8]) {
    if let Some(remaining) = Number::parse(remaining) {
        window.add_remaining(remaining);
    }
}

/// Seconds from now, of any size.
fn add_reset(window: &mut Window, reset: &[u8], spelling: Spelling) {
    if let Some(wait) = seconds(reset) {
        window.add_reset(Reset {
            attribute: Attribute::ResetAfter,
            wait,
            spelling,
            is_moment: false,
        });
    }
}
