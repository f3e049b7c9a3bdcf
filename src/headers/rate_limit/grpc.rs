//! The `RetryInfo` of a gRPC error: `grpc-status-details-bin` is a `google.rpc.Status` in base64, with details of any type.
//! <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>

use crate::headers::{number::SECOND, wait::Wait};

/// The longest value that is read: as long as gRPC's clients allow all header fields together to be, by default.
const MAX_LEN: usize = 8 * 1024;

const RETRY_INFO: &[u8] = b"/google.rpc.RetryInfo";

/// A field's value in the wire format of protobuf, as far as it is read here.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The longest `retry_delay`. `None` without one, or if anything is malformed.
pub(super) fn retry_delay(value: &[u8]) -> Option<Wait> {
    let status = base64(value)?;
    let mut longest = None;
    each_field(&status, |number, detail| {
        if let (3, Value::Bytes(detail)) = (number, detail) {
            longest = longest.max(of_detail(detail)?);
        }
        Some(())
    })?;
    longest
}

/// The `retry_delay` of a detail, which is an `Any`; `Some(None)` if it is another type.
#[allow(clippy::option_option, reason = "another type is not malformed")]
fn of_detail(detail: &[u8]) -> Option<Option<Wait>> {
    let (mut is_retry_info, mut info) = (false, &[][..]);
    each_field(detail, |number, value| {
        match (number, value) {
            (1, Value::Bytes(url)) => is_retry_info = url.ends_with(RETRY_INFO),
            (2, Value::Bytes(value)) => info = value,
            _ => {}
        }
        Some(())
    })?;
    if !is_retry_info {
        return Some(None);
    }
    let mut wait = None;
    each_field(info, |number, delay| {
        if let (1, Value::Bytes(delay)) = (number, delay) {
            wait = Some(of_duration(delay)?);
        }
        Some(())
    })?;
    Some(wait)
}

fn of_duration(duration: &[u8]) -> Option<Wait> {
    let (mut seconds, mut nanos) = (0, 0);
    each_field(duration, |number, value| {
        match (number, value) {
            (1, Value::Number(value)) => seconds = value,
            (2, Value::Number(value)) => nanos = value,
            _ => {}
        }
        Some(())
    })?;
    // A negative number is a large one in this format.
    if nanos >= SECOND || i64::try_from(seconds).is_err() {
        return None;
    }
    Some(Wait::from_nanos(i128::from(seconds) * i128::from(SECOND) + i128::from(nanos)))
}

/// Calls `each` with the number and the value of every field. `None` if the message is malformed, or `each` says so.
fn each_field<'a>(
    mut message: &'a [u8],
    mut each: impl FnMut(u64, Value<'a>) -> Option<()>,
) -> Option<()> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => take(&mut message, 8).map(|_| Value::Other)?,
            2 => {
                let len = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, len)?)
            }
            5 => take(&mut message, 4).map(|_| Value::Other)?,
            _ => return None,
        };
        each(key >> 3, value)?;
    }
    Some(())
}

fn take<'a>(message: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(len)?;
    *message = rest;
    Some(taken)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The standard alphabet, with or without padding.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if text.len() > MAX_LEN {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    for group in text.chunks(4) {
        let bits = group.iter().try_fold(0, |bits, letter| Some(bits << 6 | sextet(*letter)?))?;
        let [_, first, second, third] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        match group.len() {
            4 => bytes.extend([first, second, third]),
            3 => bytes.extend([first, second]),
            2 => bytes.push(first),
            _ => return None,
        }
    }
    Some(bytes)
}

const fn sextet(letter: u8) -> Option<u32> {
    let sextet = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(sextet as u32)
}
