//! All that a run could show anyone: its events, and whatever a test adds to them.

use std::{
    error::Error,
    fmt::Debug,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Dispatch,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::fmt::MakeWriter;

/// Everything that was written.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

/// Dropped, it ends the recording.
#[derive(Debug)]
pub struct Recording {
    _guard: DefaultGuard,
    _second: Dispatch,
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// A log into which every event of this thread goes, of all crates and levels.
    pub fn record() -> (Self, Recording) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        // While there is one subscriber alone, an event that another test's thread meets first is switched off for all threads.
        let second = Dispatch::new(NoSubscriber::default());
        let guard = tracing::subscriber::set_default(subscriber);
        (log, Recording { _guard: guard, _second: second })
    }

    pub fn note(&mut self, value: &impl Debug) {
        writeln!(self, "{value:?} {value:#?}").unwrap();
    }

    pub fn error(&mut self, error: &(dyn Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            writeln!(self, "{error} {error:?}").unwrap();
            next = error.source();
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
