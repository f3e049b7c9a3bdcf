//! Whose status codes, token endpoints and rate-limit headers are known.
//!
//! Headers need no choice: what an answer says is told by its form, so one client may call many APIs. Where providers *mean* different
//! things by one status code there is a [`Preset`](crate::classify::Preset), and where a token endpoint has its ways there is a
//! constructor.
//!
//! | provider | classes | tokens | token endpoint, and how the client proves itself |
//! |---|---|---|---|
//! | Auth0 | [`Preset::Auth0`](crate::classify::Preset::Auth0) | `ClientCredentials::auth0` | `https://{domain}/oauth/token`, with an `audience`; the secret in the body, or a key |
//! | Okta, a custom authorization server | [`Preset::Okta`](crate::classify::Preset::Okta) | `ClientCredentials::okta` | `https://{domain}/oauth2/{server}/v1/token`; the secret in `Authorization`, or a key |
//! | Okta's own APIs | [`Preset::Okta`](crate::classify::Preset::Okta) | `ClientCredentials::okta_org`, with `private-key-jwt` | `https://{domain}/oauth2/v1/token`; a key only |
//! | Keycloak | [`Preset::Standard`](crate::classify::Preset::Standard) | `ClientCredentials::keycloak` | `{base}/realms/{realm}/protocol/openid-connect/token`; the secret in `Authorization`, or a key |
//! | Clerk, its Backend API | [`Preset::Clerk`](crate::classify::Preset::Clerk) | [`StaticToken`](crate::token_cache::StaticToken) | none: the secret key is the token |
//! | Clerk, machine to machine | [`Preset::Clerk`](crate::classify::Preset::Clerk) | `ClerkM2m` | Clerk's own call, which is no OAuth grant |
//! | GitHub | [`Preset::GitHub`](crate::classify::Preset::GitHub) | a source of your own, from the app's signed request | |
//! | another OAuth 2.0 server ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)) | [`Preset::Standard`](crate::classify::Preset::Standard) | `ClientCredentials::new` | as you say |
//! | anything else | a [`Classifier`](crate::classify::Classifier) of yours | any `Service<TokenRequest>` | |
//!
//! `ClientCredentials` and `ClerkM2m` are in [`token_cache`](crate::token_cache) with the feature `client-credentials`, which is on
//! by default. What the presets differ in is at [`Preset`](crate::classify::Preset): what a 403 and a 422 mean.
//!
#![doc = include_str!("../../docs/providers.md")]
