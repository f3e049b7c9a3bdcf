//! nginx over HTTP/2, which closes each connection after a number of requests and does not process those beyond it.
//!
//! Run by `scripts/proof nginx`. Where nginx is not installed the test says so.

use std::{
    collections::HashMap,
    convert::Infallible,
    fs,
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{BoxError, ServiceExt};

use super::http2::clients;

const JOBS: usize = 600;
const WORKERS: usize = 16;

/// The jobs that have arrived, and how often.
type Done = Arc<Mutex<HashMap<Bytes, u32>>>;

/// nginx, until it is dropped.
struct Nginx(Child, PathBuf);

// === impl Nginx ===

impl Nginx {
    /// None if it is not installed.
    async fn start(port: u16, upstream: u16) -> Option<Self> {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("nginx-{port}"));
        fs::create_dir_all(&dir).unwrap();
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log error.log;
            events {{ worker_connections 512; }}
            http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                server {{
                    listen 127.0.0.1:{port} http2;
                    keepalive_requests 20;
                    location / {{ proxy_pass http://127.0.0.1:{upstream}; }}
                }}
            }}"
        );
        fs::write(dir.join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&dir).arg("-c").arg("nginx.conf");
        let nginx = Self(command.spawn().ok()?, dir);
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(nginx);
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("nginx does not listen: {:?}", fs::read_to_string(nginx.1.join("error.log")));
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A server that counts the bodies that it gets.
async fn counting() -> (u16, Done) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let done = Done::default();
    let counter = Arc::clone(&done);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counter = Arc::clone(&counter);
            let service = service_fn(move |request: Request<Incoming>| {
                let counter = Arc::clone(&counter);
                async move {
                    let job = request.into_body().collect().await.unwrap().to_bytes();
                    *counter.lock().unwrap().entry(job).or_default() += 1;
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (port, done)
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// 160 of 600 were lost, and the others waited for a second or two.
#[tokio::test]
#[ignore = "needs nginx: scripts/proof nginx"]
async fn posts_through_nginx_are_all_done_and_none_twice() {
    for (name, client) in clients() {
        let (upstream, done) = counting().await;
        let port = free_port().await;
        let Some(_nginx) = Nginx::start(port, upstream).await else {
            let needed = std::env::var_os("NEEDS_NGINX").is_some();
            assert!(!needed, "nginx is not installed");
            println!("SKIPPED: nginx is not installed");
            return;
        };
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let client = client.clone();
            workers.spawn(async move {
                for job in (worker..JOBS).step_by(WORKERS) {
                    let request = Request::post(format!("http://127.0.0.1:{port}/jobs"))
                        .body(Full::from(format!("job {job}")))?;
                    assert_eq!(client.clone().oneshot(request).await?, 200);
                }
                Ok::<_, BoxError>(())
            });
        }
        while let Some(worked) = workers.join_next().await {
            worked.unwrap().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        let done = done.lock().unwrap();
        println!("{name}: {} of {JOBS} in {:?}", done.len(), Instant::now() - start);
        assert_eq!(done.len(), JOBS, "{name}");
        assert!(done.values().all(|times| *times == 1), "{name}: {done:?}");
    }
}
