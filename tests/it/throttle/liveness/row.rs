//! A scenario, its figures, and what is wanted of them.

use std::fmt;

use super::{
    subject::Subject,
    world::{Calls, Run, Scenario},
};

/// A scenario and its figures.
pub struct Row {
    pub name: String,
    pub scenario: Scenario,
    pub figures: Vec<Figure>,
}

/// A figure of a run.
pub struct Figure {
    name: &'static str,
    of: Box<dyn Fn(&Run) -> f64>,
    wanted: Wanted,
}

#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    /// At least this part of the figure of the retry layer alone, of the clients that retry.
    OfRetry(f64),
    /// At least this, of the clients that retry.
    AtLeastRetrying(f64),
}

/// What was measured for a figure.
pub struct Line {
    row: String,
    figure: &'static str,
    wanted: Wanted,
    values: Vec<(Subject, f64, bool)>,
}

// === impl Row ===

impl Row {
    pub fn new(name: impl Into<String>, scenario: Scenario) -> Self {
        Self { name: name.into(), scenario, figures: Vec::new() }
    }

    pub fn calls(mut self, calls: Calls) -> Self {
        self.scenario.calls.push(calls);
        self
    }

    pub fn figure(
        mut self,
        name: &'static str,
        wanted: Wanted,
        of: impl Fn(&Run) -> f64 + 'static,
    ) -> Self {
        self.figures.push(Figure { name, of: Box::new(of), wanted });
        self
    }

    /// What the retry layer alone and these clients reach.
    pub fn measure(&self, subjects: &[Subject]) -> Vec<Line> {
        let alone = self.scenario.run(Subject::Retry);
        let runs: Vec<_> =
            subjects.iter().map(|subject| (*subject, self.scenario.run(*subject))).collect();
        let line = |figure: &Figure| {
            let yardstick = (figure.of)(&alone);
            let value = |(subject, run): &(Subject, Run)| {
                let value = (figure.of)(run);
                (*subject, value, figure.wanted.is_met(*subject, value, yardstick))
            };
            let mut values = vec![(
                Subject::Retry,
                yardstick,
                figure.wanted.is_met(Subject::Retry, yardstick, yardstick),
            )];
            values.extend(runs.iter().map(value));
            Line { row: self.name.clone(), figure: figure.name, wanted: figure.wanted, values }
        };
        self.figures.iter().map(line).collect()
    }
}

// === impl Wanted ===

impl Wanted {
    fn is_met(self, subject: Subject, value: f64, alone: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::OfRetry(part) => !subject.retries() || value >= part * alone,
            Self::AtLeastRetrying(least) => !subject.retries() || value >= least,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {}", Short(*least)),
            Self::AtMost(most) => write!(f, "<= {}", Short(*most)),
            Self::OfRetry(part) => write!(f, ">= {part} x retry"),
            Self::AtLeastRetrying(least) => write!(f, ">= {} (stack)", Short(*least)),
        }
    }
}

// === impl Line ===

impl Line {
    /// The head of the table.
    pub fn head() -> String {
        format!(
            "{:<44} {:<26} {:<15} {:>8} {:>8}     {:>8}",
            "row", "figure", "wanted", "retry", "throttle", "stack"
        )
    }

    /// The row and the figure, as `KNOWN_FAILURES` names them.
    pub fn name(&self) -> String {
        format!("{}: {}", self.row, self.figure)
    }

    /// Whether a client does not reach what is wanted. The retry layer alone is not under test.
    pub fn is_failed(&self) -> bool {
        self.values.iter().any(|(subject, _, is_met)| !is_met && *subject != Subject::Retry)
    }

    /// Whether this client reached what is wanted.
    pub fn is_met_by(&self, subject: Subject) -> bool {
        self.values.iter().any(|(of, _, is_met)| *of == subject && *is_met)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<44} {:<26} {:<15}", self.row, self.figure, self.wanted.to_string())?;
        for (subject, value, is_met) in &self.values {
            let mark = match (*subject == Subject::Retry, is_met) {
                (true, _) => "",
                (false, true) => " ok  ",
                (false, false) => " FAIL",
            };
            write!(f, " {:>8}{mark}", Short(*value).to_string())?;
        }
        Ok(())
    }
}

/// A number in the digits that matter.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_infinite() => f.write_str("never"),
            value if value.abs() >= 100.0 || value == 0.0 => write!(f, "{value:.0}"),
            value if value.abs() >= 10.0 => write!(f, "{value:.1}"),
            value => write!(f, "{value:.3}"),
        }
    }
}
