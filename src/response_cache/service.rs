use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::{runtime::Handle, sync::oneshot};
use tower_service::Service;
use tracing::Instrument;

use super::{
    CacheBody, ResponseFuture,
    asked::{Asked, Wish},
    events,
    flight::Flight,
    kept::Kept,
    layer::Rules,
    store::{Counts, Found},
    wait::{Caller, follow, lead},
    write::Write,
};
use crate::{
    BoxError,
    policy::{Deadline, ambient::Scope},
};

/// The service that [`ResponseCacheLayer`](super::ResponseCacheLayer) makes. The [module](super) is the manual.
#[derive(Clone, Debug)]
pub struct ResponseCache<S> {
    inner: S,
    rules: Arc<Rules>,
}

// === impl ResponseCache ===

impl<S> ResponseCache<S> {
    pub(super) const fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }

    /// Lets the instance go that was made ready, with whatever it holds: nothing is sent for now.
    fn let_go(&mut self)
    where
        S: Clone,
    {
        let unready = self.inner.clone();
        drop(mem::replace(&mut self.inner, unready));
    }
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for ResponseCache<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    RequestBody: Send + 'static,
    ResponseBody: Body + Send + 'static,
    ResponseBody::Error: Into<BoxError>,
{
    type Response = Response<CacheBody<ResponseBody>>;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        if request.method() != Method::GET {
            let write = write(&self.rules, &request);
            return ResponseFuture::passing(self.inner.call(request), write);
        }
        match Asked::of(&self.rules, request) {
            (Some(asked), request) => self.answer(&asked, request),
            (None, request) => ResponseFuture::passing(self.inner.call(request), None),
        }
    }
}

impl<S> ResponseCache<S> {
    /// Answers a `GET` of an endpoint that was named.
    fn answer<RequestBody, ResponseBody>(
        &mut self,
        asked: &Asked,
        request: Request<RequestBody>,
    ) -> ResponseFuture<S::Future, ResponseBody>
    where
        S: Service<Request<RequestBody>, Response = Response<ResponseBody>>
            + Clone
            + Send
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        RequestBody: Send + 'static,
        ResponseBody: Body + Send + 'static,
        ResponseBody::Error: Into<BoxError>,
    {
        let store = Arc::clone(&self.rules.store);
        let now = self.rules.clock.now();
        let find = || match asked.wish {
            Wish::Anything | Wish::Kept => store.find(&asked.key, request.headers(), None, now),
            Wish::Younger(age) => store.find(&asked.key, request.headers(), Some(age), now),
            Wish::New => Found::Nothing,
        };
        let found = find();
        if let Some(response) = self.at_once(asked, &found) {
            self.let_go();
            return ResponseFuture::ready(response);
        }
        let Ok(runtime) = Handle::try_current() else {
            return ResponseFuture::passing(self.inner.call(request), None);
        };
        if matches!(found, Found::Unkept) {
            return ResponseFuture::passing(self.inner.call(request), None);
        }

        let mut flights = store.flights();
        // It may have landed in between.
        let found = find();
        let under_way = match asked.wish {
            Wish::New => None,
            _ => flights.under_way(&asked.key, now),
        };
        let deadline = Deadline::of(&request);
        let limit = request.extensions().get().copied();
        let stale = match found {
            Found::Fresh(_) | Found::Held(..) | Found::Unkept => {
                drop(flights);
                return match self.at_once(asked, &found) {
                    Some(response) => {
                        self.let_go();
                        ResponseFuture::ready(response)
                    }
                    None => ResponseFuture::passing(self.inner.call(request), None),
                };
            }
            Found::Stale(kept) => Some(kept),
            Found::Nothing => None,
        };
        let caller = |landing, stale: Option<Arc<Kept>>| Caller {
            rules: Arc::clone(&self.rules),
            named: Arc::clone(&asked.named),
            pattern: Arc::clone(&asked.pattern),
            landing,
            stale,
            deadline,
            limit,
        };
        if let Some(landing) = under_way {
            drop(flights);
            Counts::add(&store.counts.shared);
            asked.named.meter.shared();
            let caller = caller(landing, stale);
            self.let_go();
            let waiting = follow(caller, self.inner.clone(), request);
            return ResponseFuture::waiting(Box::pin(waiting));
        }

        let marks = store.generations.mark(asked.tags(&self.rules, &request));
        let (flight, landing) = Flight::new(
            Arc::clone(&self.rules),
            Arc::clone(&asked.named),
            Arc::clone(&asked.pattern),
            asked.key,
            marks,
            request.headers().clone(),
            // Where there is something to serve, the request goes on behind for as long as it takes.
            deadline.filter(|_| stale.is_none()),
        );
        flights.begin(asked.key, landing.clone());
        drop(flights);
        Counts::add(&store.counts.misses);
        asked.named.meter.miss();
        let caller = caller(landing, stale);
        let (leader, passed) = oneshot::channel();
        let response = {
            // The deadline of this caller is not that of the others.
            let limit = flight.deadline();
            let mut request = request;
            request.extensions_mut().insert(limit);
            let _scope = Scope::around_call(limit, self.rules.clock.now());
            self.inner.call(request)
        };
        drop(runtime.spawn(flight.run(response, leader).in_current_span()));
        ResponseFuture::waiting(Box::pin(lead(caller, passed)))
    }

    /// The response, if it does not have to be waited for.
    fn at_once<B>(&self, asked: &Asked, found: &Found) -> Option<Response<CacheBody<B>>> {
        let store = &self.rules.store;
        let now = self.rules.clock.now();
        match found {
            Found::Fresh(kept) => {
                Counts::add(&store.counts.hits);
                asked.named.meter.hit();
                Some(kept.respond(now, None))
            }
            Found::Held(kept, class) => {
                Counts::add(&store.counts.stale);
                asked.named.meter.stale();
                events::serves_stale(&asked.pattern, &asked.named, *class);
                Some(kept.respond(now, Some(*class)))
            }
            Found::Stale(_) | Found::Unkept | Found::Nothing => {
                (asked.wish == Wish::Kept).then(|| {
                    let mut response = Response::new(CacheBody::kept(Default::default(), None));
                    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                    response
                })
            }
        }
    }
}

/// What is to be done when the response to this request comes, if it may change a resource of which something may be kept.
fn write<B>(rules: &Arc<Rules>, request: &Request<B>) -> Option<Write> {
    if request.method().is_safe() {
        return None;
    }
    let uri = request.uri();
    let endpoint = rules.endpoints.get(&Method::GET, uri.path());
    let pattern = endpoint.config().as_ref().and(endpoint.shared_pattern())?;
    let resource = rules.store.secret.resource(uri, Some(request.headers()));
    Some(Write::new(Arc::clone(rules), pattern, resource))
}
