//! Where the tokens come from: the client as it was described, counted.

use http::{Request, Response};
use tower::{Service, ServiceExt, service_fn};
use tower_heed::{
    BoxError,
    error::TokenError,
    oauth::{AuthMethod, ClientCredentials, PrivateKey, SigningAlgorithm},
    token_cache::{Token, TokenRequest},
};

use super::{
    counts::Counts,
    http_client::{Body, Http},
    options::{Key, Options, Proof},
};

/// The source that the options describe.
pub fn of(options: &Options, http: Http) -> Result<ClientCredentials, BoxError> {
    let (url, id) = (options.token_url.as_str(), options.client_id.as_str());
    let mut source = match &options.proof {
        Proof::Post(secret) => ClientCredentials::new(http, url, id, secret.as_str())?,
        Proof::Basic(secret) => ClientCredentials::new(http, url, id, secret.as_str())?
            .auth_method(AuthMethod::ClientSecretBasic),
        Proof::Key(key) => signing(key, http, url, id)?,
    };
    if let Some(audience) = &options.audience {
        source = source.audience(audience);
    }
    if let Some(scope) = &options.scope {
        source = source.scopes(scope);
    }
    Ok(source)
}

fn signing(key: &Key, http: Http, url: &str, id: &str) -> Result<ClientCredentials, BoxError> {
    let Key { file, algorithm, id: key_id, audience } = key;
    let algorithm = match algorithm.as_str() {
        "RS256" => SigningAlgorithm::Rs256,
        "PS256" => SigningAlgorithm::Ps256,
        "ES256" => SigningAlgorithm::Es256,
        other => return Err(format!("--alg {other}: expected RS256, PS256 or ES256").into()),
    };
    let pem = std::fs::read(file).map_err(|why| format!("--key {}: {why}", file.display()))?;
    let mut key = PrivateKey::from_pem(algorithm, pem)?;
    if let Some(key_id) = key_id {
        key = key.key_id(key_id);
    }
    let source = ClientCredentials::new(http, url, id, key)?;
    Ok(match audience {
        Some(audience) => source.assertion_audience(audience),
        None => source,
    })
}

/// `source`, with each exchange counted.
pub fn counted<S>(
    source: S,
    counts: Counts,
) -> impl Service<TokenRequest, Response = Token, Error = TokenError, Future: Send> + Clone + Send
where
    S: Service<TokenRequest, Response = Token, Error = TokenError, Future: Send> + Clone + Send,
{
    service_fn(move |request: TokenRequest| {
        let (source, counts) = (source.clone(), counts.clone());
        async move {
            let reason = request.reason();
            let outcome = source.oneshot(request).await;
            counts.exchanged(reason, &outcome);
            outcome
        }
    })
}

/// The API behind `http`, with each attempt counted.
pub fn counted_api<B: 'static>(
    http: impl Service<Request<Body>, Response = Response<B>, Error = BoxError, Future: Send>
    + Clone
    + Send,
    counts: Counts,
) -> impl Service<Request<Body>, Response = Response<B>, Error = BoxError, Future: Send> + Clone + Send
{
    service_fn(move |request: Request<Body>| {
        let (http, counts) = (http.clone(), counts.clone());
        async move {
            counts.sent(request.extensions().get());
            let response = http.oneshot(request).await?;
            counts.responded(&response);
            Ok(response)
        }
    })
}
