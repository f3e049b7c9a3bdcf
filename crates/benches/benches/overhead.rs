//! What a call costs that nothing stops: time and allocations, ours beside tower's and tower-http's.
//!
//! `cargo bench -p benches --bench overhead -- --sort location`. See `docs/performance.md`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails as a test does")]

mod support;

use divan::{AllocProfiler, Bencher};
use http::Request;
use tokio::runtime::Builder;
use tower::Service;

use self::support::{Body, Caller, Limit, Subject, Timing, Visit};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

struct Measure<'a, 'b>(Bencher<'a, 'b>);

impl Visit for Measure<'_, '_> {
    fn visit<S>(self, mut caller: Caller<S>)
    where
        S: Service<Request<Body>, Response: Send, Error: Send> + Clone + Send + 'static,
    {
        self.0.bench_local(|| caller.call());
    }
}

#[divan::bench(args = Subject::ALL)]
fn at_once(bencher: Bencher<'_, '_>, subject: &Subject) {
    measure(bencher, *subject, Timing::AtOnce, Limit::Unsaid);
}

#[divan::bench(args = Subject::ALL)]
fn with_limit(bencher: Bencher<'_, '_>, subject: &Subject) {
    measure(bencher, *subject, Timing::AtOnce, Limit::Shown);
}

#[divan::bench(args = Subject::ALL)]
fn after_one_pending(bencher: Bencher<'_, '_>, subject: &Subject) {
    measure(bencher, *subject, Timing::AfterOnePending, Limit::Unsaid);
}

fn measure(bencher: Bencher<'_, '_>, subject: Subject, timing: Timing, limit: Limit) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(subject.visit(timing, limit, Measure(bencher)));
}

fn main() {
    divan::main();
}
