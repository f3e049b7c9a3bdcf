//! Which header fields carry a credential.

use http::HeaderName;

/// Parts of the names of header fields that carry a credential. A field that is matched by mistake costs hits, if it differs
/// from request to request; a field that is missed gives a user another user's response.
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

/// Fields with such a word in their names that carry no credential. `dpop` has no such word, and need not: it differs in each
/// request, and the token whose possession it proves is in its own field.
const NO_CREDENTIALS: [&str; 2] = ["user-agent", "idempotency-key"];

/// Whether a field of this name may carry a credential.
pub(super) fn names_credential(name: &HeaderName) -> bool {
    let text = name.as_str().as_bytes();
    // `str::contains` would prepare a search for each word; this runs for each field of each request.
    let mut ends = (0..text.len()).map(|at| &text[at..]);
    ends.any(|end| CREDENTIAL_WORDS.iter().any(|word| end.starts_with(word.as_bytes())))
        && !NO_CREDENTIALS.contains(&name.as_str())
}
