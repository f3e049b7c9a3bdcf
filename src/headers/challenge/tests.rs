use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn read(fields: &[&str]) -> BearerChallenge {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(WWW_AUTHENTICATE, field.parse().unwrap());
    }
    BearerChallenge::from_headers(&headers)
}

#[test]
fn a_401_means_that_the_token_was_rejected_unless_the_challenge_says_otherwise() {
    use BearerChallenge::{InsufficientScope, InvalidRequest, OtherScheme, StepUp, TokenRejected};
    let cases: &[(&[&str], BearerChallenge)] = &[
        (&[], TokenRejected),
        (&[""], TokenRejected),
        (&["Bearer"], TokenRejected),
        (&["Bearer realm=\"api\""], TokenRejected),
        (
            &["Bearer error=\"invalid_token\", error_description=\"The token expired\""],
            TokenRejected,
        ),
        // hapi's format, as in Auth0's Management API.
        (&["Bearer error=\"Expired token received for JSON Web Token validation\""], TokenRejected),
        (&["Token error=\"Invalid token\""], TokenRejected),
        // Azure Storage: neither quotes nor commas.
        (
            &[
                "Bearer authorization_uri=https://login.example/t/oauth2 resource_id=https://storage.example",
            ],
            TokenRejected,
        ),
        (&["Bearer realm=a error=insufficient_scope scope=\"a b\""], InsufficientScope),
        (&["bearer ERROR = \"Insufficient_Scope\""], InsufficientScope),
        (&["error=\"insufficient_scope\""], InsufficientScope),
        (&["Bearer error=invalid_request"], InvalidRequest),
        (
            &[
                "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"5\"",
            ],
            StepUp,
        ),
        (
            &[
                "Bearer realm=\"\", authorization_uri=\"x\", error=\"insufficient_claims\", claims=\"eyJ9\"",
            ],
            StepUp,
        ),
        (&["Basic realm=\"x\""], OtherScheme),
        (&["Negotiate YII123==, NTLM"], OtherScheme),
        (&["DPoP algs=\"ES256\""], OtherScheme),
        (&["DPoP error=\"use_dpop_nonce\", algs=\"ES256\""], InvalidRequest),
        (&["Bearer", "DPoP error=use_dpop_nonce"], InvalidRequest),
        (&["DPoP error=\"use_dpop_nonce\"", "Bearer error=\"invalid_token\""], TokenRejected),
        (&["DPoP error=\"insufficient_scope\""], InsufficientScope),
        (&["DPoP error=\"invalid_token\"", "Bearer error=\"insufficient_scope\""], TokenRejected),
        (&["Basic realm=\"x\"", "Bearer realm=\"y\""], TokenRejected),
        (&["Basic realm=\"Bearer, error=insufficient_scope\""], OtherScheme),
        (&["Basic realm=\"x\\\", Bearer error=\\\"insufficient_scope\""], OtherScheme),
        (
            &["Basic realm=\"x\", Bearer error=\"insufficient_scope\", Digest nonce=\"error\""],
            InsufficientScope,
        ),
        (&["Bearer error=\"insufficient_scope\"", "Bearer error=\"invalid_token\""], TokenRejected),
        // A description that should have been quoted does not open a new scheme.
        (&["Bearer error_description=The token expired error=invalid_token"], TokenRejected),
        (&["Bearer error=\"insufficient_scope"], InsufficientScope),
    ];
    for (fields, expected) in cases {
        assert_eq!(read(fields), *expected, "{fields:?}");
    }
}

#[test]
fn a_field_longer_than_the_bound_is_read_up_to_it() {
    let long =
        format!("Bearer realm=\"{}\", error=\"insufficient_scope\"", "x".repeat(MAX_FIELD_LEN));
    assert_eq!(read(&[&long]), BearerChallenge::TokenRejected);
}

proptest! {
    #[test]
    fn any_bytes_in_any_number_of_fields_are_read_without_a_panic(
        fields in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
    ) {
        let mut headers = HeaderMap::new();
        for field in fields {
            if let Ok(field) = HeaderValue::from_bytes(&field) {
                headers.append(WWW_AUTHENTICATE, field);
            }
        }
        let _read = BearerChallenge::from_headers(&headers);
    }

    #[test]
    fn words_quotes_and_separators_in_any_order_are_read_without_a_panic(
        field in "([Bb]earer|Token|error|=|\"|,| |\\\\|insufficient_scope){0,40}",
    ) {
        let _read = read(&[&field]);
    }
}
