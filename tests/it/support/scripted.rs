//! Short ways to an API whose answers are a function of the request, and to requests and answers.

use http::{Request, Response};

use super::probe::{Body, Probe};

/// An API that answers each request at once with what `answer` says.
pub fn scripted(answer: impl Fn(&Request<Body>) -> Response<Body> + Send + 'static) -> Probe {
    Probe::new().otherwise(move |request| answer(request).into())
}

/// An API that answers the requests for `/NNN` with the status `NNN`.
pub fn as_asked() -> Probe {
    scripted(|request| answer(request.uri().path()[1..].parse().unwrap(), &[]))
}

/// A `GET` of this path.
pub fn get(path: &str) -> Request<Body> {
    Request::get(format!("https://id.example{path}")).body(Body::default()).unwrap()
}

/// An answer with this status, these header fields and no body.
pub fn answer(status: u16, headers: &[(&str, &str)]) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::default()).unwrap()
}
