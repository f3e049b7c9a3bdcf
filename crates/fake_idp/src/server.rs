//! The sockets: connections, requests, and what goes wrong with them.

use std::{convert::Infallible, future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header::WWW_AUTHENTICATE};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time,
};

use super::{
    faults::{Fault, Raw},
    pending::{Open, PendingRequest},
    responses::BufferedResponse,
    seen::Outcome,
    tenant::{Call, Tenant},
};

/// The longest request body that is read.
const MAX_BODY: usize = 1 << 20;

type Reply = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

/// Serves until `stop` is sent or dropped, then closes every connection.
pub async fn serve(tenant: Arc<Tenant>, listener: TcpListener, mut stop: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stop => break,
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(Arc::clone(&tenant), stream));
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// One connection. A fault that HTTP cannot say takes the socket from under the HTTP server.
async fn connection(tenant: Arc<Tenant>, stream: TcpStream) {
    let open = Open::new(tenant);
    let (wire, mut raws) = mpsc::channel::<Raw>(1);
    // A small response leaves at once.
    stream.set_nodelay(true).unwrap_or_default();
    let (tenant, number) = (Arc::clone(&open.tenant), open.number);
    let service = service_fn(move |request| -> Reply {
        Box::pin(respond(Arc::clone(&tenant), number, wire.clone(), request))
    });
    let mut http = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = &mut http => {}
        Some(raw) = raws.recv() => raw.play(http.into_parts().io.into_inner()).await,
    }
}

async fn respond(
    tenant: Arc<Tenant>,
    connection: usize,
    wire: mpsc::Sender<Raw>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let (endpoint, parameter) = tenant.routes.find(&head.method, head.uri.path());
    let mut pending = PendingRequest::begin(&tenant, connection, endpoint, &head);
    let response = match Limited::new(body, MAX_BODY).collect().await {
        Err(_) => tenant.settings.flavour.error(400),
        Ok(body) => {
            let call = Call { endpoint, parameter, head, body: body.to_bytes() };
            pending.body(call.body.clone());
            match enact(&mut pending, &call, &wire).await {
                Some(response) => response,
                None => tenant.response(&call),
            }
        }
    };
    Ok(pending.finish(response).map(Full::new))
}

/// The response that a fault gives; `None` where the request is served as always.
async fn enact(
    pending: &mut PendingRequest<'_>,
    call: &Call,
    wire: &mpsc::Sender<Raw>,
) -> Option<BufferedResponse> {
    let tenant = pending.tenant;
    match tenant.next_fault(call.endpoint, &call.parameter) {
        Fault::Pass => None,
        Fault::Delay(time) => {
            time::sleep(time).await;
            None
        }
        Fault::Late(time) => {
            let response = tenant.response(call);
            time::sleep(time).await;
            Some(response)
        }
        Fault::Status(status) => Some(tenant.failure(call.endpoint, status)),
        Fault::StatusWith(status, headers) => {
            let mut response = tenant.failure(call.endpoint, status);
            response.headers_mut().remove(WWW_AUTHENTICATE);
            for (name, value) in headers {
                let name = HeaderName::try_from(name).expect("a scripted header name is valid");
                let value = HeaderValue::try_from(value).expect("a scripted header value is valid");
                response.headers_mut().append(name, value);
            }
            Some(response)
        }
        Fault::RateLimited(wait) => Some(tenant.rate_limited(call.endpoint, wait)),
        Fault::Reply(response) => Some(*response),
        Fault::HangHead => future::pending().await,
        fault => {
            let (name, raw) = fault.on_the_wire()?;
            pending.end(Outcome::Broken(name));
            // Whether or not the connection still listens, no response comes from here.
            wire.send(raw).await.unwrap_or_default();
            future::pending().await
        }
    }
}
