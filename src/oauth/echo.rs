//! Recognizes a secret in what an issuer sends back.

use std::collections::HashSet;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

/// The secrets that a request carried, to be recognized in its response. They are wiped when they are dropped.
#[derive(Default)]
pub(super) struct Secrets(Vec<Zeroizing<Vec<u8>>>);

// === impl Secrets ===

impl Secrets {
    /// Adds a secret, and what it looks like in the encodings that a server may repeat it in.
    pub(super) fn add(&mut self, secret: &str) {
        let secret = secret.as_bytes();
        let reversed: Zeroizing<Vec<u8>> = Zeroizing::new(secret.iter().rev().copied().collect());
        for form in [plain(secret), plain(&reversed), hex(secret)] {
            self.0.push(form);
        }
        // Of the same letters in another case, hex has other digits.
        for change in [u8::to_ascii_lowercase, u8::to_ascii_uppercase] {
            let cased: Zeroizing<Vec<u8>> = Zeroizing::new(secret.iter().map(change).collect());
            self.0.push(hex(&cased));
        }
        // Where it stands in the encoded text, after a user name for example, decides which of three forms it has.
        for before in 0..3 {
            let mut padded = Zeroizing::new(vec![0; before]);
            padded.reserve_exact(secret.len());
            padded.extend_from_slice(secret);
            let encoded = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(&*padded));
            // The digits that are shared with what stands before it.
            let shared = (before * 8).div_ceil(6);
            self.0.push(plain(encoded.as_bytes().get(shared..).unwrap_or_default()));
        }
    }

    /// Whether `text` repeats `least` or more letters and digits of a secret in a row, plain or encoded, in any case and with
    /// whatever signs in between. A secret that is shorter is recognized as a whole.
    pub(super) fn is_part_in(&self, text: &str, least: usize) -> bool {
        let texts = [Some(plain(text.as_bytes())), percent_decoded(text).map(|text| plain(&text))];
        let decoded = base64_decoded(text);
        let texts = texts.into_iter().flatten().chain(decoded.map(|text| plain(&text)));
        let texts: Vec<_> = texts.collect();
        self.0.iter().filter(|form| !form.is_empty()).any(|form| {
            let len = least.min(form.len());
            // One look-up for each part of the secret, which may be as long as a token; the text is cut.
            let parts: HashSet<&[u8]> = texts.iter().flat_map(|text| text.windows(len)).collect();
            form.windows(len).any(|part| parts.contains(part))
        })
    }
}

/// The letters and digits, in lower case.
fn plain(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    plain.extend(
        text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase),
    );
    // Of a secret without any, the bytes themselves.
    if plain.is_empty() {
        plain.extend_from_slice(text);
    }
    plain
}

fn hex(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
    let mut hex = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
    hex.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    hex
}

fn percent_decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let pair = Zeroizing::new(format!("v={}", text.replace('&', "%26")));
    let (_, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
    text.contains('%').then(|| Zeroizing::new(value.into_owned().into_bytes()))
}

fn base64_decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (text, unpadded) = (text.trim(), text.trim().trim_end_matches('='));
    let decoded = BASE64_STANDARD.decode(text).or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(unpadded));
    decoded.ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE;

    use super::*;

    const SECRET: &str = "Op3n/Ses+ame_9-k7w2q";

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add(SECRET);
        secrets
    }

    #[test]
    fn rule_47_a_secret_is_recognized_in_every_form() {
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let reversed: String = SECRET.chars().rev().collect();
        let spaced: String = SECRET.chars().flat_map(|char| [char, '.']).collect();
        let form: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let forms = [
            SECRET.to_owned(),
            SECRET.to_uppercase(),
            form,
            hex(SECRET).to_uppercase(),
            hex(SECRET),
            hex(&SECRET.to_lowercase()),
            hex(&SECRET.to_uppercase()),
            reversed,
            spaced,
            BASE64_STANDARD.encode(format!("a:{SECRET}")),
            BASE64_STANDARD.encode(format!("ab:{SECRET}:")),
            BASE64_URL_SAFE.encode(format!("app:{SECRET}")),
            BASE64_URL_SAFE_NO_PAD.encode(SECRET),
        ];
        for form in forms {
            assert!(secrets().is_part_in(&form, 8), "{form}");
            // Half of it is enough.
            let half = &form[form.len() / 4..3 * form.len() / 4];
            assert!(secrets().is_part_in(half, 4), "{half}");
            assert!(secrets().is_part_in(&format!("error_{half}_x"), 4), "{half}");
        }
    }

    /// The longest assertion of a file, and the longest text that is shown. Each part is looked up, and not compared with each
    /// place of the text.
    #[test]
    fn rule_47_a_long_secret_costs_no_time_to_speak_of() {
        #![allow(
            clippy::disallowed_methods,
            clippy::disallowed_types,
            reason = "the cost is measured"
        )]
        let mut secrets = Secrets::default();
        let secret = "abcdefghijklmnopqrstuvwxy".repeat(64 * 1024 / 25);
        secrets.add(&secret);
        let begun = std::time::Instant::now();
        assert!(!secrets.is_part_in(&"zq".repeat(256), 8));
        assert!(secrets.is_part_in("zq...abcdefgh", 8));
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_holds_no_secret_is_not_taken_for_one() {
        for text in ["invalid_client_metadata", "E0000011", "", "a", "AADSTS7000215"] {
            assert!(!secrets().is_part_in(text, 4), "{text}");
        }
        let mut short = Secrets::default();
        short.add("ab");
        assert!(short.is_part_in("x_ab", 4) && !short.is_part_in("x_ac", 4));
        let mut signs = Secrets::default();
        signs.add("%&");
        assert!(!signs.is_part_in("plain", 4));
        assert!(!Secrets::default().is_part_in("anything", 1));
    }
}
