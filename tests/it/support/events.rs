//! What was logged, as a test sees it.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{DefaultGuard, NoSubscriber},
};

/// The events of this thread, from its making to its end.
#[derive(Debug)]
pub struct Events {
    seen: Arc<Mutex<Vec<Seen>>>,
    _guard: DefaultGuard,
    _second: Dispatch,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Seen {
    pub level: Level,
    pub message: String,
    pub fields: BTreeMap<&'static str, String>,
}

struct Recorder(Arc<Mutex<Vec<Seen>>>);

// === impl Events ===

impl Events {
    pub fn record() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        // As in `Log::record`: while there is one subscriber alone, an event that another test's thread meets first is off for all.
        let second = Dispatch::new(NoSubscriber::default());
        let guard = tracing::subscriber::set_default(Recorder(Arc::clone(&seen)));
        Self { seen, _guard: guard, _second: second }
    }

    /// The events so far with this message.
    pub fn named(&self, message: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|event| event.message == message).cloned().collect()
    }

    /// Everything so far, as text.
    pub fn text(&self) -> String {
        format!("{:?}", self.seen.lock().unwrap())
    }
}

// === impl Seen ===

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").unwrap();
        self.record_str(field, &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => drop(self.fields.insert(name, value.to_owned())),
        }
    }
}

// === impl Recorder ===

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_heed")
    }

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut seen = Seen { level, message: String::new(), fields: BTreeMap::new() };
        event.record(&mut seen);
        self.0.lock().unwrap().push(seen);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
