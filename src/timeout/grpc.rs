//! The request field `grpc-timeout`: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The field has eight digits at most.
const LARGEST: u128 = 99_999_999;

/// Tells the server how much time is left, unless the request says that there is less.
pub(super) fn announce(headers: &mut HeaderMap, left: Duration) {
    let told = headers.get(&GRPC_TIMEOUT).and_then(|told| parse(told.as_bytes()));
    if told.is_some_and(|told| told <= left) {
        return;
    }
    let millis = left.as_millis().max(1);
    let text = match millis <= LARGEST {
        true => format!("{millis}m"),
        false => format!("{}S", (millis / 1_000).min(LARGEST)),
    };
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}
