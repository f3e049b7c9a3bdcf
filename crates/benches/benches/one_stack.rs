//! Calls one stack that many times, for a profiler to watch: `one_stack STACK CALLS [pending] [headers]`.
//!
//! Without arguments it lists the stacks, each with what it is compared with. `scripts/instructions` counts with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails as a test does")]
#![allow(clippy::print_stdout, reason = "its output is what it is run for")]

mod support;

use std::env;

use http::Request;
use tokio::runtime::Builder;
use tower::Service;

use self::support::{Body, Caller, Limit, Subject, Timing, Visit};

struct Repeat(u32);

impl Visit for Repeat {
    fn visit<S>(self, mut caller: Caller<S>)
    where
        S: Service<Request<Body>, Response: Send, Error: Send> + Clone + Send + 'static,
    {
        for _ in 0..self.0 {
            caller.call();
        }
    }
}

fn main() {
    // What `cargo bench` adds.
    let arguments: Vec<_> = env::args().skip(1).filter(|it| it != "--bench").collect();
    let [name, calls, rest @ ..] = &arguments[..] else {
        for subject in Subject::ALL {
            println!("{subject}\t{}", peer(subject).map_or("", Subject::name));
        }
        return;
    };
    let subject = Subject::ALL.into_iter().find(|subject| subject.name() == name).unwrap();
    let given = |word: &str| rest.iter().any(|it| it == word);
    let timing = if given("pending") { Timing::AfterOnePending } else { Timing::AtOnce };
    let limit = if given("headers") { Limit::Shown } else { Limit::Unsaid };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(subject.visit(timing, limit, Repeat(calls.parse().unwrap())));
}

/// What a subject is compared with: the part of tower or tower-http that serves the same purpose.
const fn peer(subject: Subject) -> Option<Subject> {
    match subject {
        Subject::HeedTimeout => Some(Subject::TowerTimeout),
        Subject::HeedRetry => Some(Subject::TowerRetry),
        Subject::HeedStaticToken | Subject::HeedToken => Some(Subject::TowerHttpBearer),
        Subject::HeedClassify => Some(Subject::TowerMapResponse),
        Subject::HeedStack | Subject::HeedStackStaticToken | Subject::HeedStackToken => {
            Some(Subject::TowerStack)
        }
        _ => None,
    }
}
