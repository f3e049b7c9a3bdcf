//! The providers whose status codes, token endpoints and rate-limit header fields are known.
//!
//! Header fields need no configuration: their form tells what they mean, so one client may call many APIs. Where providers *mean*
//! different things by one status code there is a [`Preset`](crate::classify::Preset), and where a token endpoint has its own
//! conventions there is a constructor.
//!
//! | provider | classes | tokens | token endpoint and client authentication |
//! |---|---|---|---|
//! | Auth0 | [`Preset::Auth0`](crate::classify::Preset::Auth0) | `ClientCredentials::auth0` | `https://{domain}/oauth/token`, with an `audience`; the secret in the body, or a key |
//! | Okta, a custom authorization server | [`Preset::Okta`](crate::classify::Preset::Okta) | `ClientCredentials::okta` | `https://{domain}/oauth2/{server}/v1/token`; the secret in `Authorization`, or a key |
//! | Okta's own APIs | [`Preset::Okta`](crate::classify::Preset::Okta) | `ClientCredentials::okta_org`, with `private-key-jwt` | `https://{domain}/oauth2/v1/token`; a key only |
//! | Keycloak | [`Preset::Standard`](crate::classify::Preset::Standard) | `ClientCredentials::keycloak` | `{base}/realms/{realm}/protocol/openid-connect/token`; the secret in `Authorization`, or a key |
//! | Clerk, its Backend API | [`Preset::Clerk`](crate::classify::Preset::Clerk) | [`StaticToken`](crate::token_cache::StaticToken) | none: the secret key is the token |
//! | Clerk, machine to machine | [`Preset::Clerk`](crate::classify::Preset::Clerk) | `ClerkM2m` | Clerk's own call, which is not an OAuth grant |
//! | GitHub | [`Preset::GitHub`](crate::classify::Preset::GitHub) | `GitHubApp`, with `private-key-jwt` | the app's own, for an installation; a key only |
//! | Google | [`Preset::Google`](crate::classify::Preset::Google), in a [`ClassifyBodyLayer`](crate::classify::ClassifyBodyLayer) | `JwtBearer::google`, with `private-key-jwt` | `https://oauth2.googleapis.com/token`; a service account's key |
//! | OpenAI | [`Preset::OpenAi`](crate::classify::Preset::OpenAi), in a [`ClassifyBodyLayer`](crate::classify::ClassifyBodyLayer) | [`StaticToken`](crate::token_cache::StaticToken) | none: the API key is the token |
//! | a GraphQL API (Shopify, Linear) | [`Preset::GraphQl`](crate::classify::Preset::GraphQl), in a [`ClassifyBodyLayer`](crate::classify::ClassifyBodyLayer) | as the API says | |
//! | a gRPC server | [`Preset::Grpc`](crate::classify::Preset::Grpc) | as the API says | |
//! | another OAuth 2.0 server ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)) | [`Preset::Standard`](crate::classify::Preset::Standard) | `ClientCredentials::new` | as configured |
//! | anything else | your own [`Classifier`](crate::classify::Classifier) | any `Service<TokenRequest>` | |
//!
//! [`sources`](super::sources) has them by what they are for. `ClientCredentials` and `ClerkM2m` are in the module `oauth`, with the
//! feature `client-credentials`, which is on by default; `GitHubApp` and `JwtBearer::google` also need `private-key-jwt`.
//!
//! The presets differ in what a 403 and a 422 mean, and in what they read from a body: see [`classify::body`](crate::classify::body).
//!
#![doc = include_str!("../../docs/providers.md")]
