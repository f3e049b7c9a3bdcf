//! Short ways to an API whose responses are a function of the request, and to requests and responses.

use http::{Request, Response};

use super::probe::{Body, Probe};

/// An API that responds each request at once with what `response` says.
pub fn scripted(response: impl Fn(&Request<Body>) -> Response<Body> + Send + 'static) -> Probe {
    Probe::new().otherwise(move |request| response(request).into())
}

/// An API that responds the requests for `/NNN` with the status `NNN`.
pub fn as_asked() -> Probe {
    scripted(|request| response(request.uri().path()[1..].parse().unwrap(), &[]))
}

/// A `GET` of this path.
pub fn get(path: &str) -> Request<Body> {
    Request::get(format!("https://id.example{path}")).body(Body::default()).unwrap()
}

/// A response with this status, these header fields and no body.
pub fn response(status: u16, headers: &[(&str, &str)]) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::default()).unwrap()
}
