//! What TLS refuses: real errors of rustls, on real sockets. None of them passes by itself, so none is tried again.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::Request;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};
use tower::{Layer, ServiceExt, service_fn};
use tower_heed::{
    ErrorClassifyLayer, RetryOnRateLimit,
    classify::{AuthStatus, Classification, ErrorClass},
};

use crate::support::probe::Body;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Server {
    Trusted,
    /// Signed by itself, as a proxy that inspects traffic or a test server.
    UnknownIssuer,
    OtherName,
    Expired,
    /// Speaks HTTP without TLS on the port.
    ClearText,
    /// Wants a certificate of the client, and says so after the handshake.
    WantsCertificate,
    /// Closes the connection in the middle of the handshake.
    HangsUp,
}

fn certificate(server: Server) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let name = if server == Server::OtherName { "other.example" } else { "localhost" };
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if server == Server::Expired {
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    (certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

/// The address of a server, and a client configuration with its certificate as a root unless it is not to be trusted.
async fn start(server: Server) -> (String, ClientConfig) {
    let (certificate, key) = certificate(server);
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ServerConfig::builder();
    let config = if server == Server::WantsCertificate {
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots.clone())).build().unwrap();
        config.with_client_cert_verifier(verifier)
    } else {
        config.with_no_client_auth()
    };
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                match server {
                    Server::ClearText => {
                        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
                    }
                    Server::HangsUp => {
                        stream.read_u8().await?;
                    }
                    _ => {
                        let mut stream = acceptor.accept(stream).await?;
                        stream.read_u8().await?;
                        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        stream.write_all(response).await?;
                        stream.flush().await?;
                    }
                }
                Ok::<_, io::Error>(())
            });
        }
    });
    if server == Server::UnknownIssuer {
        roots = RootCertStore::empty();
    }
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (uri, client)
}

#[tokio::test]
async fn what_tls_refuses_is_tried_once_and_says_why() {
    for (server, expected) in [
        (Server::Trusted, None),
        (Server::UnknownIssuer, Some((ErrorClass::Connect, 1, "UnknownIssuer"))),
        (Server::OtherName, Some((ErrorClass::Connect, 1, "NotValidForName"))),
        (Server::Expired, Some((ErrorClass::Connect, 1, "Expired"))),
        (Server::ClearText, Some((ErrorClass::Connect, 1, "InvalidContentType"))),
        // The request may have been on its way.
        (Server::WantsCertificate, Some((ErrorClass::Interrupted, 1, "CertificateRequired"))),
        // That may pass: its negative.
        (Server::HangsUp, Some((ErrorClass::Connect, 3, "Connect"))),
    ] {
        let (uri, config) = start(server).await;
        let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config);
        let connector = tls.https_only().enable_http1().build();
        let http = Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
        let tries = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tries);
        let counted = service_fn(move |request| {
            counter.fetch_add(1, Ordering::Relaxed);
            http.clone().oneshot(request)
        });
        let layer = ErrorClassifyLayer::new();
        let client = RetryOnRateLimit::new().layer(layer.layer(counted));
        let request = Request::post(uri).body(Body::default()).unwrap();
        let ended = client.oneshot(request).await;
        let Some((class, times, reason)) = expected else {
            assert_eq!(ended.unwrap().status(), 200);
            continue;
        };
        let error = ended.unwrap_err();
        let found = Classification::of_error(&*error).map(|found| found.class());
        assert_eq!(found, Some(class), "{server:?}: {error:?}");
        assert_eq!(tries.load(Ordering::Relaxed), times, "{server:?}: {error:?}");
        let text = format!("{error:?}");
        assert!(text.contains(reason), "{server:?}: {text}");
        assert_eq!(layer.status().get(), AuthStatus::Degraded, "{server:?}");
    }
}
