//! Running the handler: on a task of its own, once at a time.

use std::{pin::Pin, sync::Arc, thread};

use tokio::runtime::Handle;

use super::{events, tracker::Tracker};

/// What the user gave to [`on_unauthenticated`](super::ErrorClassifyLayer::on_unauthenticated).
pub(super) type Handler = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Ends the run when the handler returns, panics, or is dropped with its runtime.
struct Run(Arc<Tracker>);

/// Starts the handler on `runtime`. It is called there, not here: the answer that brought this about is not delayed.
pub(super) fn start(session: &Arc<Tracker>, handler: &Handler, runtime: &Handle) {
    let run = Run(Arc::clone(session));
    let handler = Arc::clone(handler);
    let task = async move {
        let _run = run;
        handler().await;
    };
    drop(runtime.spawn(task));
}

// === impl Run ===

impl Drop for Run {
    fn drop(&mut self) {
        if thread::panicking() {
            events::handler_panicked();
        }
        self.0.run_ended();
    }
}
