//! Jobs, done by workers.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

/// How many jobs there are, and how many are worked on at a time.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub jobs: usize,
    pub workers: usize,
    /// When it is over, what is not done has failed.
    pub max_time: Duration,
}

/// What became of them.
#[derive(Clone, Debug, Default)]
pub struct Done {
    pub ok: usize,
    pub failed: usize,
    /// From the start to the end of the last job.
    pub makespan: Duration,
    /// How long each job took that came to an end, shortest first.
    pub times: Vec<Duration>,
}

/// Does the work: `job` is one of them, and says whether it was done. `ended` hears of each that came to an end.
pub async fn run<J>(
    work: Work,
    job: impl Fn() -> J + Clone + Send + 'static,
    ended: impl Fn(bool) + Clone + Send + 'static,
) -> Done
where
    J: Future<Output = bool> + Send + 'static,
{
    let next = Arc::new(AtomicUsize::new(0));
    let done = Arc::new(Mutex::new(Done::default()));
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..work.workers.min(work.jobs) {
        let (next, done, job, ended) =
            (Arc::clone(&next), Arc::clone(&done), job.clone(), ended.clone());
        workers.spawn(async move {
            while next.fetch_add(1, Relaxed) < work.jobs {
                let begun = Instant::now();
                let ok = job().await;
                let now = Instant::now();
                ended(ok);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                done.ok += usize::from(ok);
                done.times.push(now.saturating_duration_since(begun));
                done.makespan = now.saturating_duration_since(start);
            }
        });
    }
    let all = async { while workers.join_next().await.is_some() {} };
    if timeout(work.max_time, all).await.is_err() {
        workers.shutdown().await;
    }
    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner).clone();
    done.failed = work.jobs - done.ok;
    if done.times.len() < work.jobs {
        done.makespan = Instant::now().saturating_duration_since(start);
    }
    done.times.sort_unstable();
    done
}

// === impl Done ===

impl Done {
    /// The time within which this share of the jobs came to an end.
    pub fn within(&self, share: f64) -> Duration {
        let last = self.times.len().saturating_sub(1);
        // In bounds: a share is at most one.
        let at = (last as f64 * share).round() as usize;
        self.times.get(at).copied().unwrap_or_default()
    }
}
