//! Which header fields say who asks.

use http::HeaderName;

/// What the names of header fields that say who asks have in them. A field that is taken for one and is none costs hits, and
/// those only if it differs from request to request; one that is not taken for one gives a user another's answer.
const CREDENTIAL_WORDS: [&str; 24] = [
    "assertion",
    "auth",
    "bearer",
    "cert",
    "cookie",
    "credential",
    "hmac",
    "identity",
    "impersonat",
    "jwt",
    "key",
    "login",
    "oidc",
    "pass",
    "principal",
    "pwd",
    "saml",
    "secret",
    "session",
    "signature",
    "sudo",
    "ticket",
    "token",
    "user",
];

/// Fields that have such a word in their names and say nothing about who asks. `dpop` has none, and rightly: it is another in
/// each request, and the token whose possession it proves is in a field of its own.
const NO_CREDENTIALS: [&str; 2] = ["user-agent", "idempotency-key"];

/// Whether a field of this name may carry a credential.
pub(super) fn names_credential(name: &HeaderName) -> bool {
    let text = name.as_str().as_bytes();
    // Each request is asked for each of its fields: `str::contains` would prepare a search for each word.
    let mut ends = (0..text.len()).map(|at| &text[at..]);
    ends.any(|end| CREDENTIAL_WORDS.iter().any(|word| end.starts_with(word.as_bytes())))
        && !NO_CREDENTIALS.contains(&name.as_str())
}
