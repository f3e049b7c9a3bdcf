//! What a client can do about a limit. Each strategy has a server of its own, so that they do not disturb one another.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Body;
use load_test::{
    heeding,
    jobs::{self, Done, Work},
    server::{Mode, Path, Server},
    tally::Tally,
    wire,
};
use tokio::{runtime, time::sleep};
use tower::Service;
use tower_heed::BoxError;

use super::progress::Bar;

/// A limit of fifty requests in each second, and headers that say so.
const MODE: Mode = Mode::Fixed;

/// The server is in the same region: twenty milliseconds there and back. On loopback a client that never pauses would send
/// a hundred thousand requests a second, which no network lets it do.
const PATH: Path = Path { least: Duration::from_millis(10), most: Duration::from_millis(10) };

/// So often a rejected job is sent again at once, before it is given up.
const AT_ONCE: usize = 1_000;

/// The steps of the usual advice, in seconds. Each wait is any part of its step, and after the last the job is given up.
const STEPS: [u64; 8] = [1, 2, 4, 8, 8, 8, 8, 8];

/// A way to do the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strategy {
    /// One try.
    Bare,
    /// A rejected job is sent again at once.
    Naive,
    /// A rejected job waits for any part of 1, 2, 4, 8 s, as AWS and others advise.
    Backoff,
    /// This crate.
    Heed,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub strategy: Strategy,
    pub done: Done,
    pub tally: Tally,
    /// What a client takes that knows the limiter.
    pub ideal: Duration,
}

// === impl Strategy ===

impl Strategy {
    pub const ALL: [Self; 4] = [Self::Bare, Self::Naive, Self::Backoff, Self::Heed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "no retry",
            Self::Naive => "retry at once",
            Self::Backoff => "backoff 1, 2, 4, 8 s + jitter",
            Self::Heed => "tower-heed",
        }
    }

    /// Does all jobs on this thread, against a server that is on it as well.
    pub fn run(self, work: Work, bar: &Bar) -> Result<Outcome, BoxError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let server = Server::start(MODE, 0, PATH).await?;
            let uri: Uri = server.url().parse()?;
            let tally = Tally::begin();
            let client = wire::client(&tally, work.workers);
            let ideal = server.ideal(work.jobs, work.workers);
            let ended = {
                let (bar, tally) = (bar.clone(), tally.clone());
                move |_| bar.job_ended(&tally)
            };
            let done = if self == Self::Heed {
                let client = heeding::stack()?.service(client);
                let job = move || wire::get(client.clone(), uri.clone());
                jobs::run(work, job, ended).await
            } else {
                let job = move || self.job(client.clone(), uri.clone());
                jobs::run(work, job, ended).await
            };
            bar.finish();
            Ok(Outcome { strategy: self, done, tally, ideal })
        })
    }

    /// Sends until the response is not a rejection, or until it gives up.
    async fn job<C, B>(self, client: C, uri: Uri) -> bool
    where
        C: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>> + Clone,
        B: Body<Error: Into<BoxError>>,
    {
        let mut retries = 0;
        loop {
            if wire::get(client.clone(), uri.clone()).await {
                return true;
            }
            match self.wait(retries) {
                Some(Duration::ZERO) => {}
                Some(wait) => sleep(wait).await,
                None => return false,
            }
            retries += 1;
        }
    }

    /// How long this strategy waits before a further attempt, and none where it gives up.
    fn wait(self, retries: usize) -> Option<Duration> {
        match self {
            Self::Naive => (retries < AT_ONCE).then_some(Duration::ZERO),
            Self::Backoff => {
                let step = Duration::from_secs(*STEPS.get(retries)?);
                Some(step.mul_f64(rand::random()))
            }
            Self::Bare | Self::Heed => None,
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// The time against the ideal; none if jobs were lost, which makes anyone fast.
    pub fn times_ideal(&self) -> Option<f64> {
        let times = self.done.makespan.as_secs_f64() / self.ideal.as_secs_f64();
        (self.done.failed == 0).then_some(times)
    }
}
